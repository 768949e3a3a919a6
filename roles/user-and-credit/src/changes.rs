//! `GET /v1/access/changes`: what other processes of the platform follow, to know which tokens hold no more.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::permission::held::AccessFollow;
use ecs_domain::{Violation, Violations};
use ecs_web::Problem;
use ecs_web::auth::policy::Service;
use ecs_web::handles::changes::Answer;
use ecs_web::openapi::tag;
use ecs_web::params::QueryParams;
use serde::Deserialize;

use crate::problems;
use crate::state::State;

/// How far back the list reaches for who begins to follow it: longer than any access token lasts.
pub const REACH: Duration = Duration::from_secs(2 * 60 * 60);
/// How many changes a piece holds.
pub const PIECE: usize = 1_000;

/// Where to go on.
#[derive(Deserialize)]
pub(crate) struct Question {
    after: Option<String>,
}

/// Follow the changes of what users may do
///
/// For processes of the platform. A token whose version is below the number of a change of its user or session holds no more.
#[utoipa::path(
    get, path = "/v1/access/changes", operation_id = "followChanges", tag = tag::ACCESS,
    params(("after" = Option<u64>, Query, description = "Only changes with higher numbers. Without it, those of the last two hours.")),
    responses((status = OK, description = "A piece of the list.", body = Answer)),
)]
pub(crate) async fn follow(
    _: Service<AccessFollow>,
    QueryParams(Question { after }): QueryParams<Question>,
    Extract(state): Extract<State>,
) -> Result<Json<Answer>, Problem> {
    let after = after.map(|text| text.parse::<u64>()).transpose();
    let wrong = |_| Problem::invalid(Violations::from(Violation::new("after", "must be a whole number")));
    let now = state.now();
    let since = now.checked_sub(REACH).unwrap_or(now);
    let told = state.store.changes(after.map_err(wrong)?, since, PIECE).await.map_err(problems::of_store)?;
    let changes = told.changes.into_iter().map(|change| (change.number, change.subject));
    Ok(Json(Answer::new(changes, told.newest)))
}
