//! Accounts.

use std::fmt;

use async_trait::async_trait;
use ecs_domain::user::User;
use ecs_domain::{Email, Timestamp, UserId};

use crate::{KeptAnswer, StoreError};

/// Accounts, by id, by address, by a partner's id.
#[async_trait]
pub trait Users: Send + Sync + 'static {
    /// Makes an account with a password: [`NewUser::user`]. [`StoreError::Taken`] when the address has one.
    async fn register(&self, user: NewUser, answer: Option<KeptAnswer>) -> Result<User, StoreError>;

    /// What a log-in needs. `None` for an unknown address, and for a user without a password.
    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError>;

    /// Makes an account without a password, [`Provision::user`], or returns the one that `external_id` already names, unchanged.
    /// [`StoreError::Taken`] when the address belongs to another user.
    async fn provision(
        &self,
        provision: Provision,
        answer: Option<KeptAnswer>,
    ) -> Result<Provisioned, StoreError>;

    /// The user with this id.
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
}

/// An account to be made, with a password.
#[derive(Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: Email,
    /// The bcrypt hash of its password.
    pub password_hash: String,
    /// The time of the request.
    pub now: Timestamp,
}

impl NewUser {
    /// The user that it makes, of whose times the store keeps whole microseconds.
    #[must_use]
    pub fn user(&self) -> User {
        let email = Some(self.email.clone());
        User { id: self.id, email, external_id: None, created_at: self.now, updated_at: self.now }
    }
}

/// No hash of a password is told.
impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("id", &self.id).field("now", &self.now).finish_non_exhaustive()
    }
}

/// What a log-in needs.
#[derive(Clone)]
pub struct Credentials {
    /// Whose they are.
    pub user: UserId,
    /// The bcrypt hash of the password.
    pub password_hash: String,
}

/// An account to be made, without a password.
#[derive(Clone)]
pub struct Provision {
    /// Its id, should it be new.
    pub id: UserId,
    /// The partner's own id for the user.
    pub external_id: Option<String>,
    /// Their address.
    pub email: Option<Email>,
    /// The time of the request.
    pub now: Timestamp,
}

impl Provision {
    /// The user that it makes when they are new, of whose times the store keeps whole microseconds.
    #[must_use]
    pub fn user(&self) -> User {
        let (email, external_id) = (self.email.clone(), self.external_id.clone());
        User { id: self.id, email, external_id, created_at: self.now, updated_at: self.now }
    }
}

/// Neither of the two that name a person is told.
impl fmt::Debug for Provision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provision").field("id", &self.id).field("now", &self.now).finish_non_exhaustive()
    }
}

/// What came of a [`Provision`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// The user.
    pub user: User,
    /// Whether they were made now.
    pub created: bool,
}
