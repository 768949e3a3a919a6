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
use axum::routing::post;
use axum::{Json, Router};
use ecs_bus::payload::TransactionPayload;
use ecs_bus::{Bus, Headers, PublishError};
use ecs_domain::permission::Permission;
use ecs_domain::transaction::Currency;
use ecs_domain::{Clock, TransactionId, UserId};
use ecs_web::body::JsonBytes;
use ecs_web::{Auth, IdempotencyKey, Identity, Problem, RequestContext};
use http::StatusCode;
use serde::Serialize;

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
        Router::new().route("/v1/transactions", post(receive)).with_state(self.clone())
    }
}

impl FromRef<TransactionIngestion> for Arc<Auth> {
    fn from_ref(role: &TransactionIngestion) -> Self {
        Arc::clone(&role.0.auth)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted<'a> {
    status: &'static str,
    user_id: UserId,
    trace_id: &'a str,
    transaction_id: TransactionId,
}

async fn receive(
    State(TransactionIngestion(deps)): State<TransactionIngestion>,
    identity: Identity,
    key: Option<IdempotencyKey>,
    context: RequestContext,
    JsonBytes(json): JsonBytes,
) -> Result<Response, Problem> {
    let may_send_for = |user| identity.require_user(user, Permission::TransactionsWriteAny);
    let transaction = wire::read(&json, key.as_ref(), deps.base_currency, deps.clock.now(), may_send_for)?;
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
