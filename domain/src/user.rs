//! Users.

use std::fmt;

use crate::{Email, Timestamp, UserId};

/// A user as everybody but the log-in sees them: there is no password hash in here to leak or to cache.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address; provisioned users may have none.
    pub email: Option<Email>,
    /// The id that the partner who provisioned them uses.
    pub external_id: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A partner's id names a person like an address does.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("User");
        told.field("id", &self.id).field("email", &self.email).field("created_at", &self.created_at);
        told.field("updated_at", &self.updated_at).finish_non_exhaustive()
    }
}
