//! Transactions: what a person bought or sold.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::{Money, Timestamp, TransactionId, UserId};

/// One transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its id, unique for ever.
    pub id: TransactionId,
    /// Whose it is.
    pub user: UserId,
    /// How much, always more than nothing.
    pub amount: Money,
    /// The deployment's base currency.
    pub currency: Currency,
    /// When it happened by its sender's word, else when it was accepted.
    pub occurred_at: Timestamp,
    /// Who was paid or paying.
    pub merchant: Option<String>,
    /// What kind of goods.
    pub category: Option<String>,
    /// Where it was made: `pos`, `web`, ….
    pub channel: Option<String>,
    /// The sender's own id for it.
    pub client_id: Option<String>,
}

/// How much, for what and with whom is nobody's business.
impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Transaction");
        told.field("id", &self.id).field("user", &self.user).field("currency", &self.currency);
        told.field("occurred_at", &self.occurred_at).finish_non_exhaustive()
    }
}

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = Cow<'static, str>;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err("must be an ISO 4217 code such as BRL".into()),
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
