//! The statements under the bus: append to a log, read a log. The bus is measured against them, so they are public;
//! whoever writes with them while a bus has the file open breaks that bus.

use std::path::Path;

use bytes::Bytes;
use ecs_bus::{BusError, Event, Headers, LogRecord, Position, Subject};
use ecs_domain::{EventId, Timestamp, UserId};
use rusqlite::{CachedStatement, Connection, Row, params};
use uuid::Uuid;

use crate::Options;
use crate::schema::{self, classify};

/// A connection with the bus's own schema and settings and nothing around it: no queue, no thread, no groups.
pub struct RawLog {
    connection: Connection,
}

impl RawLog {
    /// Opens or creates the file.
    pub fn open(path: &Path, options: &Options) -> Result<Self, BusError> {
        Ok(Self { connection: schema::open_writer(path, options)? })
    }

    /// Appends the events in one transaction, the first of them at `first`.
    pub fn append(
        &self,
        subject: Subject,
        first: u64,
        at: Timestamp,
        events: &[Event],
    ) -> Result<(), BusError> {
        let work = || -> rusqlite::Result<()> {
            let transaction = self.connection.unchecked_transaction()?;
            insert(&transaction, subject, first, at, events)?;
            transaction.commit()
        };
        work().map_err(|error| classify(&error))
    }

    /// Reads at most `limit` events from `first` on.
    pub fn read(&self, subject: Subject, first: u64, limit: usize) -> Result<Vec<LogRecord>, BusError> {
        read_from(&self.connection, subject, first, limit)
    }
}

/// Appends the events within the transaction that is open.
pub(crate) fn insert(
    connection: &Connection,
    subject: Subject,
    first: u64,
    at: Timestamp,
    events: &[Event],
) -> rusqlite::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(insert_sql(subject))?;
    let at = at.as_microsecond();
    for (position, event) in (first..).zip(events) {
        statement.execute(params![
            position,
            at,
            event.id.uuid().as_bytes(),
            event.key.uuid().as_bytes(),
            event.headers.schema_version,
            event.headers.request_id,
            event.headers.traceparent,
            &event.payload[..],
        ])?;
    }
    Ok(())
}

/// Reads at most `limit` events from `first` on, oldest first.
pub(crate) fn read_from(
    connection: &Connection,
    subject: Subject,
    first: u64,
    limit: usize,
) -> Result<Vec<LogRecord>, BusError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let work = || -> rusqlite::Result<Vec<LogRecord>> {
        let mut statement = connection.prepare_cached(page_sql(subject))?;
        collect(&mut statement, params![first, limit], subject)
    };
    work().map_err(|error| classify(&error))
}

/// Reads the event at `position`, unless it was forgotten.
pub(crate) fn read_one(
    connection: &Connection,
    subject: Subject,
    position: u64,
) -> Result<Option<LogRecord>, BusError> {
    let records = read_from(connection, subject, position, 1)?;
    Ok(records.into_iter().find(|record| record.position.offset == position))
}

fn collect(
    statement: &mut CachedStatement<'_>,
    parameters: impl rusqlite::Params,
    subject: Subject,
) -> rusqlite::Result<Vec<LogRecord>> {
    let mut rows = statement.query(parameters)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row, subject)?);
    }
    Ok(records)
}

fn record(row: &Row<'_>, subject: Subject) -> rusqlite::Result<LogRecord> {
    let headers = Headers { schema_version: row.get(4)?, request_id: row.get(5)?, traceparent: row.get(6)? };
    let payload = Bytes::copy_from_slice(row.get_ref(7)?.as_blob()?);
    let event = Event {
        id: EventId::new(Uuid::from_bytes(row.get(2)?)),
        subject,
        key: UserId::new(Uuid::from_bytes(row.get(3)?)),
        payload,
        headers,
    };
    let published_at = Timestamp::from_microsecond(row.get(1)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Integer, error.into())
    })?;
    Ok(LogRecord { position: Position::single(row.get(0)?), published_at, event })
}

macro_rules! per_subject {
    ($(#[$doc:meta])* $name:ident, $before:literal, $after:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(subject: Subject) -> &'static str {
            match subject {
                Subject::Emotions => concat!($before, "log_emotions", $after),
                Subject::Transactions => concat!($before, "log_transactions", $after),
                Subject::OffersApproved => concat!($before, "log_offers_approved", $after),
                Subject::Notifications => concat!($before, "log_notifications", $after),
                Subject::Evaluations => concat!($before, "log_evaluations", $after),
                Subject::Alerts => concat!($before, "log_alerts", $after),
            }
        }
    };
}

per_subject!(insert_sql, "INSERT INTO ", " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
per_subject!(page_sql, "SELECT * FROM ", " WHERE position >= ?1 ORDER BY position LIMIT ?2");
per_subject!(
    /// The newest position, or NULL.
    head_sql, "SELECT max(position) FROM ", ""
);
per_subject!(
    /// Position and time of the oldest events.
    oldest_sql, "SELECT position, published_at FROM ", " ORDER BY position LIMIT ?1"
);
per_subject!(delete_sql, "DELETE FROM ", " WHERE position <= ?1");
