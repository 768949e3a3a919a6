//! What the logs share that are chained: their batches, and how much is in them.

use ecs_domain::Timestamp;
use ecs_store::StoreError;
use ecs_store::chain::{Batch, Chained, Digest, FIRST, Totals, digest};
use tokio_postgres::Row;

use crate::column::{count, get, limit, micros, signed};
use crate::engine::{Answer, Fault, Flight, Session, Step};

/// The SQL of a log's batches.
pub(crate) struct Statements {
    /// Only one seals at a time; whoever reads batches is not held up.
    alone: &'static str,
    last: &'static str,
    add: &'static str,
    totals: &'static str,
    newest: &'static str,
    batches: &'static str,
}

/// The statements of the log whose entries and batches are in these tables.
macro_rules! statements {
    ($entries:literal, $batches:literal) => {
        $crate::chain::Statements::new([
            concat!("LOCK TABLE ", $batches, " IN SHARE ROW EXCLUSIVE MODE"),
            concat!("SELECT number, digest FROM ", $batches, " ORDER BY number DESC LIMIT 1"),
            concat!(
                "INSERT INTO ",
                $batches,
                " (number, entries, digest, sealed_at) VALUES ($1, $2, $3, $4)"
            ),
            concat!(
                "SELECT count(batch) AS sealed, count(*) - count(batch) AS unsealed,
                    min(at) FILTER (WHERE batch IS NULL) AS oldest FROM ",
                $entries
            ),
            concat!(
                "SELECT number, entries, digest, sealed_at FROM ",
                $batches,
                " ORDER BY number DESC LIMIT 1"
            ),
            concat!(
                "SELECT number, entries, digest, sealed_at FROM ",
                $batches,
                " WHERE number >= $1 ORDER BY number LIMIT $2"
            ),
        ])
    };
}
pub(crate) use statements;

/// A batch as the columns of a new row; it must live until the flight is sent.
pub(crate) struct BatchRow {
    batch: Batch,
    number: i64,
    entries: i64,
    digest: Vec<u8>,
}

impl BatchRow {
    /// The number, as entries have it in their column.
    pub(crate) fn number(&self) -> &i64 {
        &self.number
    }

    /// The batch.
    pub(crate) fn batch(&self) -> Batch {
        self.batch
    }
}

impl Statements {
    /// For the macro.
    pub(crate) const fn new(sql: [&'static str; 6]) -> Self {
        let [alone, last, add, totals, newest, batches] = sql;
        Self { alone, last, add, totals, newest, batches }
    }

    /// Those that run again and again, where the test of the query plans sees them.
    #[cfg(test)]
    pub(crate) const fn hot(&self) -> [&'static str; 3] {
        [self.last, self.newest, self.batches]
    }

    /// Begins the transaction of a seal, and asks for what comes before it.
    pub(crate) fn begin(&self, flight: &mut Flight<'_>) -> Step {
        flight.begin();
        flight.add(self.alone, &[]);
        flight.add(self.last, &[])
    }

    /// The batch of these entries, behind the one that [`Statements::begin`] found.
    pub(crate) fn next<E: Chained>(last: &Answer, entries: &[E], now: Timestamp) -> Result<BatchRow, Fault> {
        let (last, previous) = last.first().map(read_last).transpose()?.unwrap_or((0, FIRST));
        let (number, sealed_at) = (last + 1, micros(now));
        let digest = digest(number, &previous, entries);
        let batch = Batch { number, entries: entries.len() as u64, digest, sealed_at };
        Ok(BatchRow { batch, number: signed(number), entries: limit(entries.len()), digest: digest.to_vec() })
    }

    /// Adds the batch, with the flight's transaction.
    pub(crate) fn add<'a>(&self, flight: &mut Flight<'a>, row: &'a BatchRow) {
        flight.add(self.add, &[&row.number, &row.entries, &row.digest, &row.batch.sealed_at]);
    }

    pub(crate) async fn batches(
        &self,
        session: &Session,
        from: u64,
        most: usize,
    ) -> Result<Vec<Batch>, Fault> {
        let (from, most) = (signed(from), limit(most));
        session.query(self.batches, &[&from, &most]).await?.rows.iter().map(read_batch).collect()
    }

    pub(crate) async fn totals(&self, session: &Session) -> Result<Totals, Fault> {
        let counted = session.query(self.totals, &[]).await?;
        let counted = counted.first().ok_or(Fault::Conflict)?;
        let newest = session.query(self.newest, &[]).await?.first().map(read_batch).transpose()?;
        let (sealed, unsealed) = (count(counted, "sealed")?, count(counted, "unsealed")?);
        Ok(Totals { sealed, unsealed, oldest_unsealed: get(counted, "oldest")?, newest })
    }
}

fn read_last(row: &Row) -> Result<(u64, Digest), Fault> {
    Ok((count(row, "number")?, read_digest(row)?))
}

fn read_digest(row: &Row) -> Result<Digest, Fault> {
    to_digest(get(row, "digest")?)
}

/// A digest from the bytes of its column.
pub(crate) fn to_digest(bytes: &[u8]) -> Result<Digest, Fault> {
    let wrong = |_| StoreError::Corrupt("the column digest holds no digest".to_owned());
    Ok(bytes.try_into().map_err(wrong)?)
}

fn read_batch(row: &Row) -> Result<Batch, Fault> {
    Ok(Batch {
        number: count(row, "number")?,
        entries: count(row, "entries")?,
        digest: read_digest(row)?,
        sealed_at: get(row, "sealed_at")?,
    })
}
