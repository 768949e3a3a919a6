//! Notifications: what a customer is told.

use std::fmt;

use crate::offer::{Offer, Terms};
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
    /// There is an offer that nobody asked for.
    CreditPreApproved,
}

impl NotificationKind {
    /// Every kind there is.
    pub const ALL: [Self; 2] = [Self::CreditLimitApplied, Self::CreditPreApproved];

    /// Its name in payloads and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreditLimitApplied => "CREDIT_LIMIT_APPLIED",
            Self::CreditPreApproved => "CREDIT_PRE_APPROVED",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
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

    /// What the customer reads of an offer that they didn't ask for.
    #[must_use]
    pub fn of_pre_approval(offer: &Offer, at: Timestamp) -> Self {
        let Terms { credit_limit, interest_rate, .. } = offer.terms;
        Self {
            id: NotificationId::of_pre_approval(offer.id),
            user: offer.user,
            kind: NotificationKind::CreditPreApproved,
            title: "There is an offer for you".to_owned(),
            message: format!(
                "You can have a credit limit of {} at {} % per year. It is yours if you accept the offer in time, and binds you to \
                 nothing until then.",
                credit_limit.digits(),
                interest_rate.digits()
            ),
            offer: offer.id,
            created_at: at,
        }
    }
}
