//! Evaluations that nobody asked for: of whom something has changed, who looks at it, and what came of it.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::features::Features;
use ecs_domain::{EvaluationId, Timestamp, UserId};
use ecs_vault::PersonKey;

use crate::decision_text::parse_features;
use crate::sealed::{column, open};
use crate::{NewDecision, OutboxMessage, StoreError};

/// Evaluations of those who said yes to [`PURPOSE`], and of nobody else.
///
/// A fold notes in its own transaction that something about these users has changed, also where it was repeated. An engine MUST NOT
/// forget such a note until somebody who claimed it has ended the look, and what is noted during a look is another note.
///
/// **Consent is read where something is written**: MUST [`Evaluations::end_look`] ask for an evaluation, or
/// [`Evaluations::record_evaluation`] keep an offer, for somebody who has taken their yes back? Never. With the yes goes all that is
/// noted, but for the time before which there is no other look.
///
/// [`PURPOSE`]: crate::EVALUATION_PURPOSE
#[async_trait]
pub trait Evaluations: Send + Sync + 'static {
    /// Claims up to `limit` users of whom something has changed, and who may be looked at by now, for `lease`. Two claimers MUST never
    /// hold the same one. A time further off than [`FARTHEST`](crate::FARTHEST_LOOK) is none: the clock was set back.
    async fn claim_changed(
        &self,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<LookedAt>, StoreError>;

    /// Ends a look. Returns whether it was still this one's to end; if not, nothing is written.
    async fn end_look(&self, looked_at: &LookedAt, end: LookEnd) -> Result<bool, StoreError>;

    /// Ends an evaluation: with a decision, its offer and `message` in the outbox, all or nothing, or with none. However often it is
    /// called, one call at most makes an offer.
    async fn record_evaluation(
        &self,
        evaluation: EvaluationId,
        user: UserId,
        concluded: Concluded,
        now: Timestamp,
    ) -> Result<Evaluated, StoreError>;
}

/// Somebody who is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct LookedAt {
    /// Whom.
    pub user: UserId,
    /// When the look is taken for dead. It also tells one look from another.
    pub until: Timestamp,
    /// What their features were when an evaluation was last asked for; `None` when none was.
    pub before: Option<Features>,
}

impl LookedAt {
    /// Somebody as the table has them: `before` stands sealed there.
    pub fn open(
        user: UserId,
        until: Timestamp,
        before: Option<String>,
        key: Option<&PersonKey>,
    ) -> Result<Self, StoreError> {
        let text = before.map(|sealed| open(key, column::BASELINE, sealed)).transpose()?;
        let before = text.map(|text| parse_features(&text)).transpose()?;
        Ok(Self { user, until, before })
    }
}

/// How a look ends.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time, and it is taken apart at once")]
pub enum LookEnd {
    /// With nothing to do. There is no other look before this time.
    LetBe(Timestamp),
    /// With an evaluation.
    Evaluate {
        /// Its id.
        evaluation: EvaluationId,
        /// What their features are now: the next look compares with these.
        features: Features,
        /// There is no other look before this time.
        again_at: Timestamp,
        /// What is published.
        message: OutboxMessage,
    },
}

/// What an evaluation ended with.
#[derive(Debug, Clone)]
pub enum Concluded {
    /// Nothing can be offered. Nothing of it is kept: nobody applied, so nobody is denied.
    NoOffer,
    /// A decision with an offer, and what its user is told.
    Offer(Box<NewDecision>, OutboxMessage),
}

/// What came of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluated {
    /// The offer is made.
    Offered,
    /// There was nothing to offer.
    NotOffered,
    /// An offer that they have not answered, or a decision that stands, comes first. Nothing was added to it.
    AnotherStands,
    /// It has ended before, or they have taken their yes back.
    NotAwaited,
}
