//! Sessions and their refresh tokens.

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{NewSession, PasswordChange, Refresh, Refreshed, Sessions, StoreError, TokenHash};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{get, micros, unsigned};
use crate::engine::{Call, Fault, Param, Session};

/// The user's row is locked: whoever changes the password waits until the session is there to be ended, and whoever comes after
/// the change finds another hash.
pub(crate) const BEGIN: &str = "INSERT INTO sessions (id, user_id, started_at, expires_at)
     SELECT $1, id, $4, $5 FROM users WHERE id = $2 AND password_hash = $3 FOR SHARE";
/// Where no session was begun, none gets a token.
pub(crate) const ADD_TOKEN: &str =
    "INSERT INTO refresh_tokens (hash, session_id) SELECT $1, id FROM sessions WHERE id = $2";
/// Both rows are locked, so of those who come with the same token, or with tokens of the same session, one looks after the other.
pub(crate) const FIND: &str = "SELECT s.id, s.user_id, s.expires_at, s.ended_at, t.exchanged_at
     FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = $1 FOR UPDATE";
pub(crate) const EXCHANGE: &str =
    "UPDATE refresh_tokens SET exchanged_at = $2 WHERE hash = $1 AND exchanged_at IS NULL";
pub(crate) const END: &str = "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
pub(crate) const END_BY_TOKEN: &str = "UPDATE sessions SET ended_at = $2
     WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = $1) AND ended_at IS NULL";
pub(crate) const END_ALL: &str = "UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL";
pub(crate) const PASSWORD: &str = "SELECT password_hash FROM users WHERE id = $1";
pub(crate) const CHANGE_PASSWORD: &str =
    "UPDATE users SET password_hash = $3, updated_at = $4 WHERE id = $1 AND password_hash = $2";
/// Session by session, oldest first. Several processes may clean up at once: each takes what no other has in hand.
pub(crate) const DROP_TOKENS: &str = "DELETE FROM refresh_tokens WHERE ctid = ANY (ARRAY(
        SELECT t.ctid FROM (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) s,
            LATERAL (SELECT ctid FROM refresh_tokens WHERE session_id = s.id LIMIT $2 FOR UPDATE SKIP LOCKED) t
        LIMIT $2))";
/// The same sessions.
pub(crate) const DROP_OLD: &str = "DELETE FROM sessions WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

#[async_trait]
impl Sessions for PostgresStore {
    async fn begin_session(&self, session: NewSession) -> Result<bool, StoreError> {
        let (id, user, hash) = (&session.id, &session.user.uuid(), &session.password_hash);
        let token = &&session.token[..];
        let (now, expires_at) = (&micros(session.now), &micros(session.expires_at));
        self.primary
            .run(Call::quick("sessions.begin"), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                let begun = flight.add(BEGIN, &[id, user, hash, now, expires_at]);
                flight.add(ADD_TOKEN, &[token, id]);
                flight.commit();
                Ok(flight.send().await?.take(begun).changed > 0)
            })
            .await
    }

    async fn refresh_session(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        let refresh = &refresh;
        self.primary
            .run(Call::quick("sessions.refresh"), |session| async move { exchange(&session, refresh).await })
            .await
    }

    async fn end_session(&self, token: &TokenHash, now: Timestamp) -> Result<(), StoreError> {
        let (token, now) = (&&token[..], &micros(now));
        self.primary
            .run(Call::quick("sessions.end"), |session| async move {
                session.query(END_BY_TOKEN, &[token, now]).await?;
                Ok(())
            })
            .await
    }

    async fn end_sessions(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        let (user, now) = (&user.uuid(), &micros(now));
        self.primary
            .run(Call::quick("sessions.end_all"), |session| async move {
                Ok(session.query(END_ALL, &[user, now]).await?.changed)
            })
            .await
    }

    async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let user = &user.uuid();
        self.primary
            .run(Call::quick("sessions.password_hash"), |session| async move {
                let found = session.query(PASSWORD, &[user]).await?;
                Ok(found.first().map(|row| get(row, 0)).transpose()?.flatten())
            })
            .await
    }

    async fn replace_password(&self, change: PasswordChange) -> Result<bool, StoreError> {
        let PasswordChange { user, from, to, now, ends_sessions } = &change;
        let (id, now) = (&user.uuid(), &micros(*now));
        let about = [*user];
        self.primary
            .run(Call::quick("sessions.replace_password").about(&about), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                let changed = flight.add(CHANGE_PASSWORD, &[id, from, to, now]);
                let changed = flight.send().await?.take(changed).changed > 0;
                let mut flight = session.flight();
                if changed && *ends_sessions {
                    flight.add(END_ALL, &[id, now]);
                }
                flight.commit();
                flight.send().await?;
                Ok(changed)
            })
            .await
    }
}

/// A token as it was found.
struct Found {
    session: Uuid,
    user: UserId,
    expires_at: Timestamp,
    ended_at: Option<Timestamp>,
    exchanged_at: Option<Timestamp>,
}

impl Found {
    fn read(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            session: get(row, "id")?,
            user: UserId::new(get(row, "user_id")?),
            expires_at: get(row, "expires_at")?,
            ended_at: get(row, "ended_at")?,
            exchanged_at: get(row, "exchanged_at")?,
        })
    }

    /// What the token is met with.
    fn met_by(&self, refresh: &Refresh) -> Refreshed {
        let Self { user, expires_at, ended_at, exchanged_at, .. } = *self;
        // A clock that was set back must not let a stolen token in for as long as it is behind.
        let is_late = |at: Timestamp| refresh.now.duration_since(at).unsigned_abs() >= refresh.leeway;
        if ended_at.is_some() || expires_at <= refresh.now {
            Refreshed::Ended
        } else if exchanged_at.is_some_and(is_late) {
            Refreshed::Reused { user }
        } else {
            Refreshed::Renewed { user, expires_at }
        }
    }
}

async fn exchange(session: &Session, refresh: &Refresh) -> Result<Refreshed, Fault> {
    let (token, successor, now) = (&&refresh.token[..], &&refresh.successor[..], &micros(refresh.now));
    let mut flight = session.flight();
    flight.begin();
    let find = flight.add(FIND, &[token]);
    let found = flight.send().await?.take(find).first().map(Found::read).transpose()?;
    let met = found.as_ref().map_or(Refreshed::Unknown, |found| found.met_by(refresh));
    let id = found.map(|found| found.session).unwrap_or_default();
    let mut flight = session.flight();
    match met {
        Refreshed::Renewed { .. } => {
            let exchange: [Param<'_>; 2] = [token, now];
            flight.add(EXCHANGE, &exchange);
            flight.add(ADD_TOKEN, &[successor, &id]);
            flight.commit();
        }
        Refreshed::Reused { .. } => {
            flight.add(END, &[&id, now]);
            flight.commit();
        }
        Refreshed::Ended | Refreshed::Unknown => flight.roll_back(),
    }
    flight.send().await?;
    Ok(met)
}

/// Drops up to `most` sessions that expired before `since`. Their tokens go first, and no more of them at once either: an eager
/// client has any number. Returns how many sessions went, and whether more is due.
pub(crate) async fn drop_old(session: &Session, since: Timestamp, most: i64) -> Result<(u64, bool), Fault> {
    let tokens = session.query(DROP_TOKENS, &[&since, &most]).await?.changed;
    if tokens >= unsigned(most) {
        return Ok((0, true));
    }
    let sessions = session.query(DROP_OLD, &[&since, &most]).await?.changed;
    Ok((sessions, sessions >= unsigned(most)))
}
