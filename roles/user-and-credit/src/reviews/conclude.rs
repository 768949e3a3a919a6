//! `POST /v1/reviews/{review_id}/outcome`

use axum::Json;
use axum::extract::State as Extract;
use ecs_bus::Headers;
use ecs_bus::payload::NotificationPayload;
use ecs_domain::notification::Notification;
use ecs_domain::offer::{CreditType, Terms};
use ecs_domain::permission::held::ReviewsDecide;
use ecs_domain::policy::Policy;
use ecs_domain::review::{Review, ReviewOutcome, ReviewText, permits};
use ecs_domain::{Money, Rate, ReviewId, UserId, Violations};
use ecs_store::{ReviewChange, Verdict};
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Id, tag};
use ecs_web::params::PathParams;
use ecs_web::{JsonBody, Problem, RequestContext};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{ReviewView, changed};
use crate::state::State;
use crate::{analysis, problems, words};

/// What an officer has decided.
// It has no `Debug`: what is written in it is about somebody.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReviewVerdict, examples(json!({
    "outcome": "overturned", "explanation": "Your salary at the other bank is regular, which the model couldn't see.",
    "terms": {"credit_limit": 500.00, "interest_rate": 25.00, "credit_type": "SHORT_TERM"}
})))]
pub(crate) struct Said {
    /// `upheld` or `overturned`.
    #[schema(value_type = String)]
    outcome: Option<String>,
    /// Why, for the person to read.
    #[schema(value_type = String, min_length = 1, max_length = 2000)]
    explanation: Option<String>,
    /// What is offered instead: with `overturned` alone, and always there.
    terms: Option<SaidTerms>,
}

/// What an officer offers: the rate and type of one of the policy's bands, and at most its limit.
#[derive(Deserialize, ToSchema)]
#[schema(as = OfficersTerms)]
struct SaidTerms {
    /// How much may be drawn.
    #[schema(value_type = words::Money)]
    credit_limit: Option<Money>,
    /// Percent per year.
    #[schema(value_type = words::Rate)]
    interest_rate: Option<Rate>,
    /// `SHORT_TERM` or `LONG_TERM`.
    #[schema(value_type = String)]
    credit_type: Option<String>,
}

/// What was said, and makes sense.
struct Decided {
    outcome: ReviewOutcome,
    explanation: ReviewText,
    terms: Option<Terms>,
}

/// Conclude a review
///
/// The decision is upheld, or overturned by an offer: on the terms of one of the policy's bands, or with a lower limit. An offer of the
/// decision itself that nobody has accepted gives way to it. The person is notified. Needs `reviews:decide`, and that the caller has
/// claimed the review.
#[utoipa::path(
    post, path = "/v1/reviews/{review_id}/outcome", operation_id = "concludeReview", tag = tag::CREDIT,
    params(("review_id" = Id, Path, description = "Which review.")),
    request_body = Said,
    responses(
        (status = OK, description = "It is concluded.", body = ReviewView),
        (status = NOT_FOUND, description = "there is no such review"),
        (status = CONFLICT, description = "the caller has not claimed the review, or it is concluded"),
    ),
)]
pub(crate) async fn conclude(
    Holding { identity, .. }: Holding<ReviewsDecide>,
    path: PathParams,
    context: RequestContext,
    Extract(state): Extract<State>,
    JsonBody(said): JsonBody<Said>,
) -> Result<Json<ReviewView>, Problem> {
    let id = path.id("review_id")?;
    let policy = state.policies.at(state.now()).await.map_err(problems::of_policies)?.policy;
    let decided = said.read(&policy)?;
    let review = state.store.review(id).await.map_err(problems::of_store)?;
    let review = review.map_or_else(|| changed(ReviewChange::Unknown), Ok)?;
    let verdict = verdict(&state, &review, identity.user, decided, &context);
    let concluding = State::clone(&state);
    let concluded = state.finisher.finish(async move { write(&concluding, verdict, review.user).await });
    Ok(Json(ReviewView::for_officers(concluded.await?, state.now())))
}

fn verdict(
    state: &State,
    review: &Review,
    officer: UserId,
    decided: Decided,
    context: &RequestContext,
) -> Verdict {
    let now = state.now();
    let Decided { outcome, explanation, terms } = decided;
    let told = Notification::of_conclusion(review.user, review.id, review.decision, now);
    let headers = Headers::of_request(context.request_id(), context.traceparent());
    Verdict {
        id: review.id,
        officer,
        now,
        outcome,
        explanation,
        offer: terms.map(|terms| analysis::new_offer(review.user, terms, now)),
        message: ecs_work::outbox_message(&NotificationPayload::event(&told, headers)),
    }
}

/// Concludes in the store, and does what follows from that.
async fn write(state: &State, verdict: Verdict, user: UserId) -> Result<Review, Problem> {
    let (id, officer): (ReviewId, UserId) = (verdict.id, verdict.officer);
    let outcome = verdict.outcome.as_str();
    let review = changed(state.store.conclude_review(verdict).await.map_err(problems::of_store)?)?;
    state.outbox.wake();
    state.forget_cached(user).await;
    tracing::info!(review_id = %id, officer_id = %officer, outcome, "a review was concluded");
    Ok(review)
}

impl Said {
    fn read(self, policy: &Policy) -> Result<Decided, Violations> {
        let mut violations = Violations::none();
        let outcome = violations.require("outcome", self.outcome);
        let outcome = outcome
            .map(|word| word.parse::<ReviewOutcome>().map_err(|()| "must be upheld or overturned".into()));
        let outcome = outcome.and_then(|outcome| violations.check("outcome", outcome));
        let explanation = violations.require("explanation", self.explanation);
        let explanation = explanation.map(|text| ReviewText::new(text).map_err(Into::into));
        let explanation = explanation.and_then(|text| violations.check("explanation", text));
        let terms = self.terms.map(|terms| terms.read(policy, &mut violations));
        match (outcome, explanation, terms) {
            (Some(ReviewOutcome::Upheld), _, Some(_)) => {
                violations.push("terms", "must not be there where the decision is upheld");
            }
            (Some(ReviewOutcome::Overturned), _, None) => {
                violations.push("terms", "is required where the decision is overturned");
            }
            (Some(outcome), Some(explanation), None) => {
                return Ok(Decided { outcome, explanation, terms: None });
            }
            (Some(outcome), Some(explanation), Some(Some(terms))) => {
                return Ok(Decided { outcome, explanation, terms: Some(terms) });
            }
            _ => {}
        }
        Err(violations)
    }
}

impl SaidTerms {
    fn read(self, policy: &Policy, violations: &mut Violations) -> Option<Terms> {
        let credit_limit = violations.require("terms.credit_limit", self.credit_limit);
        let interest_rate = violations.require("terms.interest_rate", self.interest_rate);
        let credit_type = violations.require("terms.credit_type", self.credit_type);
        let credit_type = credit_type
            .map(|word| word.parse::<CreditType>().map_err(|()| "must be SHORT_TERM or LONG_TERM".into()));
        let credit_type = credit_type.and_then(|word| violations.check("terms.credit_type", word));
        let terms =
            Terms { credit_limit: credit_limit?, interest_rate: interest_rate?, credit_type: credit_type? };
        let permitted = if permits(policy, &terms) {
            Ok(terms)
        } else {
            Err("must be the rate and type of one of the policy's bands, and at most its limit".into())
        };
        violations.check("terms", permitted)
    }
}
