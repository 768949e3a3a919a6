//! `GET /v1/access/changes`: what other processes of the platform follow, to know which tokens hold no more.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::permission::held::AccessFollow;
use ecs_domain::{Timestamp, Violation, Violations};
use ecs_store::{Changes, RightsOfUsers, StoreError};
use ecs_web::Problem;
use ecs_web::auth::changes::Told;
use ecs_web::auth::policy::Service;
use ecs_web::handles::changes::Answer;
use ecs_web::openapi::tag;
use ecs_web::params::{QueryParams, number};
use serde::Deserialize;

use crate::problems;
use crate::state::State;

/// How far back the list reaches for who begins to follow it: longer than any access token lasts.
const REACH: Duration = Duration::from_secs(2 * 60 * 60);
/// How many changes a piece holds.
const PIECE: usize = 1_000;

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
    let after = after.map(|text| number_after(&text)).transpose()?;
    let told = told(state.store.as_ref(), after, state.now()).await.map_err(problems::of_store)?;
    Ok(Json(Answer::new(told.changes, told.newest)))
}

/// The next piece of the list, for a follower here or elsewhere.
pub async fn told<S: RightsOfUsers + ?Sized>(
    store: &S,
    after: Option<u64>,
    now: Timestamp,
) -> Result<Told, StoreError> {
    let since = now.checked_sub(REACH).unwrap_or(now);
    let Changes { changes, newest } = store.changes(after, since, PIECE).await?;
    let changes = changes.into_iter().map(|change| (change.number, change.subject)).collect();
    Ok(Told { changes, newest })
}

fn number_after(text: &str) -> Result<u64, Problem> {
    number(text).ok_or_else(|| {
        Problem::invalid(Violations::from(Violation::new("after", "must be a whole number of at least 0")))
    })
}
