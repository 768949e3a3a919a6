//! What goes for its age.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ecs_domain::{Timestamp, utc_day};
use ecs_store::{Aged, Ageing, Due, StoreError};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::column::{At, Id, IdText, limit};
use crate::engine::{Fault, Size};
use crate::{SqliteStore, audit, decision_log};

pub(crate) mod statements {
    //! The SQL of what goes, where the test of the query plans sees it.

    pub(crate) const SUMMARIES: &str =
        "DELETE FROM emotional_events_summary WHERE (user_id, summary_date) IN (
            SELECT user_id, summary_date FROM emotional_events_summary WHERE summary_date < ?1 LIMIT ?2)
         RETURNING event_count";
    /// A decision, its reviews and what those have offered go together, and stay while anything of it is a credit.
    pub(crate) const DENIALS: &str = "SELECT id, user_id FROM decisions d
         WHERE offer_id IS NULL AND decided_at < ?1 AND NOT EXISTS (
            SELECT 1 FROM decision_reviews r JOIN credit_limits o ON o.id = r.offer_id WHERE r.decision_id = d.id
                AND NOT (o.status IN ('offered', 'expired') AND o.expires_at < ?1))
         LIMIT ?2";
    /// An offer that nobody accepted in time has expired, whether or not its status was told since.
    pub(crate) const EXPIRED: &str = "SELECT c.id, d.id, d.user_id FROM credit_limits c
            LEFT JOIN decisions d ON d.offer_id = c.id
         WHERE c.status IN ('offered', 'expired') AND c.expires_at < ?1
            AND NOT EXISTS (SELECT 1 FROM decision_reviews r WHERE r.offer_id = c.id)
            AND NOT EXISTS (
                SELECT 1 FROM decision_reviews r JOIN credit_limits o ON o.id = r.offer_id WHERE r.decision_id = d.id
                    AND NOT (o.status IN ('offered', 'expired') AND o.expires_at < ?1))
         LIMIT ?2";
    pub(crate) const REVIEWS: &str = "SELECT id, offer_id FROM decision_reviews
         WHERE decision_id = ?1 AND concluded_at IS NOT NULL";
    pub(crate) const DECISION: &str = "DELETE FROM decisions WHERE id = ?1";
    pub(crate) const OFFER: &str = "DELETE FROM credit_limits WHERE id = ?1";
    pub(crate) const NOTIFICATIONS: &str =
        "SELECT user_id, sequence FROM notifications WHERE stored_at < ?1 ORDER BY stored_at LIMIT ?2";
    pub(crate) const UP_TO: &str = "DELETE FROM notifications WHERE user_id = ?1 AND sequence <= ?2";
    pub(crate) const GO_ON_BEHIND: &str = "UPDATE users SET notifications_gone = ?2 WHERE id = ?1";
    pub(crate) const LETTERS: &str =
        "UPDATE dead_letters SET state = 'dropped', state_at = ?3, payload = x'' WHERE row IN (
            SELECT row FROM dead_letters WHERE state = 'waiting' AND created_at < ?1 LIMIT ?2)";
    pub(crate) const SECRETS: &str =
        "UPDATE webhooks SET previous_secret = NULL, previous_until = NULL WHERE id IN (
            SELECT id FROM webhooks WHERE previous_until < ?1 LIMIT ?2)";
}

/// Looks at no more than it may drop, from the oldest on: rows are numbered in the order of their arrival, so no index is needed
/// that every transaction would have to keep up with.
const TRANSACTIONS: &str = "DELETE FROM transactions WHERE rowid IN (
        SELECT rowid FROM (SELECT rowid, created_at FROM transactions ORDER BY rowid LIMIT ?2)
        WHERE created_at < ?1)";
const NOTE: &str = "INSERT INTO aged (rows, events, before) VALUES (?1, ?2, ?3)
     ON CONFLICT (rows) DO UPDATE SET events = events + excluded.events, before = max(before, excluded.before)";

#[async_trait]
impl Ageing for SqliteStore {
    async fn drop_aged(&self, due: Due) -> Result<u64, StoreError> {
        self.write_sized(due.rows.as_str(), Size::Large, move |connection| {
            let gone = drop_aged(connection, due)?;
            audit::note_some(connection, due.told(gone))?;
            Ok(gone)
        })
        .await
    }
}

