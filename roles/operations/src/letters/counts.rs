//! `GET /v1/operations/dead-letter-counts`: how many letters there are of each sort.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::OperationsRead;
use ecs_store::LetterCount;
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::tag;
use serde::Serialize;
use utoipa::ToSchema;

use super::{kinds, states};
use crate::{Reading, problem};

/// How many dead letters there are.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterCounts, examples(json!({
    "counts": [{
        "subject": "user.emotions.topic", "group": "emotion-processing", "kind": "unknown-user",
        "state": "waiting", "count": 3
    }]
})))]
pub(crate) struct Counts {
    /// One for each sort of which there are any.
    counts: Vec<CountView>,
}

/// How many dead letters are of one sort.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterCount, examples(json!({
    "subject": "user.emotions.topic", "group": "emotion-processing", "kind": "unknown-user", "state": "waiting",
    "count": 3
})))]
struct CountView {
    /// The subject that the events were published to.
    subject: String,
    /// The group of workers that gave them up.
    group: String,
    /// What kind of trouble it was.
    #[schema(schema_with = kinds)]
    kind: &'static str,
    /// Whether they wait, were replayed, or were dropped.
    #[schema(schema_with = states)]
    state: &'static str,
    /// How many.
    count: u64,
}

/// Count dead letters
///
/// By subject, group, kind of trouble and state.
#[utoipa::path(
    get, path = "/v1/operations/dead-letter-counts", operation_id = "countDeadLetters", tag = tag::OPERATIONS,
    responses(
        (status = OK, description = "The counts.", body = Counts),
    ),
)]
pub(crate) async fn counts(
    _: Holding<OperationsRead>,
    State(reading): State<Reading>,
) -> Result<Json<Counts>, Problem> {
    let counts = reading.letters().count_dead_letters().await.map_err(|error| problem::of_store(&error))?;
    Ok(Json(Counts { counts: counts.into_iter().map(CountView::from).collect() }))
}

impl From<LetterCount> for CountView {
    fn from(LetterCount { subject, group, kind, state, count }: LetterCount) -> Self {
        Self { subject, group, kind: kind.as_str(), state: state.as_str(), count }
    }
}
