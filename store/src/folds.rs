//! Events folded into aggregates, each exactly once, and the features that decisions read from them.

use async_trait::async_trait;
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{EmotionEvent, StressThreshold};
use ecs_domain::features::Features;
use ecs_domain::transaction::Transaction;
use ecs_domain::{Day, Timestamp, UserId};

use crate::StoreError;

/// Folds.
///
/// An engine MUST make each fold one transaction that notes which events are new and folds just those, so that a
/// repeated, reordered or half-finished batch leaves the aggregates as one delivery of each event would have. `now` is
/// noted as the time of their arrival.
#[async_trait]
pub trait Folds: Send + Sync + 'static {
    /// Folds emotion events into `emotional_events_summary`. `result[i]` is what became of `events[i]`; the same event
    /// twice in one batch is [`Folded::Repeated`] the second time. Events are the same when user, id and UTC day are.
    async fn fold_emotions(
        &self,
        events: &[EmotionEvent],
        rules: EmotionRules,
        now: Timestamp,
    ) -> Result<Vec<Folded>, StoreError>;

    /// Keeps transactions. `result[i]` is what became of `transactions[i]`; same means same id.
    /// [`Folded::Discarded`] never comes of a transaction.
    async fn fold_transactions(
        &self,
        transactions: &[Transaction],
        now: Timestamp,
    ) -> Result<Vec<Folded>, StoreError>;

    /// What a decision about this user reads; `None` for an unknown user.
    async fn features(&self, user: UserId, now: Timestamp) -> Result<Option<FeatureSource>, StoreError>;
}

/// What holds while emotions are folded.
#[derive(Debug, Clone, Copy)]
pub struct EmotionRules {
    /// What silence about consent means. Consent itself is read in the fold's own transaction.
    pub consent: ConsentRule,
    /// What counts as a stress event.
    pub stress: StressThreshold,
    /// Events before this day count, but their raw rows are past their retention and not kept: only their ids are.
    pub raw_floor: Day,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Folded {
    /// It is new, and in the aggregates now.
    Counted,
    /// It was counted or discarded before; nothing changed.
    Repeated,
    /// Its user has not consented: its id is noted, its values are not.
    Discarded,
    /// Its user is unknown; nothing changed.
    UnknownUser,
}

/// A user's features as the aggregates have them.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureSource {
    /// The features, emotions included: whether they may be used is for the caller to ask of the consents.
    pub features: Features,
}
