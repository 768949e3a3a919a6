//! Transactions, their token verified, parsed, validated and given their id, and nothing else.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use ecs_domain::{EventId, Money, UserId};
use ecs_web::{Auth, Identity};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::platform;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction<'a> {
    user_id: UserId,
    /// Read from its digits, as money is.
    #[serde(borrow)]
    amount: &'a RawValue,
    transaction_id: &'a str,
    merchant: Option<&'a str>,
    category: Option<&'a str>,
    channel: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    status: &'static str,
    user_id: UserId,
    trace_id: uuid::fmt::Simple,
    transaction_id: EventId,
}

impl Transaction<'_> {
    fn is_valid(&self) -> bool {
        let short = |text: &str| (1..=128).contains(&text.chars().count());
        self.amount.get().parse().is_ok_and(|amount: Money| amount.minor_units() > 0)
            && short(self.transaction_id)
            && [self.merchant, self.category, self.channel].into_iter().flatten().all(short)
    }
}

pub(super) fn router() -> anyhow::Result<Router> {
    let auth = Arc::new(platform::auth()?);
    Ok(Router::new().route("/v1/transactions", post(receive)).with_state(auth))
}

async fn receive(State(auth): State<Arc<Auth>>, headers: HeaderMap, body: Bytes) -> Response {
    let identity = match Identity::verify(&headers, &auth) {
        Ok(identity) => identity,
        Err(problem) => return problem.into_response(),
    };
    let Ok(transaction) = serde_json::from_slice::<Transaction<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if identity.user != transaction.user_id {
        return StatusCode::FORBIDDEN.into_response();
    }
    if !transaction.is_valid() {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    let accepted = Accepted {
        status: "event received",
        user_id: transaction.user_id,
        trace_id: Uuid::new_v4().simple(),
        transaction_id: EventId::derive(transaction.user_id, transaction.transaction_id),
    };
    (StatusCode::ACCEPTED, Json(accepted)).into_response()
}
