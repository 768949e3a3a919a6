//! A review as its person and officers read it.

use ecs_domain::review::{Review, ReviewState};
use ecs_domain::{DecisionId, OfferId, ReviewId, Timestamp, UserId};
use ecs_web::openapi::{Id, Instant, one_of};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

/// A review of a decision by a person.
#[derive(Serialize, ToSchema)]
#[schema(as = Review, examples(json!({
    "review_id": "0198c1f5-2b3c-7d4e-8f5a-6b7c8d9e0f11", "decision_id": "0198c1f4-1a2b-7c3d-8e4f-5a6b7c8d9e10",
    "user_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "state": "open", "requested_at": "2026-11-20T15:00:00Z",
    "due_at": "2026-12-05T15:00:00Z", "overdue": false, "comment": "My salary arrives at another bank, and nobody looked at it.",
    "claimed_at": null, "concluded_at": null, "outcome": null, "explanation": null, "offer_id": null
})))]
pub(crate) struct ReviewView {
    /// Its id.
    #[schema(value_type = Id)]
    review_id: ReviewId,
    /// Of which decision.
    #[schema(value_type = Id)]
    decision_id: DecisionId,
    /// About whom that is.
    #[schema(value_type = Id)]
    user_id: UserId,
    /// Where it stands.
    #[schema(schema_with = states)]
    state: &'static str,
    /// When it was asked for.
    #[schema(value_type = Instant)]
    requested_at: Timestamp,
    /// Until when it is to be concluded.
    #[schema(value_type = Instant)]
    due_at: Timestamp,
    /// Whether it should have been concluded by now.
    overdue: bool,
    /// What the person has to say.
    #[schema(required)]
    comment: Option<String>,
    /// Which officer looks at it, or did. Only officers are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    claimed_by: Option<UserId>,
    /// Since when.
    #[schema(required, value_type = Option<Instant>)]
    claimed_at: Option<Timestamp>,
    /// When it was concluded.
    #[schema(required, value_type = Option<Instant>)]
    concluded_at: Option<Timestamp>,
    /// What the officer decided, `upheld` or `overturned`; null until then.
    #[schema(required)]
    outcome: Option<&'static str>,
    /// Why.
    #[schema(required)]
    explanation: Option<String>,
    /// What is offered instead of what was decided.
    #[schema(required, value_type = Option<Id>)]
    offer_id: Option<OfferId>,
}

/// A page of reviews.
#[derive(Serialize, ToSchema)]
#[schema(as = ReviewPage, examples(json!({
    "total": 1, "page": 1, "page_size": 10,
    "items": [{
        "review_id": "0198c1f5-2b3c-7d4e-8f5a-6b7c8d9e0f11", "decision_id": "0198c1f4-1a2b-7c3d-8e4f-5a6b7c8d9e10",
        "user_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "state": "open", "requested_at": "2026-11-20T15:00:00Z",
        "due_at": "2026-12-05T15:00:00Z", "overdue": false, "comment": null, "claimed_at": null, "concluded_at": null,
        "outcome": null, "explanation": null, "offer_id": null
    }]
})))]
pub(crate) struct ReviewList {
    /// How many there are in all.
    pub(super) total: u64,
    /// Which page this is, from 1.
    pub(super) page: u32,
    /// How many items a page has.
    pub(super) page_size: u32,
    /// The reviews of this page.
    pub(super) items: Vec<ReviewView>,
}

impl ReviewView {
    /// With who looks at it.
    pub(crate) fn for_officers(review: Review, now: Timestamp) -> Self {
        let claimed_by = review.claim.map(|claim| claim.by);
        Self { claimed_by, ..Self::for_its_person(review, now) }
    }

    /// Without who looks at it: officers answer for the lender, not for themselves.
    pub(crate) fn for_its_person(review: Review, now: Timestamp) -> Self {
        let state = review.state();
        let conclusion = review.conclusion;
        Self {
            review_id: review.id,
            decision_id: review.decision,
            user_id: review.user,
            state: state.as_str(),
            requested_at: review.requested_at,
            due_at: review.due_at,
            overdue: state != ReviewState::Concluded && review.due_at < now,
            comment: review.comment.map(|comment| comment.as_str().to_owned()),
            claimed_by: None,
            claimed_at: review.claim.map(|claim| claim.at),
            concluded_at: conclusion.as_ref().map(|conclusion| conclusion.at),
            outcome: conclusion.as_ref().map(|conclusion| conclusion.outcome.as_str()),
            offer_id: conclusion.as_ref().and_then(|conclusion| conclusion.offer),
            explanation: conclusion.map(|conclusion| conclusion.explanation.as_str().to_owned()),
        }
    }
}

fn states() -> ObjectBuilder {
    one_of(ReviewState::ALL.iter().map(|state| state.as_str())).description(Some("Where it stands."))
}
