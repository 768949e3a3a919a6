//! How far the groups have come, as it is kept in the file.

use std::collections::BTreeMap;

use ecs_bus::{BusError, FailedAttempt, Subject};
use ecs_domain::Timestamp;
use rusqlite::{Connection, params};

use crate::group::Group;
use crate::schema::classify;

/// A retry as it is kept.
pub(crate) struct Row {
    /// How often the event was delivered.
    pub(crate) attempt: u32,
    /// When it may be delivered again.
    pub(crate) due: Timestamp,
    /// Why it failed so far.
    pub(crate) history: Vec<FailedAttempt>,
}

/// What changed in a group since it was last written down.
pub(crate) struct Changes {
    /// Everything at or below is settled or has a row.
    pub(crate) cursor: u64,
    /// Rows to write, and with `None` rows to drop.
    pub(crate) rows: Vec<(u64, Option<Row>)>,
}

/// Writes changes within the transaction that is open.
pub(crate) fn write(
    connection: &Connection,
    subject: Subject,
    group: &str,
    changes: &Changes,
) -> rusqlite::Result<()> {
    let subject = subject.as_str();
    connection
        .prepare_cached("INSERT OR REPLACE INTO progress (subject, consumers, cursor) VALUES (?1, ?2, ?3)")?
        .execute(params![subject, group, changes.cursor])?;
    for (position, row) in &changes.rows {
        match row {
            Some(Row { attempt, due, history }) => connection
                .prepare_cached("INSERT OR REPLACE INTO retries VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    subject,
                    group,
                    position,
                    attempt,
                    due.as_microsecond(),
                    history_to_text(history)
                ])?,
            None => connection
                .prepare_cached(
                    "DELETE FROM retries WHERE subject = ?1 AND consumers = ?2 AND position = ?3",
                )?
                .execute(params![subject, group, position])?,
        };
    }
    Ok(())
}

/// Reads every group of a subject. Nothing at or below `floor` is in the log any more.
pub(crate) fn read(
    connection: &Connection,
    subject: Subject,
    floor: u64,
) -> Result<BTreeMap<String, Group>, BusError> {
    let mut rows = read_retries(connection, subject, floor)?;
    let mut groups = BTreeMap::new();
    for (name, cursor) in read_cursors(connection, subject).map_err(|error| classify(&error))? {
        let retries = rows.remove(&name).unwrap_or_default();
        groups.insert(name, Group::resume(cursor.max(floor), retries));
    }
    Ok(groups)
}

fn read_cursors(connection: &Connection, subject: Subject) -> rusqlite::Result<Vec<(String, u64)>> {
    connection
        .prepare("SELECT consumers, cursor FROM progress WHERE subject = ?1")?
        .query_map([subject.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Group, position, attempt, due, history.
type KeptRow = (String, u64, u32, i64, String);

type Retries = BTreeMap<String, Vec<(u64, Row)>>;

fn read_retries(connection: &Connection, subject: Subject, floor: u64) -> Result<Retries, BusError> {
    let sql = "SELECT consumers, position, attempt, due_at, history FROM retries WHERE subject = ?1 AND position > ?2";
    let read = || -> rusqlite::Result<Vec<KeptRow>> {
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map(params![subject.as_str(), floor], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
        rows.collect()
    };
    let mut retries = Retries::new();
    for (group, position, attempt, due, history) in read().map_err(|error| classify(&error))? {
        let due = Timestamp::from_microsecond(due).map_err(|_| damaged())?;
        let row = Row { attempt, due, history: history_from_text(&history)? };
        retries.entry(group).or_default().push((position, row));
    }
    Ok(retries)
}

/// `[[microseconds, reason], …]`.
fn history_to_text(history: &[FailedAttempt]) -> String {
    let pairs: Vec<(i64, &str)> =
        history.iter().map(|failure| (failure.at.as_microsecond(), failure.reason.as_str())).collect();
    // Numbers and strings always serialise.
    serde_json::to_string(&pairs).unwrap_or_else(|_| "[]".to_owned())
}

fn history_from_text(text: &str) -> Result<Vec<FailedAttempt>, BusError> {
    let pairs: Vec<(i64, String)> = serde_json::from_str(text).map_err(|_| damaged())?;
    let attempt = |(at, reason)| {
        Timestamp::from_microsecond(at).map(|at| FailedAttempt { at, reason }).map_err(|_| damaged())
    };
    pairs.into_iter().map(attempt).collect()
}

fn damaged() -> BusError {
    BusError::Corrupt("a row of the retries can't be read".to_owned())
}
