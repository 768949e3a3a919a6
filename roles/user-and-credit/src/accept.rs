//! `POST /v1/credit-offers/{offer_id}/accept`

use axum::extract::State as Extract;
use axum::response::Response;
use ecs_bus::Headers;
use ecs_bus::payload::{ApprovedOffer, OfferPayload};
use ecs_domain::permission::Permission;
use ecs_domain::{OfferId, UserId, Violations};
use ecs_store::{AcceptResult, KeptAnswer};
use ecs_web::body::{self, JsonBytes};
use ecs_web::idempotency::Answer;
use ecs_web::params::PathParams;
use ecs_web::{Identity, Problem, RequestContext};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::keyed::{Call, Ended, Turn};
use crate::problems;
use crate::state::State;

/// The body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acceptor {
    user_id: Option<UserId>,
}

/// The answer. The credit is usable once a worker has activated it and the user was notified.
#[derive(Serialize)]
pub(crate) struct Accepted {
    status: &'static str,
}

pub(crate) async fn accept(
    identity: Identity,
    path: PathParams,
    context: RequestContext,
    Extract(state): Extract<State>,
    call: Result<Call, Problem>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let body: Acceptor = body::parse(&bytes)?;
    let mut violations = Violations::none();
    let Some(user) = violations.require("userId", body.user_id) else { return Err(violations.into()) };
    identity.require_user(user, Permission::CreditWriteAny)?;
    let offer = path.id("offer_id")?;
    let accept = |turn: Turn| accept_once(&state, turn, user, offer, &context);
    call?.once(&state, Some(identity.user), &bytes, accept).await
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
    let result = accept_and_announce(state, turn.keeping(&answer), user, offer, context).await?;
    // Whoever lost a race for this offer may still have it cached as open.
    state.forget_cached(user).await;
    match result {
        AcceptResult::Accepted(_) => {
            state.outbox.wake();
            tracing::info!(user_id = %user, offer_id = %offer, "offer accepted");
            Ok(Ended::Changed(answer))
        }
        AcceptResult::AlreadyAccepted => Err(Problem::conflict("the offer was accepted before")),
        AcceptResult::Expired => Err(Problem::gone("the offer has expired")),
        AcceptResult::Unknown => Err(unknown_offer()),
    }
}

/// Accepts in the store, with the event for the worker in the same transaction.
async fn accept_and_announce(
    state: &State,
    answer: Option<KeptAnswer>,
    user: UserId,
    offer_id: OfferId,
    context: &RequestContext,
) -> Result<AcceptResult, Problem> {
    let offer = state.store.offer(user, offer_id).await.map_err(problems::of_store)?;
    let offer = offer.ok_or_else(unknown_offer)?;
    let now = state.now();
    let approved = ApprovedOffer { offer: offer_id, user, terms: offer.terms, accepted_at: now };
    let headers = Headers::of_request(context.request_id(), context.traceparent());
    let message = ecs_work::outbox_message(&OfferPayload::event(&approved, headers));
    state.store.accept_offer(user, offer_id, now, message, answer).await.map_err(problems::of_store)
}

/// The same for an offer that isn't there and for one of somebody else.
fn unknown_offer() -> Problem {
    Problem::not_found("the user has no such offer")
}
