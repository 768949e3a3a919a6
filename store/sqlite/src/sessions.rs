//! Sessions, and which of their refresh tokens is the next.

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{
    NewSession, PasswordChange, Refresh, Refreshed, Rights, SessionChange, Sessions, StandingSession,
    StoreError,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::SqliteStore;
use crate::column::{At, Id, IdBytes, IdText};
use crate::engine::Fault;
use crate::{audit, rights};

/// Nothing is begun with a password that was changed meanwhile.
pub(crate) const BEGIN: &str = "INSERT INTO sessions (id, user_id, started_at, expires_at)
     SELECT ?1, id, ?4, ?5 FROM users WHERE id = ?2 AND password_hash = ?3";
pub(crate) const FIND: &str =
    "SELECT sessions.user_id, number, exchanged_at, expires_at, ended_at, version, roles, permissions
     FROM sessions JOIN users ON users.id = sessions.user_id
     LEFT JOIN user_rights ON user_rights.user_id = sessions.user_id WHERE sessions.id = ?1";
pub(crate) const ADVANCE: &str = "UPDATE sessions SET number = number + 1, exchanged_at = ?2 WHERE id = ?1";
pub(crate) const END: &str = "UPDATE sessions SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
pub(crate) const END_ALL: &str = "UPDATE sessions SET ended_at = ?2 WHERE user_id = ?1 AND ended_at IS NULL";
pub(crate) const PASSWORD: &str = "SELECT password_hash FROM users WHERE id = ?1";
pub(crate) const CHANGE_PASSWORD: &str =
    "UPDATE users SET password_hash = ?3, updated_at = ?4 WHERE id = ?1 AND password_hash = ?2";
pub(crate) const DROP_OLD: &str =
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ?1 LIMIT ?2)";

#[async_trait]
impl Sessions for SqliteStore {
    async fn begin_session(&self, session: NewSession) -> Result<Option<Rights>, StoreError> {
        self.write("sessions.begin", move |connection| {
            let (id, user) = (IdBytes(session.id), IdText::new(session.user.uuid()));
            let times = (session.now.as_microsecond(), session.expires_at.as_microsecond());
            let begun = params![id, user, session.password_hash, times.0, times.1];
            match connection.prepare_cached(BEGIN)?.execute(begun)? {
                0 => Ok(None),
                _ => rights::of_user(connection, session.user),
            }
        })
        .await
    }

    async fn refresh_session(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        self.write("sessions.refresh", move |connection| exchange(connection, &refresh)).await
    }

    async fn end_session(&self, session: Uuid, now: Timestamp) -> Result<(), StoreError> {
        self.write("sessions.end", move |connection| end(connection, session, now)).await
    }

    async fn end_sessions(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        self.write("sessions.end_all", move |connection| {
            let (ended, known) = end_all(connection, user, now)?;
            if known {
                let ended = json!({"sessions": ended});
                let entry = NewEntry::of_oneself(user, Act::SessionsEnded, Value::Null, ended, now);
                audit::note(connection, &entry)?;
            }
            Ok(ended)
        })
        .await
    }

    async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError> {
        self.read("sessions.password_hash", move |connection| {
            let mut statement = connection.prepare_cached(PASSWORD)?;
            let found = statement.query_row([IdText::new(user.uuid())], |row| row.get(0));
            Ok(found.optional()?.flatten())
        })
        .await
    }

    async fn replace_password(&self, change: PasswordChange) -> Result<bool, StoreError> {
        self.write("sessions.replace_password", move |connection| {
            let PasswordChange { user, from, to, now, ends_sessions } = &change;
            let id = IdText::new(user.uuid());
            let changed =
                connection.prepare_cached(CHANGE_PASSWORD)?.execute(params![id, from, to, At(*now)])?;
            if changed > 0 && *ends_sessions {
                end_all(connection, *user, *now)?;
                let act = Act::PasswordChanged;
                audit::note(connection, &NewEntry::of_oneself(*user, act, Value::Null, Value::Null, *now))?;
            }
            Ok(changed > 0)
        })
        .await
    }
}

/// Nobody else writes meanwhile, so what is found stands until the end.
fn exchange(connection: &Connection, refresh: &Refresh) -> Result<Refreshed, Fault> {
    let found = connection.prepare_cached(FIND)?.query_row([IdBytes(refresh.session)], read).optional()?;
    let Some(found) = found else { return Ok(Refreshed::Unknown) };
    let user = found.user;
    let (met, change) = found.met_by(refresh);
    match change {
        SessionChange::Advance => {
            let values = params![IdBytes(refresh.session), refresh.now.as_microsecond()];
            connection.prepare_cached(ADVANCE)?.execute(values)?;
        }
        SessionChange::End => {
            end(connection, refresh.session, refresh.now)?;
            let reused = json!({"session": refresh.session});
            let entry = NewEntry::of_oneself(user, Act::TokenReused, Value::Null, reused, refresh.now);
            audit::note(connection, &entry)?;
        }
        SessionChange::Nothing => {}
    }
    Ok(met)
}

fn end(connection: &Connection, session: Uuid, now: Timestamp) -> Result<(), Fault> {
    let ended = connection.prepare_cached(END)?.execute(params![IdBytes(session), now.as_microsecond()])?;
    if ended > 0 {
        rights::note_session(connection, session, now)?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<StandingSession> {
    let at = |micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN);
    Ok(StandingSession {
        user: UserId::new(row.get::<_, Id>(0)?.0),
        number: row.get(1)?,
        exchanged_at: row.get::<_, Option<i64>>(2)?.map(at),
        expires_at: at(row.get(3)?),
        ended_at: row.get::<_, Option<i64>>(4)?.map(at),
        rights: rights::read(row, 5)?,
    })
}

/// How many sessions it ended, and whether there is such a user.
pub(crate) fn end_all(connection: &Connection, user: UserId, now: Timestamp) -> Result<(u64, bool), Fault> {
    let ended = connection
        .prepare_cached(END_ALL)?
        .execute(params![IdText::new(user.uuid()), now.as_microsecond()])?;
    let known = rights::note_user(connection, user, now)?.is_some();
    Ok((ended as u64, known))
}

/// Drops up to `most` sessions that expired before `since`.
pub(crate) fn drop_old(connection: &Connection, since: Timestamp, most: i64) -> Result<u64, Fault> {
    let dropped = connection.prepare_cached(DROP_OLD)?.execute(params![since.as_microsecond(), most])?;
    Ok(dropped as u64)
}
