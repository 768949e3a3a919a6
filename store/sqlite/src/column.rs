//! How ids, instants, days and names stand in columns.

use std::str::FromStr;

use ecs_domain::{Day, Timestamp};
use jiff::ToSpan;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use uuid::Uuid;

/// A UUID as text, made without an allocation.
pub(crate) struct IdText([u8; 36]);

impl IdText {
    pub(crate) fn new(uuid: Uuid) -> Self {
        let mut text = [0; 36];
        uuid.hyphenated().encode_lower(&mut text);
        Self(text)
    }
}

impl ToSql for IdText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

/// A UUID read from text.
pub(crate) struct Id(pub(crate) Uuid);

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::parse_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A UUID as 16 bytes.
pub(crate) struct IdBytes(pub(crate) Uuid);

impl ToSql for IdBytes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for IdBytes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?).map(Self).map_err(FromSqlError::other)
    }
}

/// An instant as fixed-width UTC text with microseconds; nanoseconds beyond them are cut.
#[derive(Clone, Copy)]
pub(crate) struct At(pub(crate) Timestamp);

impl ToSql for At {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(format!("{:.6}", micros(self.0)).into())
    }
}

impl FromSql for At {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

/// The instant as the store keeps it: whole microseconds.
pub(crate) fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// A word that a type has for itself, such as a status.
pub(crate) struct Word<T>(pub(crate) T);

impl<T: FromStr> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

const EPOCH: Day = jiff::civil::date(1970, 1, 1);
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01.
pub(crate) fn day_number(day: Day) -> i64 {
    match jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)) {
        Ok(midnight) => midnight.as_second().div_euclid(86_400),
        // Only the very edges of the calendar, 9999 years away, are out of reach.
        Err(_) => i64::MAX,
    }
}

/// The UTC day of an instant, as days since 1970-01-01.
pub(crate) fn day_number_of(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(MICROS_PER_DAY)
}

/// The day that is so many days after 1970-01-01.
pub(crate) fn day_from_number(number: i64) -> rusqlite::Result<Day> {
    let days = i32::try_from(number).ok().and_then(|days| EPOCH.checked_add(days.days()).ok());
    days.ok_or_else(|| out_of_range(number))
}

/// An instant from microseconds since 1970.
pub(crate) fn at_from_micros(number: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(number).map_err(|_| out_of_range(number))
}

/// A count, which is never below zero.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number that may be larger than a column's, held at the column's largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same of a number of rows.
pub(crate) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn out_of_range(number: i64) -> rusqlite::Error {
    FromSqlError::OutOfRange(number).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_fixed_width_text() {
        let check = |input: &str, expect: &str| {
            let at = At(input.parse().unwrap());
            let ToSqlOutput::Owned(rusqlite::types::Value::Text(text)) = at.to_sql().unwrap() else {
                panic!("instants are text");
            };
            assert_eq!(text, expect);
        };
        check("2026-11-20T23:59:38Z", "2026-11-20T23:59:38.000000Z");
        check("2026-11-20T23:59:38.123456789Z", "2026-11-20T23:59:38.123456Z");
        check("2026-11-20T23:59:59.9999999Z", "2026-11-20T23:59:59.999999Z");
    }

    #[test]
    fn days_are_numbered_from_1970() {
        let check = |day: &str, expect: i64| {
            let day: Day = day.parse().unwrap();
            assert_eq!(day_number(day), expect, "{day}");
            assert_eq!(day_from_number(expect).unwrap(), day);
            let late = format!("{day}T23:59:59.999999Z").parse().unwrap();
            assert_eq!(day_number_of(late), expect, "{late}");
        };
        check("1970-01-01", 0);
        check("1969-12-31", -1);
        check("2025-08-19", 20_319);
    }
}
