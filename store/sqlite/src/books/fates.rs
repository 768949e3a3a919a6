//! What became of an event.

use ecs_domain::dead_letter::DeadLetterState;
use ecs_domain::{EventId, UserId};
use ecs_store::{EventKey, Fate, Ledger};
use rusqlite::{Connection, OptionalExtension, params};

use crate::column::{IdBytes, IdText, Word, day_number};
use crate::engine::Fault;
use crate::erasures;
use crate::folds::DISCARDED;

pub(crate) mod statements {
    //! The SQL of fates, where the test of the query plans sees it.

    pub(crate) const RAW: &str =
        "SELECT 1 FROM emotional_events WHERE day = ?1 AND user_id = ?2 AND event_id = ?3";
    pub(crate) const INBOX: &str =
        "SELECT fate FROM emotion_inbox WHERE day = ?1 AND user_id = ?2 AND event_id = ?3";
    pub(crate) const TRANSACTION: &str = "SELECT 1 FROM transactions WHERE id = ?1 AND user_id = ?2";
    pub(crate) const LETTERS: &str =
        "SELECT d.state, EXISTS (SELECT 1 FROM outbox o WHERE o.row = d.outbox_row) FROM dead_letters d
         WHERE d.event_id = ?1 AND d.subject = ?2 AND (?3 IS NULL OR d.key = ?3)";
}

/// The fates of the events, in their order.
pub(super) fn read(connection: &Connection, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, Fault> {
    let fate = |key: &EventKey| {
        let settled = match ledger {
            Ledger::Emotions => of_emotion(connection, key)?,
            Ledger::Transactions => of_transaction(connection, key)?,
        };
        match settled {
            Some(fate) => Ok(fate),
            None => match of_letters(connection, ledger.subject(), key.id, Some(key.user))? {
                Fate::Unknown if erasures::is_erased(connection, key.user)? => Ok(Fate::Erased),
                fate => Ok(fate),
            },
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

/// What the letters say of an event, of one user where one is named. As long as one of them waits or was dropped, the
/// event is given up, whatever was done about the others.
pub(super) fn of_letters(
    connection: &Connection,
    subject: &str,
    event: EventId,
    user: Option<UserId>,
) -> Result<Fate, Fault> {
    let mut statement = connection.prepare_cached(statements::LETTERS)?;
    let user = user.map(|user| IdText::new(user.uuid()));
    let mut rows = statement.query(params![IdText::new(event.uuid()), subject, user])?;
    let mut fate = Fate::Unknown;
    while let Some(row) = rows.next()? {
        let in_outbox = row.get(1)?;
        fate = match (row.get::<_, Word<DeadLetterState>>(0)?.0, fate) {
            (DeadLetterState::Waiting | DeadLetterState::Dropped, _) => return Ok(Fate::DeadLettered),
            (DeadLetterState::Replayed, Fate::Replayed { in_outbox: true }) => fate,
            (DeadLetterState::Replayed, _) => Fate::Replayed { in_outbox },
        };
    }
    Ok(fate)
}
