//! Users.

use crate::{Email, Timestamp, UserId};

/// A user as everybody but the log-in sees them: there is no password hash in here to leak or to cache.
#[derive(Debug, Clone, PartialEq, Eq)]
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
