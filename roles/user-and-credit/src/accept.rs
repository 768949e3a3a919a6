//! `POST /v1/credit-offers/{offer_id}/accept`

use axum::extract::State as Extract;
use axum::response::Response;
use ecs_bus::Headers;
use ecs_bus::payload::{ApprovedOffer, OfferPayload};
use ecs_domain::permission::held::CreditWriteAny;
use ecs_domain::{OfferId, UserId, Violations};
use ecs_store::{AcceptResult, KeptAnswer};
use ecs_web::auth::policy::ActingFor;
use ecs_web::body::{self, JsonBytes};
use ecs_web::idempotency::Answer;
use ecs_web::openapi::{Id, OfferPath, tag};
use ecs_web::params::PathParams;
use ecs_web::{IdempotencyKey, Problem, RequestContext};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::keyed::{Call, Ended, Turn};
use crate::problems;
use crate::state::State;

/// Who accepts.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Acceptance, examples(json!({"userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e"})))]
pub(crate) struct Acceptor {
    /// Whose offer it is.
    #[schema(value_type = Id)]
    user_id: Option<UserId>,
}

/// The offer is accepted, and its credit on its way.
#[derive(Serialize, ToSchema)]
#[schema(as = OfferAccepted, examples(json!({"status": "offer acceptance is being processed"})))]
pub(crate) struct Accepted {
    /// `offer acceptance is being processed`
    status: &'static str,
}

/// Accept an offer
///
/// The credit is usable once it has been activated in the background, of which the customer is notified. Users accept
/// their own offers; those with `credit:write-any` accept for everybody. With an `Idempotency-Key` the request may be
/// repeated for a day.
#[utoipa::path(
    post, path = "/v1/credit-offers/{offer_id}/accept", operation_id = "acceptOffer", tag = tag::CREDIT,
    params(OfferPath, IdempotencyKey),
    request_body = Acceptor,
    responses(
        (status = ACCEPTED, description = "The offer is accepted.", body = Accepted),
        (status = NOT_FOUND, description = "the user has no such offer"),
        (status = CONFLICT, description = "the offer was accepted before"),
        (status = GONE, description = "the offer has expired"),
    ),
)]
pub(crate) async fn accept(
    acting: ActingFor<CreditWriteAny>,
    path: PathParams,
    context: RequestContext,
    Extract(state): Extract<State>,
    call: Result<Call, Problem>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let body: Acceptor = body::parse(&bytes)?;
    let mut violations = Violations::none();
    let Some(user) = violations.require("userId", body.user_id) else { return Err(violations.into()) };
    acting.require(user)?;
    let offer = path.id("offer_id")?;
    let accept = |turn: Turn| accept_once(&state, turn, user, offer, &context);
    call?.once(&state, Some(acting.identity.user), &bytes, accept).await
}

async fn accept_once(
    state: &State,
    turn: Turn,
    user: UserId,
    offer: OfferId,
    context: &RequestContext,
) -> Result<Ended, Problem> {
    let accepted = Accepted { status: "offer acceptance is being processed" };
    let answer = Answer::json(StatusCode::ACCEPTED, &accepted)?;
    let accepting = accept_and_announce(state.clone(), turn.keeping(&answer), user, offer, context.clone());
    match state.finisher.finish(accepting).await? {
        AcceptResult::Accepted(_) => Ok(Ended::Changed(answer)),
        AcceptResult::AlreadyAccepted => Err(Problem::conflict("the offer was accepted before")),
        AcceptResult::Expired => Err(Problem::gone("the offer has expired")),
        AcceptResult::Unknown => Err(unknown_offer()),
    }
}

/// Accepts in the store, with the event for the worker in the same transaction, and does what follows from that.
async fn accept_and_announce(
    state: State,
    answer: Option<KeptAnswer>,
    user: UserId,
    offer_id: OfferId,
    context: RequestContext,
) -> Result<AcceptResult, Problem> {
    let offer = state.store.offer(user, offer_id).await.map_err(problems::of_store)?;
    let offer = offer.ok_or_else(unknown_offer)?;
    let now = state.now();
    let approved = ApprovedOffer { offer: offer_id, user, terms: offer.terms, accepted_at: now };
    let headers = Headers::of_request(context.request_id(), context.traceparent());
    let message = ecs_work::outbox_message(&OfferPayload::event(&approved, headers));
    let result = state.store.accept_offer(user, offer_id, now, message, answer).await;
    let result = result.map_err(problems::of_store)?;
    // Whoever lost a race for this offer may still have it cached as open.
    state.forget_cached(user).await;
    if let AcceptResult::Accepted(_) = result {
        state.outbox.wake();
        tracing::info!(user_id = %user, offer_id = %offer_id, "offer accepted");
    }
    Ok(result)
}

/// The same for an offer that isn't there and for one of somebody else.
fn unknown_offer() -> Problem {
    Problem::not_found("the user has no such offer")
}
