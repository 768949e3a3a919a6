//! The HTTP limits: bare handlers on the platform's own server, without its layers, gateway, bus or store.

mod decision;
mod emotion;
mod transaction;

use std::io::Write as _;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use ecs_web::server;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::Answer;

/// Uploads that are larger than what the server's framework takes by itself.
const LARGEST_BODY: usize = 64 << 20;

/// Serves until the process is killed; says where on standard output.
pub(crate) fn serve(answer: Answer) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        writeln!(std::io::stdout().lock(), "{}", listener.local_addr()?)?;
        let limits = ecs_web::Limits::default();
        server::serve(listener, router(answer)?, limits, CancellationToken::new()).await?;
        Ok(())
    })
}

fn router(answer: Answer) -> anyhow::Result<Router> {
    let events = "/v1/emotions/stream";
    Ok(match answer {
        Answer::Bare => Router::new().route(events, post(bare)),
        Answer::Emotion => Router::new().route(events, post(emotion::one)),
        Answer::Lines => Router::new()
            .route(events, post(emotion::lines))
            .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY)),
        Answer::Transaction => transaction::router()?,
        Answer::Decision => decision::router()?,
    })
}

async fn bare(_: Bytes) -> StatusCode {
    StatusCode::ACCEPTED
}
