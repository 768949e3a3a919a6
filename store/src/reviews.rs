//! Reviews of decisions by people.

use async_trait::async_trait;
use ecs_domain::offer::Offer;
use ecs_domain::review::{Claim, Conclusion, Refusal, Review, ReviewOutcome, ReviewState, ReviewText};
use ecs_domain::{DecisionId, OfferId, ReviewId, Timestamp, UserId};
use ecs_vault::PersonKey;

use crate::chain::{Digest, Hasher};
use crate::decision_record::terms_of;
use crate::sealed::{column, open, seal};
use crate::{KeptAnswer, OutboxMessage, PageRequest, StoreError};

/// Reviews, from the wish for one to what came of it. Each step is in the audit log, in the same transaction.
///
/// What the person and the officer write stands sealed under the person's key. Of somebody whose key was destroyed there are no
/// reviews, though their rows may still be on their way out.
#[async_trait]
pub trait Reviews: Send + Sync + 'static {
    /// Asks for a review of a decision of the user's own. A decision has one review at a time, however many ask at once.
    async fn request_review(
        &self,
        new: NewReview,
        answer: Option<KeptAnswer>,
    ) -> Result<ReviewRequested, StoreError>;

    /// One review, for officers.
    async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError>;

    /// The last review of a decision of this user.
    async fn review_of(&self, user: UserId, decision: DecisionId) -> Result<Option<Review>, StoreError>;

    /// Reviews that stand like this: those that are concluded from the youngest on, the others from the one on that is due first.
    async fn reviews(&self, state: ReviewState, page: PageRequest) -> Result<ReviewPage, StoreError>;

    /// An officer wants to look at a decision. Of several at the same time one does.
    async fn claim_review(
        &self,
        id: ReviewId,
        officer: UserId,
        now: Timestamp,
    ) -> Result<ReviewChange, StoreError>;

    /// Concludes a review, with what is offered and what the person is told of it: all of it or nothing. What the decision itself
    /// offered and nobody has accepted expires where something else is offered.
    async fn conclude_review(&self, verdict: Verdict) -> Result<ReviewChange, StoreError>;

    /// What waits to be concluded.
    async fn review_backlog(&self) -> Result<ReviewBacklog, StoreError>;
}

/// A wish for a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReview {
    /// Its id, if it is made.
    pub id: ReviewId,
    /// Of which decision.
    pub decision: DecisionId,
    /// Who asks.
    pub user: UserId,
    /// What they have to say.
    pub comment: Option<ReviewText>,
    /// Now.
    pub now: Timestamp,
    /// Until when it is to be concluded.
    pub due_at: Timestamp,
}

/// What came of such a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time, and it is taken apart at once")]
pub enum ReviewRequested {
    /// It waits for an officer.
    Made(Review),
    /// One of the same decision isn't concluded yet.
    UnderWay,
    /// This user has no such decision.
    Unknown,
}

/// What an officer has decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// About which review.
    pub id: ReviewId,
    /// Who.
    pub officer: UserId,
    /// When.
    pub now: Timestamp,
    /// What.
    pub outcome: ReviewOutcome,
    /// Why.
    pub explanation: ReviewText,
    /// What is offered instead.
    pub offer: Option<Offer>,
    /// What the person is told.
    pub message: OutboxMessage,
}

/// What came of a step of an officer's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time, and it is taken apart at once")]
pub enum ReviewChange {
    /// It is done, and the review is like this now.
    Done(Review),
    /// It may not be done.
    Refused(Refusal),
    /// There is no such review.
    Unknown,
}

/// A page of reviews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewPage {
    /// How many there are in all.
    pub total: u64,
    /// The page's reviews.
    pub items: Vec<Review>,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReviewBacklog {
    /// How many reviews are not concluded.
    pub waiting: u64,
    /// When the oldest of them was asked for.
    pub oldest: Option<Timestamp>,
}

/// A row of `decision_reviews` as it stands in the table.
#[derive(Debug, Clone)]
pub struct ReviewRow {
    /// Its id.
    pub id: ReviewId,
    /// Of which decision.
    pub decision: DecisionId,
    /// Whose.
    pub user: UserId,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when it is to be concluded.
    pub due_at: Timestamp,
    /// Sealed.
    pub comment: Option<String>,
    /// Who looks at it, and since when.
    pub claim: Option<Claim>,
    /// When it was concluded, and how.
    pub concluded: Option<(Timestamp, ReviewOutcome)>,
    /// Sealed; there where it is concluded.
    pub explanation: Option<String>,
    /// What was offered instead.
    pub offer: Option<OfferId>,
}

impl ReviewRow {
    /// The digest of a concluded review as it stands there: of what is sealed the ciphertext, of its offer the terms. The decision log
    /// keeps it, so what it is made of stays as it is.
    #[must_use]
    pub fn digest(&self, offer: Option<&Offer>) -> Digest {
        let mut hasher = Hasher::labelled(b"ecs/review/1");
        for id in [self.id.uuid(), self.decision.uuid(), self.user.uuid()] {
            hasher.fixed(id.as_bytes());
        }
        for at in [self.requested_at, self.due_at] {
            hasher.fixed(&at.as_microsecond().to_be_bytes());
        }
        hasher.maybe(self.comment.as_ref());
        hasher.maybe(self.claim.map(|claim| claim.by.uuid().into_bytes()));
        hasher.maybe(self.claim.map(|claim| claim.at.as_microsecond().to_be_bytes()));
        hasher.maybe(self.concluded.map(|(at, _)| at.as_microsecond().to_be_bytes()));
        hasher.maybe(self.concluded.map(|(_, outcome)| outcome.as_str()));
        hasher.maybe(self.explanation.as_ref());
        hasher.maybe(self.offer.map(|id| id.uuid().into_bytes()));
        hasher.maybe(offer.map(terms_of));
        hasher.finish()
    }

    /// The review that stands there.
    pub fn open(self, key: &PersonKey) -> Result<Review, StoreError> {
        let comment = self.comment.map(|text| opened(key, column::COMMENT, text)).transpose()?;
        let explanation = self.explanation.map(|text| opened(key, column::EXPLANATION, text)).transpose()?;
        let conclusion = match (self.concluded, explanation) {
            (Some((at, outcome)), Some(explanation)) => {
                Some(Conclusion { at, outcome, explanation, offer: self.offer })
            }
            (None, None) => None,
            _ => return Err(StoreError::Corrupt("a review is half concluded".to_owned())),
        };
        Ok(Review {
            id: self.id,
            decision: self.decision,
            user: self.user,
            requested_at: self.requested_at,
            due_at: self.due_at,
            comment,
            claim: self.claim,
            conclusion,
        })
    }
}

/// What somebody wrote, sealed for its column.
pub fn seal_comment(key: &PersonKey, text: &ReviewText) -> Result<String, StoreError> {
    seal(key, column::COMMENT, text.as_str())
}

/// What an officer wrote, sealed for its column.
pub fn seal_explanation(key: &PersonKey, text: &ReviewText) -> Result<String, StoreError> {
    seal(key, column::EXPLANATION, text.as_str())
}

fn opened(key: &PersonKey, column: &str, sealed: String) -> Result<ReviewText, StoreError> {
    let wrong = |_| StoreError::Corrupt(format!("the column {column} holds no text of a review"));
    ReviewText::new(open(Some(key), column, sealed)?).map_err(wrong)
}
