//! `POST /v1/credit-offers/{offer_id}/accept`

use axum::Json;
use axum::extract::State as Extract;
use ecs_bus::Headers;
use ecs_bus::payload::{ApprovedOffer, OfferPayload};
use ecs_domain::permission::Permission;
use ecs_domain::{OfferId, UserId, Violations};
use ecs_store::AcceptResult;
use ecs_web::params::PathParams;
use ecs_web::{Identity, JsonBody, Problem, RequestContext};
use http::StatusCode;
use serde::{Deserialize, Serialize};

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
    JsonBody(body): JsonBody<Acceptor>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let mut violations = Violations::none();
    let Some(user) = violations.require("userId", body.user_id) else { return Err(violations.into()) };
    identity.require_user(user, Permission::CreditWriteAny)?;
    let offer = path.id("offer_id")?;
    let result = accept_and_announce(&state, user, offer, &context).await?;
    // Whoever lost a race for this offer may still have it cached as open.
    state.forget_cached(user).await;
    match result {
        AcceptResult::Accepted(_) => {
            state.outbox.wake();
            tracing::info!(user_id = %user, offer_id = %offer, "offer accepted");
            Ok((StatusCode::ACCEPTED, Json(Accepted { status: "offer acceptance is being processed" })))
        }
        AcceptResult::AlreadyAccepted => Err(Problem::conflict("the offer was accepted before")),
        AcceptResult::Expired => Err(Problem::gone("the offer has expired")),
        AcceptResult::Unknown => Err(unknown_offer()),
    }
}

/// Accepts in the store, with the event for the worker in the same transaction.
async fn accept_and_announce(
    state: &State,
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
    state.store.accept_offer(user, offer_id, now, message, None).await.map_err(problems::of_store)
}

/// The same for an offer that isn't there and for one of somebody else.
fn unknown_offer() -> Problem {
    Problem::not_found("the user has no such offer")
}
