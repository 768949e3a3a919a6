//! The HTTP limits: bare handlers on the platform's own server, without its layers, gateway, authentication or bus.

use std::io::Write as _;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use ecs_domain::emotion::Unit;
use ecs_domain::{EventId, Timestamp, UserId};
use ecs_web::server;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::args::Answer;

/// Serves until the process is killed; says where on standard output.
pub(crate) fn serve(answer: Answer) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        writeln!(std::io::stdout().lock(), "{}", listener.local_addr()?)?;
        let router = Router::new().route(
            "/v1/emotions/stream",
            match answer {
                Answer::Bare => post(bare),
                Answer::Parse => post(parse),
            },
        );
        server::serve(listener, router, ecs_web::Limits::default(), CancellationToken::new()).await?;
        Ok(())
    })
}

async fn bare(_: Bytes) -> http::StatusCode {
    http::StatusCode::ACCEPTED
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    user_id: UserId,
    timestamp: Timestamp,
    #[serde(borrow)]
    emotion_event: Emotion<'a>,
    event_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct Emotion<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Metrics {
    positivity: f64,
    intensity: f64,
    stress_level: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    status: &'static str,
    trace_id: uuid::fmt::Simple,
    event_id: EventId,
}

impl Event<'_> {
    fn is_valid(&self) -> bool {
        let Metrics { positivity, intensity, stress_level } = self.emotion_event.metrics;
        let latest = Timestamp::now() + SignedDuration::from_hours(24);
        [positivity, intensity, stress_level].into_iter().all(|value| Unit::new(value).is_some())
            && (1..=64).contains(&self.emotion_event.kind.chars().count())
            && (Timestamp::UNIX_EPOCH..=latest).contains(&self.timestamp)
            && self.event_id.is_none_or(|id| (1..=128).contains(&id.chars().count()))
    }
}

async fn parse(body: Bytes) -> Response {
    let Ok(event) = serde_json::from_slice::<Event<'_>>(&body) else {
        return http::StatusCode::BAD_REQUEST.into_response();
    };
    if !event.is_valid() {
        return http::StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    let event_id = match event.event_id {
        Some(name) => EventId::derive(event.user_id, name),
        None => EventId::new(Uuid::now_v7()),
    };
    let accepted = Accepted { status: "event received", trace_id: Uuid::new_v4().simple(), event_id };
    (http::StatusCode::ACCEPTED, Json(accepted)).into_response()
}
