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
    let after = after.map(|text| number(&text)).transpose()?;
    let now = state.now();
    let since = now.checked_sub(REACH).unwrap_or(now);
    let told = state.store.changes(after, since, PIECE).await.map_err(problems::of_store)?;
    let changes = told.changes.into_iter().map(|change| (change.number, change.subject));
    Ok(Json(Answer::new(changes, told.newest)))
}

/// Numbers of changes are whole and end where the document's do: at the largest of 64 bits with a sign.
fn number(text: &str) -> Result<u64, Problem> {
    let number = text.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| {
        Problem::invalid(Violations::from(Violation::new("after", "must be a whole number of at least 0")))
    })
}
