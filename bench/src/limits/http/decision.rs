//! A decision's answer without the decision: the token is verified, and a body of the platform's shape is written.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use ecs_domain::scorecard::Input;
use ecs_domain::{Timestamp, UserId};
use ecs_web::{Auth, Identity};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use crate::platform;

#[derive(Serialize)]
struct Answer {
    user_id: UserId,
    approved: bool,
    ml_risk_score: f64,
    offer: Offer,
    reason: Option<String>,
    reasons: [&'static str; 0],
    catalogue_version: u32,
    language: &'static str,
    decision_id: Uuid,
    decided_at: Timestamp,
    model_version: &'static str,
    policy_version: &'static str,
    repeated: bool,
    emotion_data_used: bool,
    without_emotions: WithoutEmotions,
    explanation: Vec<Contribution>,
}

#[derive(Serialize)]
struct Offer {
    offer_id: Uuid,
    status: &'static str,
    credit_limit: f64,
    interest_rate: f64,
    credit_type: &'static str,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct WithoutEmotions {
    approved: bool,
    ml_risk_score: f64,
}

#[derive(Serialize)]
struct Contribution {
    feature: &'static str,
    contribution: f64,
}

pub(super) fn router() -> anyhow::Result<Router> {
    let auth = Arc::new(platform::auth()?);
    Ok(Router::new().route("/v1/users/{user_id}/credit-analysis", post(decide)).with_state(auth))
}

async fn decide(State(auth): State<Arc<Auth>>, Path(user): Path<UserId>, headers: HeaderMap) -> Response {
    match Identity::verify(&headers, &auth) {
        Err(problem) => problem.into_response(),
        Ok(identity) if identity.user != user => StatusCode::FORBIDDEN.into_response(),
        Ok(_) => Json(answer(user, Timestamp::now())).into_response(),
    }
}

fn answer(user: UserId, now: Timestamp) -> Answer {
    let contributions = Input::ALL.into_iter().zip(1_u8..).map(|(input, place)| Contribution {
        feature: input.as_str(),
        contribution: 0.173_205_080_756_887_7 / f64::from(place),
    });
    Answer {
        user_id: user,
        approved: true,
        ml_risk_score: 0.173_205_080_756_887_7,
        offer: Offer {
            offer_id: Uuid::now_v7(),
            status: "offered",
            credit_limit: 5000.0,
            interest_rate: 14.25,
            credit_type: "SHORT_TERM",
            expires_at: now,
        },
        reason: None,
        reasons: [],
        catalogue_version: 1,
        language: "en",
        decision_id: Uuid::now_v7(),
        decided_at: now,
        model_version: "empathic-1",
        policy_version: "policy-3",
        repeated: false,
        emotion_data_used: true,
        without_emotions: WithoutEmotions { approved: true, ml_risk_score: 0.173_205_080_756_887_7 },
        explanation: contributions.collect(),
    }
}
