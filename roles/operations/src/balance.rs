//! `GET /v1/operations/books`: whether everything that was accepted is accounted for.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::OperationsRead;
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::tag;
use ecs_work::books::{self, Report};
use ecs_work::retention;
use serde::Serialize;

use crate::shapes::BooksShape;
use crate::{Reading, problem};

/// The report with its verdict. [`BooksShape`] documents it.
#[derive(Serialize)]
pub(crate) struct Balance {
    balances: bool,
    complaints: Vec<String>,
    #[serde(flatten)]
    report: Report,
}

/// Balance the books
///
/// Compares what the bus accepted with what the store made of it. It may be called at full load and raises no false
/// alarm. It reads the whole log, so calls come one after the other and may take up to 15 minutes.
#[utoipa::path(
    get, path = "/v1/operations/books", operation_id = "balanceBooks", tag = tag::OPERATIONS,
    responses(
        (status = OK, description = "The books, whether they balance or not.", body = BooksShape),
    ),
)]
pub(crate) async fn balance(
    _: Holding<OperationsRead>,
    State(reading): State<Reading>,
) -> Result<Json<Balance>, Problem> {
    let _turn = reading.turn.lock().await;
    let now = reading.deps.clock.now();
    let floor = retention::raw_floor(now, reading.deps.raw_retention_days);
    let report = books::balance(reading.deps.bus.as_ref(), reading.books(), now, floor)
        .await
        .map_err(|error| problem::of_books(&error))?;
    let complaints = report.complaints();
    Ok(Json(Balance { balances: complaints.is_empty(), complaints, report }))
}
