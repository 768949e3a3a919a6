//! `POST /v1/decisions/{decision_id}/review`

use axum::extract::{Request, State as Extract};
use axum::response::Response;
use bytes::Bytes;
use ecs_domain::review::{DUE_AFTER, Review, ReviewText};
use ecs_domain::{ReviewId, Timestamp, Violations};
use ecs_store::{KeptAnswer, NewReview, ReviewRequested};
use ecs_web::auth::policy::Bearer;
use ecs_web::idempotency::Answer;
use ecs_web::openapi::{Id, tag};
use ecs_web::params::PathParams;
use ecs_web::{IdempotencyKey, Problem, body};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::ReviewView;
use crate::keyed::{Call, Ended, Turn};
use crate::state::State;
use crate::{decisions, problems};

/// What somebody has to say who wants a decision reviewed.
// It has no `Debug`: what people write is theirs.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReviewRequest, examples(json!({"comment": "My salary arrives at another bank, and nobody looked at it."})))]
pub(crate) struct Wish {
    /// Anything that the officer should know.
    #[schema(max_length = 2000)]
    comment: Option<String>,
}

/// Ask for a review by a person
///
/// Somebody who may decide otherwise looks at the decision, within fifteen days. Users ask for it themselves, of decisions about
/// themselves, one at a time; the body may be left out. Of the outcome they are notified, and read it with the decision. With an
/// `Idempotency-Key` the request may be repeated for a day.
#[utoipa::path(
    post, path = "/v1/decisions/{decision_id}/review", operation_id = "requestReview", tag = tag::CREDIT,
    params(("decision_id" = Id, Path, description = "Which decision."), IdempotencyKey),
    request_body(content = Option<Wish>, example = json!({"comment": "My salary arrives at another bank, and nobody looked at it."})),
    responses(
        (status = CREATED, description = "The review waits for an officer.", body = ReviewView),
        (status = NOT_FOUND, description = "there is no such decision"),
        (status = CONFLICT, description = "a review of this decision is under way"),
    ),
)]
pub(crate) async fn ask(
    Bearer(identity): Bearer,
    path: PathParams,
    Extract(state): Extract<State>,
    call: Result<Call, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    let (decision, now) = (path.id("decision_id")?, state.now());
    let (head, body) = request.into_parts();
    let bytes = body::collect(body, body::MAX_JSON_BYTES).await?;
    let new = NewReview {
        id: ReviewId::new(Uuid::now_v7()),
        decision,
        user: identity.user,
        comment: comment(&head.headers, &bytes)?,
        now,
        due_at: now.saturating_add(DUE_AFTER).unwrap_or(Timestamp::MAX),
    };
    let asking = |turn: Turn| ask_once(&state, turn, new);
    call?.once(&state, Some(identity.user), &bytes, asking).await
}

/// What the body says, if there is one and it does.
fn comment(headers: &HeaderMap, bytes: &Bytes) -> Result<Option<ReviewText>, Problem> {
    if bytes.is_empty() {
        return Ok(None);
    }
    body::refuse_encoded(headers)?;
    if !body::has_media_type(headers, body::JSON) {
        return Err(Problem::unsupported_media_type("the content type must be application/json"));
    }
    let Wish { comment: Some(comment) } = body::parse(bytes)? else { return Ok(None) };
    let mut violations = Violations::none();
    let comment = violations.check("comment", ReviewText::new(comment).map_err(Into::into));
    if comment.is_none() { Err(violations.into()) } else { Ok(comment) }
}

async fn ask_once(state: &State, turn: Turn, new: NewReview) -> Result<Ended, Problem> {
    let review = Review {
        id: new.id,
        decision: new.decision,
        user: new.user,
        requested_at: new.now,
        due_at: new.due_at,
        comment: new.comment.clone(),
        claim: None,
        conclusion: None,
    };
    let answer = Answer::json(StatusCode::CREATED, &ReviewView::for_its_person(review, new.now))?;
    let requesting = request(state.clone(), new, turn.keeping(&answer));
    match state.finisher.finish(requesting).await? {
        ReviewRequested::Made(_) => Ok(Ended::Changed(answer)),
        ReviewRequested::UnderWay => Err(Problem::conflict("a review of this decision is under way")),
        ReviewRequested::Unknown => Err(decisions::unknown()),
    }
}

async fn request(
    state: State,
    new: NewReview,
    answer: Option<KeptAnswer>,
) -> Result<ReviewRequested, Problem> {
    let requested = state.store.request_review(new, answer).await.map_err(problems::of_store)?;
    if let ReviewRequested::Made(review) = &requested {
        tracing::info!(review_id = %review.id, user_id = %review.user, decision_id = %review.decision, "a review was asked for");
    }
    Ok(requested)
}
