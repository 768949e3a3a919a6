//! Sessions, and which of their refresh tokens is the next.

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{
    NewSession, PasswordChange, Refresh, Refreshed, Rights, SessionChange, Sessions, StandingSession,
    StoreError,
};
use serde_json::{Value, json};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{get, micros};
use crate::engine::{Call, Fault, Session};
use crate::{rights, users};

/// The user's row is locked: whoever changes the password waits until the session is there to be ended, and whoever comes after
/// the change finds another hash.
pub(crate) const BEGIN: &str = "INSERT INTO sessions (id, user_id, started_at, expires_at)
     SELECT $1, id, $4, $5 FROM users WHERE id = $2 AND password_hash = $3 FOR SHARE";
/// The row is locked, so of those who come with tokens of the same session one looks after the other.
pub(crate) const FIND: &str = "SELECT sessions.user_id, number, exchanged_at, expires_at, ended_at,
        version, roles, permissions FROM sessions JOIN users ON users.id = sessions.user_id
     LEFT JOIN user_rights ON user_rights.user_id = sessions.user_id WHERE sessions.id = $1 FOR UPDATE OF sessions";
pub(crate) const ADVANCE: &str = "UPDATE sessions SET number = number + 1, exchanged_at = $2 WHERE id = $1";
pub(crate) const END: &str = "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
pub(crate) const END_ALL: &str = "UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL";
pub(crate) const PASSWORD: &str = "SELECT password_hash FROM users WHERE id = $1";
pub(crate) const CHANGE_PASSWORD: &str =
    "UPDATE users SET password_hash = $3, updated_at = $4 WHERE id = $1 AND password_hash = $2";
/// Several processes may clean up at once: each takes what no other has in hand.
pub(crate) const DROP_OLD: &str = "DELETE FROM sessions WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sessions WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";

#[async_trait]
impl Sessions for PostgresStore {
    async fn begin_session(&self, session: NewSession) -> Result<Option<Rights>, StoreError> {
        let (id, user, hash) = (&session.id, &session.user.uuid(), &session.password_hash);
        let (now, expires_at) = (&micros(session.now), &micros(session.expires_at));
        self.primary
            .run(Call::quick("sessions.begin"), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                let begun = flight.add(BEGIN, &[id, user, hash, now, expires_at]);
                let rights = flight.add(rights::OF_USER, &[user]);
                flight.commit();
                let mut answers = flight.send().await?;
                let begun = answers.take(begun).changed > 0;
                answers.take(rights).first().filter(|_| begun).map(rights::read).transpose()
            })
            .await
    }

    async fn refresh_session(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        let refresh = &refresh;
        self.primary
            .run(Call::quick("sessions.refresh"), |session| async move { exchange(&session, refresh).await })
            .await
    }

    async fn end_session(&self, session: Uuid, now: Timestamp) -> Result<(), StoreError> {
        self.primary
            .run(Call::quick("sessions.end"), |open| async move {
                let mut flight = open.flight();
                flight.begin();
                flight.send().await?;
                end(&open, session, now).await
            })
            .await
    }

    async fn end_sessions(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        let (whose, at) = (user, now);
        let (user, now, number) = (&user.uuid(), &micros(now), &now.as_microsecond());
        self.primary
            .run(Call::quick("sessions.end_all"), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                let known = flight.add(users::LOCK, &[user]);
                let ended = flight.add(END_ALL, &[user, now]);
                let mut answers = flight.send().await?;
                let ended = answers.take(ended).changed;
                let entry = NewEntry::of_oneself(
                    whose,
                    Act::SessionsEnded,
                    Value::Null,
                    json!({"sessions": ended}),
                    at,
                );
                let entry = EntryRow::new(&entry);
                let mut flight = session.flight();
                if answers.take(known).first().is_some() {
                    audit::note(&mut flight, &entry);
                    rights::note_user(&mut flight, user, number);
                }
                flight.commit();
                flight.send().await?;
                Ok(ended)
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
        let (id, now, number) = (&user.uuid(), &micros(*now), &now.as_microsecond());
        let about = [*user];
        let entry = &NewEntry::of_oneself(*user, Act::PasswordChanged, Value::Null, Value::Null, change.now);
        let entry = &EntryRow::new(entry);
        self.primary
            .run(Call::quick("sessions.replace_password").about(&about), |session| async move {
                let mut flight = session.flight();
                flight.begin();
                let changed = flight.add(CHANGE_PASSWORD, &[id, from, to, now]);
                let changed = flight.send().await?.take(changed).changed > 0;
                let mut flight = session.flight();
                if changed && *ends_sessions {
                    audit::note(&mut flight, entry);
                    flight.add(END_ALL, &[id, now]);
                    rights::note_user(&mut flight, id, number);
                }
                flight.commit();
                flight.send().await?;
                Ok(changed)
            })
            .await
    }
}

async fn exchange(session: &Session, refresh: &Refresh) -> Result<Refreshed, Fault> {
    let (id, now) = (&refresh.session, &micros(refresh.now));
    let mut flight = session.flight();
    flight.begin();
    let find = flight.add(FIND, &[id]);
    let found = flight.send().await?.take(find).first().map(read).transpose()?;
    let (met, change) =
        found.map_or((Refreshed::Unknown, SessionChange::Nothing), |found| found.met_by(refresh));
    let mut flight = session.flight();
    match change {
        SessionChange::Advance => {
            flight.add(ADVANCE, &[id, now]);
        }
        SessionChange::End => {
            let reused = json!({"session": refresh.session});
            if let Refreshed::Reused { user } = met {
                let entry = NewEntry::of_oneself(user, Act::TokenReused, Value::Null, reused, refresh.now);
                audit::write(session, &entry).await?;
            }
            end(session, refresh.session, refresh.now).await?;
            return Ok(met);
        }
        SessionChange::Nothing => {}
    }
    flight.commit();
    flight.send().await?;
    Ok(met)
}

/// Ends a session, and with that the open transaction.
async fn end(session: &Session, id: Uuid, now: Timestamp) -> Result<(), Fault> {
    let (at, number) = (micros(now), now.as_microsecond());
    let ended = session.query(END, &[&id, &at]).await?.changed > 0;
    let mut flight = session.flight();
    if ended {
        rights::note(&mut flight, &id, &number);
    }
    flight.commit();
    flight.send().await?;
    Ok(())
}

fn read(row: &Row) -> Result<StandingSession, Fault> {
    let out_of_range = |_| StoreError::Corrupt("the column number is out of range".to_owned());
    Ok(StandingSession {
        user: UserId::new(get(row, "user_id")?),
        number: u32::try_from(get::<_, i64>(row, "number")?).map_err(out_of_range)?,
        exchanged_at: get(row, "exchanged_at")?,
        expires_at: get(row, "expires_at")?,
        ended_at: get(row, "ended_at")?,
        rights: rights::read(row)?,
    })
}

/// Drops up to `most` sessions that expired before `since`. Returns how many went.
pub(crate) async fn drop_old(session: &Session, since: Timestamp, most: i64) -> Result<u64, Fault> {
    Ok(session.query(DROP_OLD, &[&since, &most]).await?.changed)
}
