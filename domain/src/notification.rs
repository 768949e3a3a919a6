//! Notifications: what a customer is told.

use std::fmt;

use crate::{Money, NotificationId, OfferId, Rate, Timestamp, UserId};

/// One notification.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id: one activation, one id.
    pub id: NotificationId,
    /// Who is told.
    pub user: UserId,
    /// What it is about.
    pub kind: NotificationKind,
    /// A short headline.
    pub title: String,
    /// One or two sentences.
    pub message: String,
    /// The offer it speaks of.
    pub offer: OfferId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// An accepted credit limit is now active.
    CreditLimitApplied,
}

impl NotificationKind {
    /// Its name in payloads and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreditLimitApplied => "CREDIT_LIMIT_APPLIED",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        (name == Self::CreditLimitApplied.as_str()).then_some(Self::CreditLimitApplied)
    }
}

/// Its text has the limit in it.
impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Notification");
        told.field("id", &self.id).field("user", &self.user).field("kind", &self.kind);
        told.field("offer", &self.offer).field("created_at", &self.created_at).finish_non_exhaustive()
    }
}

impl Notification {
    /// What the customer reads once an offer is active.
    #[must_use]
    pub fn of_activation(user: UserId, offer: OfferId, limit: Money, rate: Rate, at: Timestamp) -> Self {
        Self {
            id: NotificationId::of_activation(offer),
            user,
            kind: NotificationKind::CreditLimitApplied,
            title: "Your credit limit is active".to_owned(),
            message: format!(
                "A credit limit of {} at {} % per year is now available to you.",
                limit.digits(),
                rate.digits()
            ),
            offer,
            created_at: at,
        }
    }
}
