//! Accepts transactions over HTTP and makes them durable on the bus.
//!
//! `POST /v1/transactions` takes one transaction of the token's user, or of any user with the permission
//! `transactions:write-any`. It is accepted when the bus says that it is durable. The store is never asked.
//! One that its sender named, in its body or by the request's `Idempotency-Key`, may be sent again.

mod amount;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use ecs_bus::payload::TransactionPayload;
use ecs_bus::{Bus, Headers, PublishError};
use ecs_domain::permission::held::TransactionsWriteAny;
use ecs_domain::transaction::Currency;
use ecs_domain::{Clock, TransactionId, UserId};
use ecs_web::auth::policy::SendingFor;
use ecs_web::body::JsonBytes;
use ecs_web::openapi::{Id, OpenApiRouter, tag};
use ecs_web::{Auth, IdempotencyKey, PolicedRoutes as _, Problem, RequestContext, policed};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

/// What the role needs.
pub struct Deps {
    /// Verifies tokens.
    pub auth: Arc<Auth>,
    /// Where accepted transactions go.
    pub bus: Arc<dyn Bus>,
    /// Against which dates are checked, and the date of a transaction without one.
    pub clock: Arc<dyn Clock>,
    /// The only currency that is taken.
    pub base_currency: Currency,
}

/// The role. Cheap to clone.
#[derive(Clone)]
pub struct TransactionIngestion(Arc<Deps>);

impl TransactionIngestion {
    /// The role over what it needs.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self(Arc::new(deps))
    }

    /// Its routes.
    pub fn routes(&self) -> Router {
        Self::api().with_state(self.clone()).into()
    }

    /// What it says of these routes: its part of the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        Self::api().into_openapi()
    }

    fn api() -> OpenApiRouter<Self> {
        OpenApiRouter::default().policed(policed!(receive))
    }
}

impl FromRef<TransactionIngestion> for Arc<Auth> {
    fn from_ref(role: &TransactionIngestion) -> Self {
        Arc::clone(&role.0.auth)
    }
}

/// A transaction is on disk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TransactionAccepted, examples(json!({
    "status": "event received", "userId": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "transactionId": "c9a1d7a3-5f5e-5d0c-9c51-0f3f0b6f0c1e"
})))]
struct Accepted<'a> {
    /// `event received`
    status: &'static str,
    /// Whose it is.
    #[schema(value_type = Id)]
    user_id: UserId,
    /// The trace that the request belongs to.
    trace_id: &'a str,
    /// The transaction's id, made of the user and of what you call it.
    #[schema(value_type = Id)]
    transaction_id: TransactionId,
}

/// Send a transaction
///
/// What a user bought. A 202 means that it is on disk. Users send their own; those with `transactions:write-any` send
/// everybody's.
///
/// A transaction counts once for each `transactionId` of its user, for ever. Where the body has none, the
/// `Idempotency-Key` is as good as one. Without either, a repeated request is a new transaction.
#[utoipa::path(
    post, path = "/v1/transactions", operation_id = "sendTransaction", tag = tag::EVENTS,
    params(IdempotencyKey),
    request_body = wire::WireTransaction<'static>,
    responses(
        (status = ACCEPTED, description = "The transaction is on disk.", body = Accepted<'static>),
    ),
)]
async fn receive(
    sending: SendingFor<TransactionsWriteAny>,
    State(TransactionIngestion(deps)): State<TransactionIngestion>,
    key: Result<Option<IdempotencyKey>, Problem>,
    context: RequestContext,
    JsonBytes(json): JsonBytes,
) -> Result<Response, Problem> {
    let may_send_for = |user| sending.require(user);
    let name = key.as_ref().ok().and_then(Option::as_ref);
    let transaction = wire::read(&json, name, deps.base_currency, deps.clock.now(), may_send_for)?;
    // Not before it is known whose affair it is.
    key?;
    let headers = Headers::of_request(context.request_id(), context.traceparent());
    let event = TransactionPayload::event(&transaction, context.trace_id(), headers);
    // A transport that returns no result has promised nothing.
    let unanswered = || Err(PublishError::Unavailable("no result".to_owned()));
    deps.bus
        .publish(vec![event])
        .await
        .pop()
        .unwrap_or_else(unanswered)
        .map_err(|error| not_published(&error))?;
    let accepted = Accepted {
        status: "event received",
        user_id: transaction.user,
        trace_id: context.trace_id(),
        transaction_id: transaction.id,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

fn not_published(error: &PublishError) -> Problem {
    match error {
        PublishError::WindowFull { retry_after } => Problem::overloaded(*retry_after),
        PublishError::Unavailable(_) | PublishError::Closed => {
            tracing::warn!(%error, "a transaction was not accepted");
            Problem::unavailable("bus", Duration::from_secs(1))
        }
        PublishError::TooLarge { limit, .. } => {
            Problem::too_large(format!("a transaction may have at most {limit} bytes"))
        }
    }
}
