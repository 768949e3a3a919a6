//! What became of an event.

use ecs_store::{EventKey, Fate, Ledger};
use rusqlite::{Connection, OptionalExtension, params};

use crate::column::{IdBytes, IdText, day_number};
use crate::engine::Fault;
use crate::folds::DISCARDED;

pub(crate) mod statements {
    //! The SQL of fates, where the test of the query plans sees it.

    pub(crate) const RAW: &str =
        "SELECT 1 FROM emotional_events WHERE day = ?1 AND user_id = ?2 AND event_id = ?3";
    pub(crate) const INBOX: &str =
        "SELECT fate FROM emotion_inbox WHERE day = ?1 AND user_id = ?2 AND event_id = ?3";
    pub(crate) const TRANSACTION: &str = "SELECT 1 FROM transactions WHERE id = ?1 AND user_id = ?2";
    pub(crate) const DEAD_LETTER: &str =
        "SELECT 1 FROM dead_letters WHERE event_id = ?1 AND subject = ?2 AND key = ?3";
}

/// The fates of the events, in their order.
pub(super) fn read(connection: &Connection, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, Fault> {
    let fate = |key| {
        let settled = match ledger {
            Ledger::Emotions => of_emotion(connection, key)?,
            Ledger::Transactions => of_transaction(connection, key)?,
        };
        match settled {
            Some(fate) => Ok(fate),
            None => unsettled(connection, ledger, key),
        }
    };
    keys.iter().map(fate).collect()
}

fn of_emotion(connection: &Connection, key: &EventKey) -> Result<Option<Fate>, Fault> {
    let day = day_number(key.day);
    let (user, id) = (IdBytes(key.user.uuid()), IdBytes(key.id.uuid()));
    if connection.prepare_cached(statements::RAW)?.exists(params![day, user, id])? {
        return Ok(Some(Fate::Counted));
    }
    let mut inbox = connection.prepare_cached(statements::INBOX)?;
    let noted: Option<i64> = inbox.query_row(params![day, user, id], |row| row.get(0)).optional()?;
    Ok(noted.map(|fate| if fate == DISCARDED { Fate::Discarded } else { Fate::Counted }))
}

fn of_transaction(connection: &Connection, key: &EventKey) -> Result<Option<Fate>, Fault> {
    let mut statement = connection.prepare_cached(statements::TRANSACTION)?;
    let counted = statement.exists(params![IdText::new(key.id.uuid()), IdText::new(key.user.uuid())])?;
    Ok(counted.then_some(Fate::Counted))
}

/// Whether an event that isn't in the tables was given up.
fn unsettled(connection: &Connection, ledger: Ledger, key: &EventKey) -> Result<Fate, Fault> {
    let mut statement = connection.prepare_cached(statements::DEAD_LETTER)?;
    let (id, user) = (IdText::new(key.id.uuid()), IdText::new(key.user.uuid()));
    let given_up = statement.exists(params![id, ledger.subject(), user])?;
    Ok(if given_up { Fate::DeadLettered } else { Fate::Unknown })
}
