//! `/v1/operations/replay`: the aggregates, rebuilt from the raw events that are still kept, or those of some days from the log.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::{OperationsRead, OperationsWrite};
use ecs_domain::{Day, Timestamp, Violations};
use ecs_store::{LogReplayPlan, Replay, ReplayDays, ReplayPhase, ReplayPlan, Replays};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Instant, one_of, tag};
use ecs_web::params::QueryParams;
use ecs_work::replays::{self, LogReplayError};
use ecs_work::retention;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use crate::{Deps, Reading, problem};

/// How long one call works on a replay: well within every deadline on its way.
const TIME: Duration = Duration::from_millis(250);

/// `?from=&to=`, both or neither.
#[derive(Deserialize)]
pub(crate) struct Question {
    from: Option<String>,
    to: Option<String>,
}

/// Where a replay stands. Each row of the summary, one user's day, is counted in one of the four numbers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Replay, examples(json!({
    "startedAt": "2026-11-20T14:30:00Z", "phase": "switched", "confirmed": 1200, "healed": 1, "kept": 0,
    "carriedOver": 300, "switchedAt": "2026-11-20T14:30:02Z", "from": null, "to": null
})))]
pub(crate) struct ReplayView {
    /// When it began.
    #[schema(value_type = Instant)]
    started_at: Timestamp,
    /// Whether it is being built, is built, or has switched.
    #[schema(schema_with = phases)]
    phase: &'static str,
    /// Rows that were rebuilt and found to be right.
    confirmed: u64,
    /// Rows that were rebuilt and differ: they are what their events add up to, once the replay has switched.
    healed: u64,
    /// Rows that count more events than are kept of them, and were left as they are.
    kept: u64,
    /// Rows that stay as they are because their events are not all kept any more or, where days are rebuilt from the log, because it
    /// says nothing of them.
    carried_over: u64,
    /// When the new generation took over; null while it hasn't.
    #[schema(required, value_type = Option<Instant>)]
    switched_at: Option<Timestamp>,
    /// The first of the days that are rebuilt from the bus's log; null where everything is rebuilt from raw events.
    #[schema(required, value_type = Option<ecs_web::openapi::Day>)]
    from: Option<Day>,
    /// The last of those days.
    #[schema(required, value_type = Option<ecs_web::openapi::Day>)]
    to: Option<Day>,
}

/// The replay under way, or the last one.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"replay": null})))]
pub(crate) struct LastReplay {
    /// Null when the aggregates were never replayed.
    #[schema(required, value_type = Option<ReplayView>)]
    replay: Option<ReplayView>,
}

fn phases() -> ObjectBuilder {
    one_of(["building", "built", "switched"])
        .description(Some("Whether it is being built, is built, or has switched."))
}

/// Replay the aggregates
///
/// Rebuilds the daily summaries of emotions from the raw events that are still kept, as a shadow generation, and switches to it
/// at once. A call works for a quarter of a second and tells how far it is: call again until the phase is `switched`. Events are folded
/// throughout. What was cached of the old generation goes within a minute.
///
/// With `from` and `to`, the summaries of these days are rebuilt from the log of the bus instead, and no others. A day that began before
/// the log does is refused.
#[utoipa::path(
    post, path = "/v1/operations/replay", operation_id = "replay", tag = tag::OPERATIONS,
    params(
        ("from" = Option<ecs_web::openapi::Day>, Query, description = "The first day to rebuild from the log."),
        ("to" = Option<ecs_web::openapi::Day>, Query, description = "The last one."),
    ),
    responses(
        (status = OK, description = "How far it is.", body = ReplayView),
    ),
)]
pub(crate) async fn replay(
    _: Holding<OperationsWrite>,
    State(reading): State<Reading>,
    QueryParams(question): QueryParams<Question>,
) -> Result<Json<ReplayView>, Problem> {
    match question.read()? {
        Some(days) => replay_days(&reading, days).await,
        None => replay_all(&reading).await,
    }
}

async fn replay_days(reading: &Reading, days: ReplayDays) -> Result<Json<ReplayView>, Problem> {
    let Deps { bus, store, clock, stress, .. } = reading.deps.clone();
    let plan = LogReplayPlan { stress, days };
    let work = async move {
        let store: &dyn Replays = store.as_ref();
        replays::work_on_days(bus.as_ref(), store, clock.as_ref(), plan, TIME).await
    };
    // As below.
    let replay = reading.finisher.finish(work).await;
    Ok(Json(replay.map_err(|error| of_days(&error))?.into()))
}

async fn replay_all(reading: &Reading) -> Result<Json<ReplayView>, Problem> {
    let deps = &reading.deps;
    let raw_floor = retention::raw_floor(deps.clock.now(), deps.raw_retention_days);
    let plan = ReplayPlan { stress: deps.stress, raw_floor };
    let (store, clock): (Arc<dyn Replays>, _) = (Arc::clone(&deps.store) as _, Arc::clone(&deps.clock));
    // The switch is one transaction, and over many rows it takes longer than a request may. Were it rolled back with the request, it
    // would never be done.
    let work = async move { replays::work_on(store.as_ref(), clock.as_ref(), plan, TIME).await };
    let replay = reading.finisher.finish(work).await;
    Ok(Json(replay.map_err(|error| problem::of_store(&error))?.into()))
}

fn of_days(error: &LogReplayError) -> Problem {
    let field = match error {
        LogReplayError::BeforeLog { .. } | LogReplayError::EmptyLog(_) => "from",
        LogReplayError::NoDays(_) => "to",
        LogReplayError::Bus(error) => return problem::of_bus(error),
        LogReplayError::Store(error) => return problem::of_store(error),
    };
    let mut violations = Violations::none();
    violations.push(field, error.to_string());
    violations.into()
}

impl Question {
    fn read(self) -> Result<Option<ReplayDays>, Violations> {
        let mut violations = Violations::none();
        let mut day = |field: &'static str, text: Option<String>| {
            let day = text.map(|text| text.parse().map_err(|_| "must be a day such as 2026-11-20".into()));
            day.and_then(|day| violations.check(field, day))
        };
        let (has_from, has_to) = (self.from.is_some(), self.to.is_some());
        let (from, to) = (day("from", self.from), day("to", self.to));
        if has_from != has_to {
            violations.push(if has_from { "to" } else { "from" }, "is needed, too");
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        Ok(from.zip(to).map(|(from, to)| ReplayDays { from, to }))
    }
}

/// Show the last replay
///
/// How far the replay under way is, or what the last one did.
#[utoipa::path(
    get, path = "/v1/operations/replay", operation_id = "showReplay", tag = tag::OPERATIONS,
    responses(
        (status = OK, description = "How far it is.", body = LastReplay),
    ),
)]
pub(crate) async fn show(
    _: Holding<OperationsRead>,
    State(reading): State<Reading>,
) -> Result<Json<LastReplay>, Problem> {
    let last = reading.deps.store.last_replay().await.map_err(|error| problem::of_store(&error))?;
    Ok(Json(LastReplay { replay: last.map(ReplayView::from) }))
}

impl From<Replay> for ReplayView {
    fn from(replay: Replay) -> Self {
        let Replay { started_at, phase, confirmed, healed, kept, carried_over, switched_at, days } = replay;
        let phase = match phase {
            ReplayPhase::Building => "building",
            ReplayPhase::Built => "built",
            ReplayPhase::Switched => "switched",
        };
        let (from, to) = (days.map(|days| days.from), days.map(|days| days.to));
        Self { started_at, phase, confirmed, healed, kept, carried_over, switched_at, from, to }
    }
}
