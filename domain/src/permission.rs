//! What a token may do beyond its own user's affairs.

use std::fmt;
use std::str::FromStr;

/// A permission, written `resource:action` in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Provision users without a password.
    UsersCreate,
    /// Read any user's account, offers and notifications.
    UsersReadAny,
    /// Send transactions for any user.
    TransactionsWriteAny,
    /// Analyse and accept for any user.
    CreditWriteAny,
    /// Read the books: accepted, counted, dead-lettered, pending.
    OperationsRead,
    /// Replay and drop dead letters, and see what they hold.
    OperationsWrite,
}

impl Permission {
    /// Every permission there is.
    pub const ALL: [Self; 6] = [
        Self::UsersCreate,
        Self::UsersReadAny,
        Self::TransactionsWriteAny,
        Self::CreditWriteAny,
        Self::OperationsRead,
        Self::OperationsWrite,
    ];

    /// The permission string.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsersCreate => "users:create",
            Self::UsersReadAny => "users:read-any",
            Self::TransactionsWriteAny => "transactions:write-any",
            Self::CreditWriteAny => "credit:write-any",
            Self::OperationsRead => "operations:read",
            Self::OperationsWrite => "operations:write",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text).ok_or(())
    }
}
