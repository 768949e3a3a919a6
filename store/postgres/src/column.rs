//! How ids, instants, days and names stand in columns, and how they are read.

use std::str::FromStr;

use ecs_domain::Timestamp;
use ecs_store::StoreError;
use tokio_postgres::Row;
use tokio_postgres::row::RowIndex;
use tokio_postgres::types::FromSql;

use crate::engine::Fault;

/// A column's value. Fails when the column holds something else.
pub(crate) fn get<'a, I, T>(row: &'a Row, column: I) -> Result<T, Fault>
where
    I: RowIndex + std::fmt::Display,
    T: FromSql<'a>,
{
    row.try_get(&column)
        .map_err(|_| Fault::Store(StoreError::Corrupt(format!("the column {column} can't be read"))))
}

/// A word that a type has for itself, such as a status.
pub(crate) fn word<T: FromStr>(row: &Row, column: &'static str) -> Result<T, Fault> {
    let unknown = || StoreError::Corrupt(format!("the column {column} holds an unknown word"));
    Ok(get::<_, &str>(row, column)?.parse().map_err(|_| unknown())?)
}

/// A count, which is never below zero.
pub(crate) fn count(row: &Row, column: &'static str) -> Result<u64, Fault> {
    get(row, column).map(unsigned)
}

/// A number that is never below zero.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number that may be larger than a column's, held at the column's largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is not negative, and small.
pub(crate) fn small(row: &Row, column: &'static str) -> Result<u32, Fault> {
    let out_of_range = |_| StoreError::Corrupt(format!("the column {column} is out of range"));
    Ok(u32::try_from(get::<_, i32>(row, column)?).map_err(out_of_range)?)
}

/// The same for a column, held at the column's largest.
pub(crate) fn small_signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How many rows, as a statement's `LIMIT` takes it.
pub(crate) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The instant as the store keeps it: whole microseconds, the rest cut off. The driver would round, and what is read would
/// be later than what was written.
pub(crate) fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
