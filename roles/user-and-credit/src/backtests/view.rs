//! A backtest as answers have it.

use ecs_domain::{BacktestId, Day, DecisionId, Timestamp, UserId, utc_day};
use ecs_store::{BacktestRow, BacktestState, Progress};
use ecs_web::openapi::{Id, Instant, one_of};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use super::report::BacktestReport;

/// A backtest, and its report when it is finished.
#[derive(Serialize, ToSchema)]
#[schema(as = Backtest, examples(json!({
    "id": "0198c1f2-9d1e-7c40-8a55-1b2c3d4e5f60", "policy": "policy-3",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "from": "2026-11-01", "to": "2026-11-20",
    "lgd": 0.45, "requested_by": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "requested_at": "2026-11-21T09:00:00Z",
    "state": "running", "progress": {"done": 1200, "total": 8000}, "finished_at": null, "expires_at": null, "failure": null,
    "report": null
})))]
pub(super) struct BacktestView {
    #[serde(flatten)]
    #[schema(inline)]
    listed: ListedBacktest,
    /// What it told; null until it is finished.
    #[schema(required, value_type = Option<BacktestReport>)]
    report: Option<Box<RawValue>>,
}

/// A backtest without its report.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedBacktest {
    /// Its id.
    #[schema(value_type = Id)]
    id: BacktestId,
    /// The policy's version.
    policy: String,
    /// SHA-256 of its file in hexadecimal.
    digest: String,
    /// The first day, in UTC.
    #[schema(value_type = ecs_web::openapi::Day)]
    from: Day,
    /// The last day.
    #[schema(value_type = ecs_web::openapi::Day)]
    to: Day,
    /// The part of a limit that is taken to be lost when somebody doesn't pay.
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    lgd: Box<RawValue>,
    /// Who asked for it.
    #[schema(value_type = Id)]
    requested_by: UserId,
    /// When.
    #[schema(value_type = Instant)]
    requested_at: Timestamp,
    /// Where it stands.
    #[schema(schema_with = states)]
    state: &'static str,
    /// How far it came.
    progress: ProgressView,
    /// When it was finished, or given up.
    #[schema(required, value_type = Option<Instant>)]
    finished_at: Option<Timestamp>,
    /// When it is removed.
    #[schema(required, value_type = Option<Instant>)]
    expires_at: Option<Timestamp>,
    /// Why it was given up: `internal`, `interrupted` or `policy`.
    #[schema(required)]
    failure: Option<String>,
}

/// How far a backtest came, in decisions.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestProgress)]
struct ProgressView {
    /// Decisions that were looked at.
    done: u64,
    /// Decisions that there were when it was begun; 0 before that.
    total: u64,
}

/// Backtests of a policy.
#[derive(Serialize, ToSchema)]
#[schema(as = Backtests, examples(json!({"items": [{
    "id": "0198c1f2-9d1e-7c40-8a55-1b2c3d4e5f60", "policy": "policy-3",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "from": "2026-11-01", "to": "2026-11-20",
    "lgd": 0.45, "requested_by": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "requested_at": "2026-11-21T09:00:00Z",
    "state": "finished", "progress": {"done": 8000, "total": 8000}, "finished_at": "2026-11-21T09:00:20Z",
    "expires_at": "2026-12-21T09:00:20Z", "failure": null
}]})))]
pub(super) struct BacktestList {
    /// The newest first, at most a hundred.
    items: Vec<ListedBacktest>,
}

/// Decisions that flip.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestFlipPage, examples(json!({
    "items": [{"decision_id": "0198c1f4-1a2b-7c3d-8e4f-5a6b7c8d9e10"}], "next": null
})))]
pub(super) struct FlipPage {
    /// In the order of their ids.
    items: Vec<FlipView>,
    /// The `cursor` of the next page; null when this is the last one.
    #[schema(required, value_type = Option<Id>)]
    next: Option<DecisionId>,
}

/// A decision that flips.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestFlip)]
struct FlipView {
    /// Its id.
    #[schema(value_type = Id)]
    decision_id: DecisionId,
}

fn states() -> ObjectBuilder {
    let what =
        "`pending` until a worker has it in hand, `running` while it is, then `finished`, or `failed`.";
    one_of(BacktestState::ALL.map(BacktestState::as_str)).description(Some(what))
}

impl ListedBacktest {
    fn of(row: BacktestRow) -> serde_json::Result<Self> {
        let Progress { done, total } = row.progress;
        let last = row.until.checked_sub(std::time::Duration::from_micros(1)).unwrap_or(row.until);
        Ok(Self {
            id: row.id,
            policy: row.version,
            digest: row.digest,
            from: utc_day(row.from),
            to: utc_day(last),
            lgd: RawValue::from_string(row.loss_given_default.digits())?,
            requested_by: row.actor,
            requested_at: row.requested_at,
            state: row.state.as_str(),
            // What came meanwhile makes no more than all of it.
            progress: ProgressView { done, total: total.max(done) },
            finished_at: row.finished_at,
            expires_at: row.expires_at,
            failure: row.failure,
        })
    }
}

impl BacktestView {
    pub(super) fn of(mut row: BacktestRow) -> serde_json::Result<Self> {
        let report = row.report.take().map(RawValue::from_string).transpose()?;
        Ok(Self { listed: ListedBacktest::of(row)?, report })
    }
}

impl BacktestList {
    pub(super) fn of(rows: Vec<BacktestRow>) -> serde_json::Result<Self> {
        Ok(Self { items: rows.into_iter().map(ListedBacktest::of).collect::<Result<_, _>>()? })
    }
}

impl FlipPage {
    /// A page of `most`; `found` has one more where there is another page.
    pub(super) fn of(mut found: Vec<DecisionId>, most: usize) -> Self {
        let more = found.len() > most;
        found.truncate(most);
        let next = found.last().copied().filter(|_| more);
        let items = found.into_iter().map(|decision_id| FlipView { decision_id }).collect();
        Self { items, next }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
