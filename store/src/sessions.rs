//! Sessions: what a log-in begins, what its refresh tokens carry on, and what ends it.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::StoreError;

/// The SHA-256 of a refresh token. The token itself is kept nowhere.
pub type TokenHash = [u8; 32];

/// Sessions and their refresh tokens. A token is exchanged for its successor once; one that comes again was stolen, from the user or
/// by the user's phone from its own backup, and ends the session for both.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Begins a session while the user's password is still the one that was verified. Returns whether it was. Of this and
    /// [`Sessions::replace_password`] at the same time one comes first: no session that an old password began outlives it.
    async fn begin_session(&self, session: NewSession) -> Result<bool, StoreError>;

    /// Exchanges a token for its successor, or ends the session of one that was exchanged before. A token that comes again within
    /// [`Refresh::leeway`] of its first exchange gets another successor: the answer to the first may have been lost on its way, or two
    /// threads of an app were not agreed. A clock that was set back gives no more time than that. Of two exchanges at the same time, one
    /// comes first.
    async fn refresh_session(&self, refresh: Refresh) -> Result<Refreshed, StoreError>;

    /// Ends the session that a token belongs to, used or not. Nothing happens when it has ended, or nobody knows the token.
    async fn end_session(&self, token: &TokenHash, now: Timestamp) -> Result<(), StoreError>;

    /// Ends all sessions of a user that have not ended, expired or not: it may be the clock that is wrong. Returns how many these were.
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
    /// Its first token.
    pub token: TokenHash,
    /// The time of the log-in.
    pub now: Timestamp,
    /// When the session ends, whatever happens meanwhile.
    pub expires_at: Timestamp,
}

/// A token that is to be exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The token.
    pub token: TokenHash,
    /// Its successor.
    pub successor: TokenHash,
    /// The time of the request.
    pub now: Timestamp,
    /// How long after its exchange a token may come again.
    pub leeway: Duration,
}

/// What a token was met with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// It was exchanged.
    Renewed {
        /// Whose session it is.
        user: UserId,
        /// When the session ends.
        expires_at: Timestamp,
    },
    /// It was exchanged before. Its session has ended now.
    Reused {
        /// Whose session it was.
        user: UserId,
    },
    /// Its session has ended before.
    Ended,
    /// Nobody knows it.
    Unknown,
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
    /// Whether all sessions of the user end in the same transaction: they do when the password is another one, and not when only its
    /// hash is.
    pub ends_sessions: bool,
}
