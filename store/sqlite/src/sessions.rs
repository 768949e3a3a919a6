//! Sessions and their refresh tokens.

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{NewSession, PasswordChange, Refresh, Refreshed, Sessions, StoreError, TokenHash};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::column::{At, Id, IdBytes, IdText};
use crate::engine::Fault;

/// Nothing is begun with a password that was changed meanwhile.
pub(crate) const BEGIN: &str = "INSERT INTO sessions (id, user_id, started_at, expires_at)
     SELECT ?1, id, ?4, ?5 FROM users WHERE id = ?2 AND password_hash = ?3";
const ADD_TOKEN: &str = "INSERT INTO refresh_tokens (hash, session_id) VALUES (?1, ?2)";
pub(crate) const FIND: &str = "SELECT s.id, s.user_id, s.expires_at, s.ended_at, t.exchanged_at
     FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = ?1";
pub(crate) const EXCHANGE: &str =
    "UPDATE refresh_tokens SET exchanged_at = ?2 WHERE hash = ?1 AND exchanged_at IS NULL";
pub(crate) const END: &str = "UPDATE sessions SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
pub(crate) const END_BY_TOKEN: &str = "UPDATE sessions SET ended_at = ?2
     WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = ?1) AND ended_at IS NULL";
pub(crate) const END_ALL: &str = "UPDATE sessions SET ended_at = ?2 WHERE user_id = ?1 AND ended_at IS NULL";
pub(crate) const PASSWORD: &str = "SELECT password_hash FROM users WHERE id = ?1";
pub(crate) const CHANGE_PASSWORD: &str =
    "UPDATE users SET password_hash = ?3, updated_at = ?4 WHERE id = ?1 AND password_hash = ?2";
pub(crate) const OLD: &str = "SELECT id FROM sessions WHERE expires_at < ?1 LIMIT ?2";
pub(crate) const DROP_TOKENS: &str = "DELETE FROM refresh_tokens
     WHERE hash IN (SELECT hash FROM refresh_tokens WHERE session_id = ?1 LIMIT ?2)";
pub(crate) const DROP: &str = "DELETE FROM sessions WHERE id = ?1";

#[async_trait]
impl Sessions for SqliteStore {
    async fn begin_session(&self, session: NewSession) -> Result<bool, StoreError> {
        self.write("sessions.begin", move |connection| {
            let (id, user) = (IdBytes(session.id), IdText::new(session.user.uuid()));
            let times = (session.now.as_microsecond(), session.expires_at.as_microsecond());
            let begun = params![id, user, session.password_hash, times.0, times.1];
            let begun = connection.prepare_cached(BEGIN)?.execute(begun)?;
            if begun > 0 {
                connection.prepare_cached(ADD_TOKEN)?.execute(params![session.token, id])?;
            }
            Ok(begun > 0)
        })
        .await
    }

    async fn refresh_session(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        self.write("sessions.refresh", move |connection| exchange(connection, &refresh)).await
    }

    async fn end_session(&self, token: &TokenHash, now: Timestamp) -> Result<(), StoreError> {
        let token = *token;
        self.write("sessions.end", move |connection| {
            connection.prepare_cached(END_BY_TOKEN)?.execute(params![token, now.as_microsecond()])?;
            Ok(())
        })
        .await
    }

    async fn end_sessions(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        self.write("sessions.end_all", move |connection| end_all(connection, user, now)).await
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
            }
            Ok(changed > 0)
        })
        .await
    }
}

/// A token as it was found.
struct Found {
    session: Uuid,
    user: UserId,
    expires_at: i64,
    ended_at: Option<i64>,
    exchanged_at: Option<i64>,
}

impl Found {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            session: row.get::<_, IdBytes>(0)?.0,
            user: UserId::new(row.get::<_, Id>(1)?.0),
            expires_at: row.get(2)?,
            ended_at: row.get(3)?,
            exchanged_at: row.get(4)?,
        })
    }
}

/// Nobody else writes meanwhile, so what is found stands until the end.
fn exchange(connection: &Connection, refresh: &Refresh) -> Result<Refreshed, Fault> {
    let now = refresh.now.as_microsecond();
    let found = connection.prepare_cached(FIND)?.query_row([refresh.token], Found::read).optional()?;
    let Some(found) = found else { return Ok(Refreshed::Unknown) };
    if found.ended_at.is_some() || found.expires_at <= now {
        return Ok(Refreshed::Ended);
    }
    // A clock that was set back must not let a stolen token in for as long as it is behind.
    let is_late = |at: i64| u128::from(now.abs_diff(at)) >= refresh.leeway.as_micros();
    if found.exchanged_at.is_some_and(is_late) {
        connection.prepare_cached(END)?.execute(params![IdBytes(found.session), now])?;
        return Ok(Refreshed::Reused { user: found.user });
    }
    connection.prepare_cached(EXCHANGE)?.execute(params![refresh.token, now])?;
    connection.prepare_cached(ADD_TOKEN)?.execute(params![refresh.successor, IdBytes(found.session)])?;
    let expires_at = Timestamp::from_microsecond(found.expires_at).unwrap_or(refresh.now);
    Ok(Refreshed::Renewed { user: found.user, expires_at })
}

fn end_all(connection: &Connection, user: UserId, now: Timestamp) -> Result<u64, Fault> {
    let ended = connection
        .prepare_cached(END_ALL)?
        .execute(params![IdText::new(user.uuid()), now.as_microsecond()])?;
    Ok(ended as u64)
}

/// Drops sessions that expired before `since`, up to `most` of them and of their tokens: an eager client has any number of these.
/// Returns how many sessions went, and whether more is due.
pub(crate) fn drop_old(connection: &Connection, since: Timestamp, most: i64) -> Result<(u64, bool), Fault> {
    let mut find = connection.prepare_cached(OLD)?;
    let old = find.query_map(params![since.as_microsecond(), most], |row| row.get(0))?;
    let old: Vec<IdBytes> = old.collect::<Result<_, _>>()?;
    let (mut drop_tokens, mut drop) =
        (connection.prepare_cached(DROP_TOKENS)?, connection.prepare_cached(DROP)?);
    let (mut dropped, mut left) = (0, most);
    for id in &old {
        left -= i64::try_from(drop_tokens.execute(params![id, left])?).unwrap_or(i64::MAX);
        if left <= 0 {
            return Ok((dropped, true));
        }
        drop.execute([id])?;
        dropped += 1;
    }
    Ok((dropped, dropped >= most.unsigned_abs()))
}
