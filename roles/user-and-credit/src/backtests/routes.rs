//! Asking for a backtest, seeing how far it is and what it told, and which decisions flip.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::backtest::{Direction, LossGivenDefault};
use ecs_domain::clock::first_instant;
use ecs_domain::permission::held::{PoliciesBacktest, PoliciesRead, UsersReadAny};
use ecs_domain::{BacktestId, Day, DecisionId, Timestamp, Violations};
use ecs_store::audit::NewEntry;
use ecs_store::{BacktestRow, NewBacktest, StoreError};
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Id, tag};
use ecs_web::params::{PathParams, QueryParams};
use ecs_web::{JsonBody, Problem};
use http::header::LOCATION;
use http::{HeaderName, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{BacktestList, BacktestView, FlipPage};
use crate::state::State;
use crate::{policies, problems};

/// How many backtests are under way at once, of everybody.
const MOST_UNDER_WAY: usize = 10;
/// How many backtests of a policy are listed.
const MOST_LISTED: usize = 100;
/// How many flips an answer has.
const PAGE: usize = 500;

/// Which decisions a policy is asked of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BacktestRequest, examples(json!({"from": "2026-11-01", "to": "2026-11-20", "lgd": 0.45})))]
pub(super) struct Wanted {
    /// The first day, in UTC.
    #[schema(value_type = ecs_web::openapi::Day)]
    from: Option<String>,
    /// The last day.
    #[schema(value_type = ecs_web::openapi::Day)]
    to: Option<String>,
    /// The part of a limit that is lost when somebody doesn't pay, with at most four decimals; 0.45 when it is left out.
    #[schema(minimum = 0, maximum = 1)]
    lgd: Option<f64>,
}

/// Instants between which decisions are asked again, and what is lost of a limit.
struct Read {
    from: Timestamp,
    until: Timestamp,
    loss_given_default: LossGivenDefault,
}

impl Wanted {
    fn read(self) -> Result<Read, Violations> {
        let mut violations = Violations::none();
        let mut day = |field: &'static str, text: Option<String>| {
            let text = violations.require(field, text)?;
            let day = text.parse::<Day>().map_err(|_| "must be a day such as 2026-11-20".into());
            violations.check(field, day)
        };
        let (from, to) = (day("from", self.from), day("to", self.to));
        let loss = self.lgd.map(|part| part.to_string().parse::<LossGivenDefault>()).transpose();
        let loss = violations.check("lgd", loss).flatten();
        let from = from.and_then(|from| violations.check("from", begin(Some(from))));
        let until = to.and_then(|to| violations.check("to", begin(to.tomorrow().ok())));
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            violations.push("to", "must not come before from");
        }
        match (violations.is_empty(), from, until) {
            (true, Some(from), Some(until)) => {
                Ok(Read { from, until, loss_given_default: loss.unwrap_or(LossGivenDefault::DEFAULT) })
            }
            _ => Err(violations),
        }
    }
}

fn begin(day: Option<Day>) -> Result<Timestamp, Cow<'static, str>> {
    day.and_then(first_instant).ok_or("must be a day that there are instants of".into())
}

/// Ask a policy of past decisions
///
/// What it would have said of the decisions of some days, from what they were made of. It runs in the background; nothing that follows from
/// other offers is simulated. Each is in the audit log, and kept for 30 days.
#[utoipa::path(
    post, path = "/v1/policies/{version}/backtests", operation_id = "requestBacktest", tag = tag::CREDIT, request_body = Wanted,
    params(("version" = String, Path, description = "The policy's version.")),
    responses(
        (
            status = ACCEPTED, description = "The backtest is on its way.", body = BacktestView,
            headers(("location" = String, description = "Where it stands.")),
        ),
        (status = NOT_FOUND, description = "there is no such policy"),
        (status = CONFLICT, description = "too many backtests are under way"),
    ),
)]
pub(super) async fn ask(
    Holding { identity, .. }: Holding<PoliciesBacktest>,
    path: PathParams,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<BacktestView>), Problem> {
    let (version, digest) = find_policy(&state, &path).await?;
    let Read { from, until, loss_given_default } = body.read()?;
    let (id, actor, now) = (BacktestId::new(Uuid::now_v7()), identity.user, state.now());
    let request = NewBacktest { id, version, digest, from, until, loss_given_default, actor, now };
    let asked = state.store.request_backtest(request, MOST_UNDER_WAY).await.map_err(problems::of_store)?;
    let row = asked.ok_or_else(|| Problem::conflict("too many backtests are under way"))?;
    tracing::info!(backtest_id = %id, policy = row.version, actor_id = %actor, "a backtest was asked for");
    state.backtests().wake();
    Ok((StatusCode::ACCEPTED, [(LOCATION, format!("/v1/backtests/{id}"))], Json(view(row)?)))
}

