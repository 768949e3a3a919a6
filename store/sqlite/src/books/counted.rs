//! The counted events, one by one.

use ecs_domain::{EventId, Timestamp, UserId, utc_day};
use ecs_store::{CountedPage, EventKey, Ledger};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::column::{At, Id, IdBytes, IdText, at_from_micros, day_from_number, day_number, limit as held};
use crate::engine::Fault;
use crate::folds::COUNTED;

pub(crate) mod statements {
    //! The SQL of the pages, where the test of the query plans sees it.

    pub(crate) const RAW: &str = "SELECT day, user_id, event_id, arrived_at FROM emotional_events
         WHERE (day, user_id, event_id) > (?1, ?2, ?3) ORDER BY day, user_id, event_id LIMIT ?4";
    pub(crate) const INBOX: &str = "SELECT day, user_id, event_id, arrived_at FROM emotion_inbox
         WHERE (day, user_id, event_id) > (?1, ?2, ?3) AND fate = ?5 ORDER BY day, user_id, event_id LIMIT ?4";
    pub(crate) const TRANSACTIONS: &str = "SELECT id, user_id, occurred_at, created_at FROM transactions
         WHERE id > ?1 ORDER BY id LIMIT ?2";
}

type Counted = (EventKey, Timestamp);

/// The next page of the ledger.
pub(super) fn page(
    connection: &Connection,
    ledger: Ledger,
    after: Option<EventKey>,
    limit: usize,
) -> Result<CountedPage, Fault> {
    let events = match ledger {
        Ledger::Emotions => emotions(connection, after, limit)?,
        Ledger::Transactions => transactions(connection, after, limit)?,
    };
    Ok(CountedPage { events })
}

/// Raw rows and ids, each a page in the order of the keys, are one page when they are put together and cut.
fn emotions(connection: &Connection, after: Option<EventKey>, limit: usize) -> Result<Vec<Counted>, Fault> {
    let (day, user, id) = match after {
        Some(key) => (day_number(key.day), key.user.uuid(), key.id.uuid()),
        None => (i64::MIN, Uuid::nil(), Uuid::nil()),
    };
    let after = params![day, IdBytes(user), IdBytes(id), held(limit)];
    let mut raw = connection.prepare_cached(statements::RAW)?;
    let mut events = raw.query_map(after, emotion)?.collect::<Result<Vec<_>, _>>()?;
    let after = params![day, IdBytes(user), IdBytes(id), held(limit), COUNTED];
    let mut inbox = connection.prepare_cached(statements::INBOX)?;
    for event in inbox.query_map(after, emotion)? {
        events.push(event?);
    }
    events.sort_unstable_by_key(|(key, _)| *key);
    events.truncate(limit);
    Ok(events)
}

fn emotion(row: &Row<'_>) -> rusqlite::Result<Counted> {
    let key = EventKey {
        day: day_from_number(row.get(0)?)?,
        user: UserId::new(row.get::<_, IdBytes>(1)?.0),
        id: EventId::new(row.get::<_, IdBytes>(2)?.0),
    };
    Ok((key, at_from_micros(row.get(3)?)?))
}

fn transactions(
    connection: &Connection,
    after: Option<EventKey>,
    limit: usize,
) -> Result<Vec<Counted>, Fault> {
    let after = after.map_or_else(Uuid::nil, |key| key.id.uuid());
    let mut statement = connection.prepare_cached(statements::TRANSACTIONS)?;
    let events = statement.query_map(params![IdText::new(after), held(limit)], |row| {
        let key = EventKey {
            day: utc_day(row.get::<_, At>(2)?.0),
            user: UserId::new(row.get::<_, Id>(1)?.0),
            id: EventId::new(row.get::<_, Id>(0)?.0),
        };
        Ok((key, row.get::<_, At>(3)?.0))
    })?;
    Ok(events.collect::<Result<_, _>>()?)
}
