//! Sessions: what a log-in begins, what its refresh tokens carry on, and what ends it.
//!
//! The tokens of a session are numbered, and the store knows which number is the next to be exchanged. It sees no token: that one is
//! genuine was found out before.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::{Rights, StoreError};

/// Sessions and the numbers of their refresh tokens. A token is exchanged for its successor once; one that comes again was stolen, from
/// the user or by the user's phone from its own backup, and ends the session for both.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Begins a session, whose first token has the number 0, while the user's password is still the one that was verified. Returns
    /// what the user may do, or `None` when it was not. Of this and [`Sessions::replace_password`] at the same time one comes first: no session that an old password began
    /// outlives it.
    async fn begin_session(&self, session: NewSession) -> Result<Option<Rights>, StoreError>;

    /// Exchanges a token for its successor, or ends the session of one that was exchanged before. A token that comes again within
    /// [`Refresh::leeway`] of its exchange gets the same successor, unless that was exchanged, too: the answer may have been lost on its
    /// way, or two threads of an app were not agreed. A clock that was set back gives no more time than that. Of two exchanges at the same
    /// time, one comes first.
    async fn refresh_session(&self, refresh: Refresh) -> Result<Refreshed, StoreError>;

    /// Ends a session, which is a change of its. Nothing happens when it has ended, or there is none.
    async fn end_session(&self, session: Uuid, now: Timestamp) -> Result<(), StoreError>;

    /// Ends all sessions of a user that have not ended, expired or not: it may be the clock that is wrong. It is a change of the
    /// user's, should there have been none. Returns how many these were.
    async fn end_sessions(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError>;

    /// The hash of a user's password. `None` for an unknown user, and for one without a password.
    async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError>;

    /// Replaces the hash of a user's password while it is still the one that was read. Returns whether it was.
    async fn replace_password(&self, change: PasswordChange) -> Result<bool, StoreError>;
}

/// A session to be begun.
// It has no `Debug`: there is the hash of a password in it.
#[derive(Clone)]
pub struct NewSession {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user: UserId,
    /// The hash that their password was verified with.
    pub password_hash: String,
    /// The time of the log-in.
    pub now: Timestamp,
    /// When the session ends, whatever happens meanwhile.
    pub expires_at: Timestamp,
}

/// A token that is to be exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// Its session.
    pub session: Uuid,
    /// Its number.
    pub number: u32,
    /// The time of the request.
    pub now: Timestamp,
    /// How long after its exchange a token may come again.
    pub leeway: Duration,
}

/// What a token was met with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It was exchanged.
    Renewed {
        /// Whose session it is.
        user: UserId,
        /// When the session ends.
        expires_at: Timestamp,
        /// The number of its successor.
        number: u32,
        /// What the user may do.
        rights: Rights,
    },
    /// It was exchanged before. Its session has ended now.
    Reused {
        /// Whose session it was.
        user: UserId,
    },
    /// Its session has ended before.
    Ended,
    /// There is no such session, or its tokens don't count so far: the store is older than the token.
    Unknown,
}

/// A session as an engine finds it, locked against others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingSession {
    /// Whose it is.
    pub user: UserId,
    /// The number of the next token to be exchanged.
    pub number: u32,
    /// When the one before it was.
    pub exchanged_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was ended before that.
    pub ended_at: Option<Timestamp>,
    /// What its user may do, or might do a moment ago.
    pub rights: Rights,
}

/// What an engine does to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// The next number, exchanged now.
    Advance,
    /// It ends now, which is a change of the session's.
    End,
    /// Nothing.
    Nothing,
}

impl StandingSession {
    /// What a token of the session is met with, and what becomes of the session.
    #[must_use]
    pub fn met_by(self, refresh: &Refresh) -> (Refreshed, SessionChange) {
        let Self { user, number, exchanged_at, expires_at, ended_at, rights } = self;
        // A clock that was set back must not let a stolen token in for as long as it is behind.
        let is_late = |at: Timestamp| refresh.now.duration_since(at).unsigned_abs() >= refresh.leeway;
        let next = refresh.number.saturating_add(1);
        let renewed = Refreshed::Renewed { user, expires_at, number: next, rights };
        match number.checked_sub(refresh.number) {
            None => (Refreshed::Unknown, SessionChange::Nothing),
            Some(_) if ended_at.is_some() || expires_at <= refresh.now => {
                (Refreshed::Ended, SessionChange::Nothing)
            }
            Some(0) => (renewed, SessionChange::Advance),
            Some(1) if !exchanged_at.is_some_and(is_late) => (renewed, SessionChange::Nothing),
            Some(_) => (Refreshed::Reused { user }, SessionChange::End),
        }
    }
}

/// A new hash for a user's password.
// It has no `Debug`: there are hashes of passwords in it.
#[derive(Clone)]
pub struct PasswordChange {
    /// Whose password it is.
    pub user: UserId,
    /// The hash that was read.
    pub from: String,
    /// The hash from now on.
    pub to: String,
    /// The time of the request.
    pub now: Timestamp,
    /// Whether all sessions of the user end in the same transaction, as a change of the user's: they do when the password is another one, and not when only its
    /// hash is.
    pub ends_sessions: bool,
}