fn drop_aged(connection: &Connection, due: Due) -> Result<u64, Fault> {
    let old = params![At(due.before), limit(due.most)];
    let gone = match due.rows {
        Aged::Summaries => return summaries(connection, due),
        Aged::Decisions => return decisions(connection, due),
        Aged::Notifications => return notifications(connection, due),
        Aged::Transactions => connection.prepare_cached(TRANSACTIONS)?.execute(old)?,
        Aged::WaitingLetters => connection.prepare_cached(statements::LETTERS)?.execute(params![
            At(due.before),
            limit(due.most),
            At(due.now)
        ])?,
        Aged::ReplacedSecrets => connection
            .prepare_cached(statements::SECRETS)?
            .execute(params![due.before.as_microsecond(), limit(due.most)])?,
    };
    Ok(gone as u64)
}

fn summaries(connection: &Connection, due: Due) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached(statements::SUMMARIES)?;
    let day = utc_day(due.before).to_string();
    let events = statement.query_map(params![day, limit(due.most)], |row| row.get::<_, i64>(0))?;
    let events: Vec<i64> = events.collect::<Result<_, _>>()?;
    if !events.is_empty() {
        note(connection, "emotion-summaries", events.iter().sum(), due)?;
    }
    Ok(events.len() as u64)
}

fn decisions(connection: &Connection, due: Due) -> Result<u64, Fault> {
    let old = params![At(due.before), limit(due.most)];
    let mut denials = connection.prepare_cached(statements::DENIALS)?;
    let denials = denials.query_map(old, |row| ids(row, 0))?.collect::<Result<Vec<_>, _>>()?;
    for denial in denials.iter().flatten() {
        forget(connection, *denial, due.now)?;
    }
    let mut expired = connection.prepare_cached(statements::EXPIRED)?;
    let expired = expired.query_map(old, |row| Ok((row.get::<_, Id>(0)?.0, ids(row, 1)?)))?;
    let expired = expired.collect::<Result<Vec<_>, _>>()?;
    for (offer, decision) in &expired {
        decision.map_or(Ok(()), |decision| forget(connection, decision, due.now))?;
        connection.prepare_cached(statements::OFFER)?.execute([IdText::new(*offer)])?;
    }
    Ok((denials.len() + expired.len()) as u64)
}

/// A decision and its person, if there is one in these columns.
fn ids(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<(Uuid, Uuid)>> {
    let (decision, user) = (row.get::<_, Option<Id>>(first)?, row.get::<_, Option<Id>>(first + 1)?);
    Ok(decision.zip(user).map(|(decision, user)| (decision.0, user.0)))
}

/// Deletes a decision, its reviews and what those have offered, and has the log tell so.
fn forget(connection: &Connection, (decision, user): (Uuid, Uuid), now: Timestamp) -> Result<(), Fault> {
    let id = IdText::new(decision);
    let mut reviews = connection.prepare_cached(statements::REVIEWS)?;
    let reviews = reviews.query_map([&id], |row| {
        Ok((row.get::<_, Id>(0)?.0, row.get::<_, Option<Id>>(1)?.map(|offer| offer.0)))
    })?;
    let reviews: Vec<(Uuid, Option<Uuid>)> = reviews.collect::<Result<_, _>>()?;
    connection.prepare_cached(statements::DECISION)?.execute([&id])?;
    decision_log::note_aged(connection, decision, user, now)?;
    for (review, offer) in reviews {
        decision_log::note_aged(connection, review, user, now)?;
        if let Some(offer) = offer {
            connection.prepare_cached(statements::OFFER)?.execute([IdText::new(offer)])?;
        }
    }
    Ok(())
}

/// A user's numbers have no gaps, so with a notification go all before it, even where a clock was set back between the two.
fn notifications(connection: &Connection, due: Due) -> Result<u64, Fault> {
    let mut last: BTreeMap<Uuid, i64> = BTreeMap::new();
    let mut old = connection.prepare_cached(statements::NOTIFICATIONS)?;
    let mut rows = old.query(params![At(due.before), limit(due.most)])?;
    while let Some(row) = rows.next()? {
        let (user, sequence) = (row.get::<_, Id>(0)?.0, row.get::<_, i64>(1)?);
        last.entry(user).and_modify(|last| *last = (*last).max(sequence)).or_insert(sequence);
    }
    let mut gone = 0;
    for (user, sequence) in &last {
        connection
            .prepare_cached(statements::GO_ON_BEHIND)?
            .execute(params![IdText::new(*user), sequence])?;
        gone +=
            connection.prepare_cached(statements::UP_TO)?.execute(params![IdText::new(*user), sequence])?;
    }
    if gone > 0 {
        note(connection, "notifications", 0, due)?;
    }
    Ok(gone as u64)
}

fn note(connection: &Connection, rows: &str, events: i64, due: Due) -> Result<(), Fault> {
    connection.prepare_cached(NOTE)?.execute(params![rows, events, At(due.before)])?;
    Ok(())
}
