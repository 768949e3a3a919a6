//! What the logs share that are chained: their batches, and how much is in them.

use ecs_domain::Timestamp;
use ecs_store::chain::{Batch, Chained, Digest, FIRST, Totals, digest};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::column::{at_from_micros, count, limit, micros};
use crate::engine::Fault;

/// The SQL of a log's batches.
pub(crate) struct Statements {
    last: &'static str,
    add: &'static str,
    totals: &'static str,
    newest: &'static str,
    batches: &'static str,
}

impl Statements {
    /// Those that run again and again, where the test of the query plans sees them.
    #[cfg(test)]
    pub(crate) const fn hot(&self) -> [&'static str; 3] {
        [self.last, self.newest, self.batches]
    }
}

/// The statements of the log whose entries and batches are in these tables.
macro_rules! statements {
    ($entries:literal, $batches:literal) => {
        $crate::chain::Statements::new(
            concat!(
                "SELECT number, digest FROM ",
                $batches,
                " WHERE number = (SELECT max(number) FROM ",
                $batches,
                ")"
            ),
            concat!(
                "INSERT INTO ",
                $batches,
                " (number, entries, digest, sealed_at) VALUES (?1, ?2, ?3, ?4)"
            ),
            concat!(
                "SELECT count(batch), count(*) - count(batch), min(at) FILTER (WHERE batch IS NULL) FROM ",
                $entries
            ),
            concat!(
                "SELECT number, entries, digest, sealed_at FROM ",
                $batches,
                " WHERE number = (SELECT max(number) FROM ",
                $batches,
                ")"
            ),
            concat!(
                "SELECT number, entries, digest, sealed_at FROM ",
                $batches,
                " WHERE number >= ?1 ORDER BY number LIMIT ?2"
            ),
        )
    };
}
pub(crate) use statements;

impl Statements {
    /// For the macro.
    pub(crate) const fn new(
        last: &'static str,
        add: &'static str,
        totals: &'static str,
        newest: &'static str,
        batches: &'static str,
    ) -> Self {
        Self { last, add, totals, newest, batches }
    }

    /// Adds the batch of these entries. Nobody else writes meanwhile, so the last batch is the last until the end.
    pub(crate) fn append<E: Chained>(
        &self,
        connection: &Connection,
        entries: &[E],
        now: Timestamp,
    ) -> Result<Batch, Fault> {
        let last = connection
            .prepare_cached(self.last)?
            .query_row([], |row| Ok((count(row.get(0)?), row.get::<_, Digest>(1)?)))
            .optional()?;
        let (last, previous) = last.unwrap_or((0, FIRST));
        let number = last + 1;
        let digest = digest(number, &previous, entries);
        let columns = (key(number), limit(entries.len()));
        connection.prepare_cached(self.add)?.execute(params![
            columns.0,
            columns.1,
            digest,
            now.as_microsecond()
        ])?;
        Ok(Batch { number, entries: entries.len() as u64, digest, sealed_at: micros(now) })
    }

    /// The number that the next batch gets.
    pub(crate) fn next(&self, connection: &Connection) -> Result<u64, Fault> {
        let last = connection.prepare_cached(self.last)?.query_row([], |row| Ok(count(row.get(0)?)));
        Ok(last.optional()?.unwrap_or(0) + 1)
    }

    pub(crate) fn batches(
        &self,
        connection: &Connection,
        from: u64,
        most: usize,
    ) -> Result<Vec<Batch>, Fault> {
        let mut statement = connection.prepare_cached(self.batches)?;
        Ok(statement.query_map((key(from), limit(most)), read_batch)?.collect::<Result<_, _>>()?)
    }

    pub(crate) fn totals(&self, connection: &Connection) -> Result<Totals, Fault> {
        let (sealed, unsealed, oldest_unsealed) = connection
            .prepare_cached(self.totals)?
            .query_row([], |row| Ok((count(row.get(0)?), count(row.get(1)?), row.get(2)?)))?;
        let newest = connection.prepare_cached(self.newest)?.query_row([], read_batch).optional()?;
        Ok(Totals { sealed, unsealed, oldest_unsealed, newest })
    }
}

/// A number as a column has it.
pub(crate) fn key(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read_batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        number: count(row.get(0)?),
        entries: count(row.get(1)?),
        digest: row.get(2)?,
        sealed_at: at_from_micros(row.get(3)?)?,
    })
}
