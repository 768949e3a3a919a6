//! An export as answers have it.

use ecs_domain::{ExportId, Timestamp};
use ecs_store::{Export, ExportState, Progress};
use ecs_web::openapi::{Id, Instant, one_of};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

/// An archive of what is held on a person, or the way to it.
#[derive(Serialize, ToSchema)]
#[schema(as = Export, examples(json!({
    "id": "0198c1f2-9d1e-7c40-8a55-1b2c3d4e5f60", "state": "ready", "requested_at": "2026-11-20T14:30:00Z",
    "progress": {"done": 1204, "total": 1204}, "finished_at": "2026-11-20T14:30:02Z",
    "expires_at": "2026-11-27T14:30:02Z", "bytes": 48211, "failure": null
})))]
pub(super) struct ExportView {
    /// Its id.
    #[schema(value_type = Id)]
    id: ExportId,
    /// Where it stands.
    #[schema(schema_with = states)]
    state: &'static str,
    /// When it was asked for.
    #[schema(value_type = Instant)]
    requested_at: Timestamp,
    /// How far it came.
    progress: ProgressView,
    /// When it was built, or given up.
    #[schema(required, value_type = Option<Instant>)]
    finished_at: Option<Timestamp>,
    /// When it is dropped.
    #[schema(required, value_type = Option<Instant>)]
    expires_at: Option<Timestamp>,
    /// How large the archive is.
    #[schema(required)]
    bytes: Option<u64>,
    /// Why it was given up: `internal` or `interrupted`.
    #[schema(required)]
    failure: Option<String>,
}

fn states() -> ObjectBuilder {
    let what = "`pending` until a worker has it in hand, `running` while it is built, `ready` while it can be fetched, `expired` \
        behind that, or `failed`.";
    one_of(ExportState::ALL.map(ExportState::as_str)).description(Some(what))
}

/// How far an export came.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportProgress)]
struct ProgressView {
    /// Rows that are in the archive.
    done: u64,
    /// Rows that there were when it was begun; 0 before that.
    total: u64,
}

/// A person's exports.
#[derive(Serialize, ToSchema)]
#[schema(as = Exports, examples(json!({"items": [{
    "id": "0198c1f2-9d1e-7c40-8a55-1b2c3d4e5f60", "state": "running", "requested_at": "2026-11-20T14:30:00Z",
    "progress": {"done": 500, "total": 1204}, "finished_at": null, "expires_at": null, "bytes": null, "failure": null
}]})))]
pub(super) struct ExportList {
    /// The newest first; three at most.
    pub(super) items: Vec<ExportView>,
}

/// Where an export stands at a moment: an archive whose time has come is there no more, though it wasn't dropped yet.
pub(super) fn state_at(export: &Export, now: Timestamp) -> ExportState {
    match export.state {
        ExportState::Ready if export.expires_at.is_some_and(|at| at <= now) => ExportState::Expired,
        state => state,
    }
}

impl ExportView {
    pub(super) fn new(export: Export, now: Timestamp) -> Self {
        let state = state_at(&export, now).as_str();
        let Export { id, requested_at, finished_at, expires_at, bytes, failure, .. } = export;
        let Progress { done, total } = export.progress;
        // What came meanwhile makes no more than all of it.
        let progress = ProgressView { done, total: total.max(done) };
        Self { id, state, requested_at, progress, finished_at, expires_at, bytes, failure }
    }
}
