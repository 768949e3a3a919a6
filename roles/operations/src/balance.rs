//! `GET /v1/operations/books`: whether everything that was accepted is accounted for.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::Permission;
use ecs_web::{Identity, Problem};
use ecs_work::books::{self, Report};
use ecs_work::retention;
use serde::Serialize;

use crate::{Reading, problem};

/// The report with its verdict.
#[derive(Serialize)]
pub(crate) struct Balance {
    balances: bool,
    complaints: Vec<String>,
    #[serde(flatten)]
    report: Report,
}

pub(crate) async fn balance(
    State(reading): State<Reading>,
    identity: Identity,
) -> Result<Json<Balance>, Problem> {
    identity.require(Permission::OperationsRead)?;
    let _turn = reading.turn.lock().await;
    let now = reading.deps.clock.now();
    let floor = retention::raw_floor(now, reading.deps.raw_retention_days);
    let report = books::balance(reading.deps.bus.as_ref(), reading.books(), now, floor)
        .await
        .map_err(|error| problem::of_books(&error))?;
    let complaints = report.complaints();
    Ok(Json(Balance { balances: complaints.is_empty(), complaints, report }))
}