/// List the backtests of a policy
///
/// The newest first, as long as they are kept.
#[utoipa::path(
    get, path = "/v1/policies/{version}/backtests", operation_id = "listBacktests", tag = tag::CREDIT,
    params(("version" = String, Path, description = "The policy's version.")),
    responses(
        (status = OK, description = "The backtests, without their reports.", body = BacktestList),
        (status = NOT_FOUND, description = "there is no such policy"),
    ),
)]
pub(super) async fn list(
    _: Holding<PoliciesRead>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<BacktestList>, Problem> {
    let (_, digest) = find_policy(&state, &path).await?;
    let rows = state.store.backtests_of(&digest, MOST_LISTED).await.map_err(problems::of_store)?;
    BacktestList::of(rows).map(Json).map_err(|error| Problem::internal(&error))
}

/// See how far a backtest is
///
/// With its report when it is finished.
#[utoipa::path(
    get, path = "/v1/backtests/{backtest_id}", operation_id = "readBacktest", tag = tag::CREDIT,
    params(("backtest_id" = Id, Path, description = "Which backtest.")),
    responses(
        (status = OK, description = "Where it stands.", body = BacktestView),
        (status = NOT_FOUND, description = "there is no such backtest"),
    ),
)]
pub(super) async fn show(
    _: Holding<PoliciesRead>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<BacktestView>, Problem> {
    view(find(&state, &path).await?).map(Json)
}

#[derive(Deserialize)]
pub(super) struct Question {
    direction: Option<String>,
    cursor: Option<String>,
}

impl Question {
    fn read(self) -> Result<(Direction, Option<DecisionId>), Violations> {
        let mut violations = Violations::none();
        let direction = self.direction.map_or(Ok(Direction::Lost), |text| text.parse());
        let direction =
            violations.check("direction", direction.map_err(|()| "must be gained or lost".into()));
        let cursor = self.cursor.map(|text| text.parse::<DecisionId>()).transpose();
        let cursor = violations.check("cursor", cursor.map_err(|_| "must be a UUID".into())).flatten();
        direction.filter(|_| violations.is_empty()).map(|direction| (direction, cursor)).ok_or(violations)
    }
}

/// See which decisions flip in a backtest
///
/// Whoever reads decisions may see which ones. Every page that is read is audited. People who are erased go from it.
#[utoipa::path(
    get, path = "/v1/backtests/{backtest_id}/flips", operation_id = "listFlips", tag = tag::CREDIT,
    params(
        ("backtest_id" = Id, Path, description = "Which backtest."),
        (
            "direction" = Option<String>, Query,
            description = "`gained`: denied then, and approved by the draft; `lost`, also when it is left out: the other way.",
        ),
        ("cursor" = Option<Id>, Query, description = "`next` of the page before."),
    ),
    responses(
        (status = OK, description = "Up to 500 decisions.", body = FlipPage),
        (status = NOT_FOUND, description = "there is no such backtest"),
    ),
)]
pub(super) async fn flips(
    Holding { identity, .. }: Holding<UsersReadAny>,
    path: PathParams,
    Extract(state): Extract<State>,
    QueryParams(question): QueryParams<Question>,
) -> Result<Json<FlipPage>, Problem> {
    let row = find(&state, &path).await?;
    let (direction, cursor) = question.read()?;
    let found = state.store.backtest_flips(row.id, direction, cursor, PAGE + 1).await;
    let page = FlipPage::of(found.map_err(problems::of_store)?, PAGE);
    if page.len() > 0 {
        let entry = NewEntry::of_flips(identity.user, row.id, page.len(), state.now());
        state.store.note(entry).await.map_err(problems::of_store)?;
    }
    Ok(Json(page))
}

/// Version and digest of the policy that the path names.
async fn find_policy(state: &State, path: &PathParams) -> Result<(String, String), Problem> {
    let version = policies::named(path)?;
    if let Some(found) = state.store.policy_version(version).await.map_err(problems::of_store)? {
        return Ok((found.version, found.digest));
    }
    let known = state.policies.without_store(version).ok_or_else(policies::unknown)?;
    Ok((known.policy.version.clone(), known.policy.digest.clone()))
}

async fn find(state: &State, path: &PathParams) -> Result<BacktestRow, Problem> {
    let found = state.store.backtest(path.id("backtest_id")?).await.map_err(problems::of_store)?;
    // What is past its time is there no more, though it wasn't removed yet.
    let found = found.filter(|row| row.expires_at.is_none_or(|at| at > state.now()));
    found.ok_or_else(|| Problem::not_found("there is no such backtest"))
}

fn view(row: BacktestRow) -> Result<BacktestView, Problem> {
    let unreadable = |_| problems::of_store(StoreError::Corrupt("a backtest's report is no JSON".to_owned()));
    BacktestView::of(row).map_err(unreadable)
}
