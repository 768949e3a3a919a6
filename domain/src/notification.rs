//! Notifications: what a customer is told.

use std::fmt;

use crate::offer::{Offer, Terms};
use crate::{DecisionId, Money, NotificationId, OfferId, Rate, ReviewId, Timestamp, UserId};

/// One notification.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id: one activation or conclusion, one id.
    pub id: NotificationId,
    /// Who is told.
    pub user: UserId,
    /// What it is about.
    pub about: About,
    /// A short headline.
    pub title: String,
    /// One or two sentences.
    pub message: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a notification speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// This offer's limit applies.
    Offer(OfferId),
    /// This offer was made without being asked for.
    PreApproval(OfferId),
    /// This decision was reviewed.
    Decision(DecisionId),
}

impl About {
    /// Which kind of notification speaks of it.
    #[must_use]
    pub fn kind(self) -> NotificationKind {
        match self {
            Self::Offer(_) => NotificationKind::CreditLimitApplied,
            Self::PreApproval(_) => NotificationKind::CreditPreApproved,
            Self::Decision(_) => NotificationKind::ReviewConcluded,
        }
    }

    /// The offer, where it speaks of one.
    #[must_use]
    pub fn offer(self) -> Option<OfferId> {
        match self {
            Self::Offer(offer) | Self::PreApproval(offer) => Some(offer),
            Self::Decision(_) => None,
        }
    }

    /// The decision, where it speaks of one.
    #[must_use]
    pub fn decision(self) -> Option<DecisionId> {
        match self {
            Self::Offer(_) | Self::PreApproval(_) => None,
            Self::Decision(decision) => Some(decision),
        }
    }

    /// What a kind speaks of, of which one id must be there; `None` when it isn't.
    #[must_use]
    pub fn of(kind: NotificationKind, offer: Option<OfferId>, decision: Option<DecisionId>) -> Option<Self> {
        match kind {
            NotificationKind::CreditLimitApplied => offer.map(Self::Offer),
            NotificationKind::CreditPreApproved => offer.map(Self::PreApproval),
            NotificationKind::ReviewConcluded => decision.map(Self::Decision),
        }
    }
}

/// The kinds of notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// An accepted credit limit is now active.
    CreditLimitApplied,
    /// There is an offer that nobody asked for.
    CreditPreApproved,
    /// Somebody has reviewed a decision.
    ReviewConcluded,
}

impl NotificationKind {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::CreditLimitApplied, Self::CreditPreApproved, Self::ReviewConcluded];

    /// Its name in payloads and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreditLimitApplied => "CREDIT_LIMIT_APPLIED",
            Self::CreditPreApproved => "CREDIT_PRE_APPROVED",
            Self::ReviewConcluded => "REVIEW_CONCLUDED",
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
        told.field("id", &self.id).field("user", &self.user).field("kind", &self.about.kind());
        told.field("about", &self.about).field("created_at", &self.created_at).finish_non_exhaustive()
    }
}

impl Notification {
    /// What the customer reads once an offer is active.
    #[must_use]
    pub fn of_activation(user: UserId, offer: OfferId, limit: Money, rate: Rate, at: Timestamp) -> Self {
        Self {
            id: NotificationId::of_activation(offer),
            user,
            about: About::Offer(offer),
            title: "Your credit limit is active".to_owned(),
            message: format!(
                "A credit limit of {} at {} % per year is now available to you.",
                limit.digits(),
                rate.digits()
            ),
            created_at: at,
        }
    }

    /// What the customer reads once somebody has looked at their decision. What came of it stands with the decision, which only they
    /// and few others may read; a notification goes further.
    #[must_use]
    pub fn of_conclusion(user: UserId, review: ReviewId, decision: DecisionId, at: Timestamp) -> Self {
        Self {
            id: NotificationId::of_conclusion(review),
            user,
            about: About::Decision(decision),
            title: "Your review is concluded".to_owned(),
            message: "Somebody has looked at your credit decision, as you asked. Their answer stands with the decision."
                .to_owned(),
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
            about: About::PreApproval(offer.id),
            title: "There is an offer for you".to_owned(),
            message: format!(
                "You can have a credit limit of {} at {} % per year. It is yours if you accept the offer in time, and binds you to \
                 nothing until then.",
                credit_limit.digits(),
                interest_rate.digits()
            ),
            created_at: at,
        }
    }
}
