//! Decisions, offers and their life cycle.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::consent::Consent;
use ecs_domain::decision::Decision;
use ecs_domain::offer::{Offer, Terms};
use ecs_domain::policy::Facts;
use ecs_domain::{OfferId, Timestamp, UserId};

use crate::{FeatureSource, KeptAnswer, OutboxMessage, StoreError};

/// Decisions and offers. Every finder takes the owner, so nobody sees another's by guessing an id.
#[async_trait]
pub trait Credit: Send + Sync + 'static {
    /// What a decision about the user at `now` is made of, and the last one when it was made after `since`. Each part is what its own
    /// call tells ([`Credit::standing_decision`], [`Credit::credit_facts`], [`Folds::features`], [`Consents::consent`]); together they
    /// are one call, because whoever asks for credit waits for all of them.
    ///
    /// [`Folds::features`]: crate::Folds::features
    /// [`Consents::consent`]: crate::Consents::consent
    async fn applicant(
        &self,
        user: UserId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Applicant, StoreError>;

    /// The user's last decision when it was made after `since`.
    async fn standing_decision(&self, user: UserId, since: Timestamp)
    -> Result<Option<Decision>, StoreError>;

    /// What a policy must know of the user at `now` besides their features: what they could owe, and when they were last denied. A
    /// denial for nothing but an earlier one doesn't count.
    async fn credit_facts(&self, user: UserId, now: Timestamp) -> Result<Facts, StoreError>;

    /// Keeps a decision and its offer, unless the user's last one still stands: then that one is returned instead and
    /// nothing is kept. Two calls at the same time MUST end in one decision. The user MUST exist. When `facts` are not what
    /// [`Credit::credit_facts`] tells at the decision's instant, it is refused with [`StoreError::Stale`]: that is looked at under the
    /// same lock, so two offers are never made of the same room.
    async fn record_decision(
        &self,
        new: NewDecision,
        answer: Option<KeptAnswer>,
    ) -> Result<Recorded, StoreError>;

    /// One offer of this user.
    async fn offer(&self, user: UserId, offer: OfferId) -> Result<Option<Offer>, StoreError>;

    /// The user's offers, newest first.
    async fn offers(&self, user: UserId, page: PageRequest) -> Result<OfferPage, StoreError>;

    /// Takes an offer from `offered` to `accepted` and puts `message` into the outbox, both or neither. At most one call
    /// for one offer ever returns [`AcceptResult::Accepted`].
    async fn accept_offer(
        &self,
        user: UserId,
        offer: OfferId,
        now: Timestamp,
        message: OutboxMessage,
        answer: Option<KeptAnswer>,
    ) -> Result<AcceptResult, StoreError>;

    /// Takes an offer from `accepted` to `active` and puts `message` into the outbox, both or neither. However often
    /// it is called, one call at most activates.
    async fn activate_offer(
        &self,
        user: UserId,
        offer: OfferId,
        now: Timestamp,
        message: OutboxMessage,
    ) -> Result<ActivateResult, StoreError>;

    /// Marks offers that nobody accepted in time. Returns how many.
    async fn expire_offers(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// What is known of whoever asks for credit.
#[derive(Debug, Clone)]
pub struct Applicant {
    /// The decision that stands.
    pub standing: Option<Decision>,
    /// What a policy must know besides the features.
    pub facts: Facts,
    /// `None` for an unknown user.
    pub features: Option<FeatureSource>,
    /// What they said to the analysis of emotions, if anything.
    pub consent: Option<Consent>,
}

/// A decision to be kept.
#[derive(Debug, Clone)]
pub struct NewDecision {
    /// The decision, its offer included.
    pub decision: Decision,
    /// How long a decision stands before another may be made.
    pub stands_for: Duration,
    /// What it was made of, which must still hold. `None` for what was decided elsewhere, and is only kept here.
    pub facts: Option<Facts>,
}

impl NewDecision {
    /// A decision of this user that was made after this stands in its way.
    pub fn stands_since(&self) -> Timestamp {
        self.decision.decided_at.saturating_sub(self.stands_for).unwrap_or(Timestamp::MIN)
    }
}

/// What came of a [`NewDecision`].
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The decision that stands.
    pub decision: Decision,
    /// Whether it is an earlier one.
    pub repeated: bool,
}

/// What came of the wish to accept an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptResult {
    /// It is accepted, with these terms.
    Accepted(Terms),
    /// It was accepted before.
    AlreadyAccepted,
    /// It is too late.
    Expired,
    /// This user has no such offer.
    Unknown,
}

/// What came of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivateResult {
    /// It is active now.
    Activated,
    /// It was active before; its notification is in the outbox or beyond.
    AlreadyActive,
    /// It was never accepted, so it can't become active.
    NotAccepted,
    /// This user has no such offer.
    Unknown,
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// From 1.
    pub page: u32,
    /// How many items a page has.
    pub page_size: u32,
}

/// A page of offers.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferPage {
    /// How many offers there are in all.
    pub total: u64,
    /// The page's offers.
    pub items: Vec<Offer>,
}
