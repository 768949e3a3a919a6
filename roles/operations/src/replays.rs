//! `/v1/operations/replay`: the aggregates, rebuilt from the raw events that are still kept.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ecs_domain::Timestamp;
use ecs_domain::permission::Permission;
use ecs_store::{Replay, ReplayPhase, ReplayPlan, Replays};
use ecs_web::openapi::{Instant, one_of, tag};
use ecs_web::{Identity, Problem};
use ecs_work::{replays, retention};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use crate::{Reading, problem};

/// How long one call works on a replay: well within every deadline on its way.
const TIME: Duration = Duration::from_millis(250);

/// Where a replay stands. Each row of the summary, one user's day, is counted in one of the four numbers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Replay, examples(json!({
    "startedAt": "2026-11-20T14:30:00Z", "phase": "switched", "confirmed": 1200, "healed": 1, "kept": 0,
    "carriedOver": 300, "switchedAt": "2026-11-20T14:30:02Z"
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
    /// Rows whose events are not all kept any more, which stay as they are.
    carried_over: u64,
    /// When the new generation took over; null while it hasn't.
    #[schema(required, value_type = Option<Instant>)]
    switched_at: Option<Timestamp>,
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
#[utoipa::path(
    post, path = "/v1/operations/replay", operation_id = "replay", tag = tag::OPERATIONS,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "How far it is.", body = ReplayView),
        (status = FORBIDDEN, description = "the permission operations:write is needed"),
    ),
)]
pub(crate) async fn replay(
    State(reading): State<Reading>,
    identity: Identity,
) -> Result<Json<ReplayView>, Problem> {
    identity.require(Permission::OperationsWrite)?;
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

/// Show the last replay
///
/// How far the replay under way is, or what the last one did.
#[utoipa::path(
    get, path = "/v1/operations/replay", operation_id = "showReplay", tag = tag::OPERATIONS,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "How far it is.", body = LastReplay),
        (status = FORBIDDEN, description = "the permission operations:read is needed"),
    ),
)]
pub(crate) async fn show(
    State(reading): State<Reading>,
    identity: Identity,
) -> Result<Json<LastReplay>, Problem> {
    identity.require(Permission::OperationsRead)?;
    let last = reading.deps.store.last_replay().await.map_err(|error| problem::of_store(&error))?;
    Ok(Json(LastReplay { replay: last.map(ReplayView::from) }))
}

impl From<Replay> for ReplayView {
    fn from(replay: Replay) -> Self {
        let Replay { started_at, phase, confirmed, healed, kept, carried_over, switched_at, days: _ } =
            replay;
        let phase = match phase {
            ReplayPhase::Building => "building",
            ReplayPhase::Built => "built",
            ReplayPhase::Switched => "switched",
        };
        Self { started_at, phase, confirmed, healed, kept, carried_over, switched_at }
    }
}
