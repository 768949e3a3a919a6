//! `GET /v1/watch/drift` and `GET /v1/watch/fairness`.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::WatchRead;
use ecs_domain::watch::{Approvals, GroupShare, Interval, Share, Stability};
use ecs_domain::{Day, Timestamp};
use ecs_store::watch::{Days, KeptStanding};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{self, Instant, tag};
use serde::Serialize;
use utoipa::ToSchema;

use super::drift::{Compared, Drifts, compare};
use super::fairness::{Attribute, Fairness};
use super::tell::last;
use crate::{Reading, problem};

/// Whole days in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = WatchDays)]
struct DaysView {
    /// The first.
    #[schema(value_type = openapi::Day)]
    from: Day,
    /// The one behind the last.
    #[schema(value_type = openapi::Day)]
    until: Day,
}

/// How decisions of the last days compare with those before.
#[derive(Serialize, ToSchema)]
#[schema(as = WatchedDrift, examples(json!({
    "at": "2026-11-20T14:30:00Z",
    "window": {"from": "2026-11-14", "until": "2026-11-21"}, "reference": {"from": "2026-10-17", "until": "2026-11-14"},
    "measures": [{
        "model": "scorecard-1", "measure": "score", "verdict": "moderate", "standing": "alerted", "index": 0.125,
        "critical": 0.042, "window": 1000, "reference": 4000, "bins": [
            {"from": null, "until": 0.25, "missing": false, "window": 300, "reference": 2000},
            {"from": 0.25, "until": null, "missing": false, "window": 700, "reference": 2000}
        ]
    }]
})))]
pub(crate) struct DriftView {
    /// When that was asked.
    #[schema(value_type = Instant)]
    at: Timestamp,
    /// The days that are looked at.
    window: DaysView,
    /// The days that they are compared with.
    reference: DaysView,
    /// By model, the score first.
    measures: Vec<MeasureView>,
}

/// How one measure of a model's decisions compares.
#[derive(Serialize, ToSchema)]
#[schema(as = WatchedMeasure)]
struct MeasureView {
    /// The model's version.
    model: String,
    /// `score`, or a feature.
    measure: &'static str,
    /// `too-few`, `calm`, `moderate` or `major`.
    verdict: &'static str,
    /// What was told last: `calm` or `alerted`.
    standing: &'static str,
    /// The population stability index; null where too few decisions are there to tell.
    #[schema(required)]
    index: Option<f64>,
    /// What the index exceeds by chance alone no more often than the level says; null as above.
    #[schema(required)]
    critical: Option<f64>,
    /// Decisions that are looked at.
    window: u64,
    /// Decisions that they are compared with.
    reference: u64,
    /// The bins that anything is in; none where too few decisions are there to tell.
    bins: Vec<BinView>,
}

/// A bin: a quantile of the reference, or those without a value.
#[derive(Serialize, ToSchema)]
#[schema(as = WatchedBin)]
struct BinView {
    /// The value at which it begins; null without a lower end.
    #[schema(required)]
    from: Option<f64>,
    /// The value before which it ends; null without an upper end.
    #[schema(required)]
    until: Option<f64>,
    /// Whether it is of those without a value.
    missing: bool,
    /// Decisions of the window.
    window: u64,
    /// Decisions of the reference.
    reference: u64,
}

/// How groups were approved.
#[derive(Serialize, ToSchema)]
#[schema(as = WatchedFairness, examples(json!({
    "days": {"from": "2026-10-17", "until": "2026-11-20"},
    "attributes": [{"attribute": "age_band", "suppressed_groups": 1, "groups": [{
        "group": "25-34", "people": 400, "approved": 300, "ratio": 0.75, "low": 0.705, "high": 0.79, "impact": 1.0,
        "finding": "largest"
    }]}]
})))]
pub(crate) struct FairnessView {
    /// The days whose decisions count; each person's last one.
    days: DaysView,
    /// Each attribute by itself.
    attributes: Vec<AttributeView>,
}

/// How the groups of an attribute were approved.
#[derive(Serialize, ToSchema)]
#[schema(as = WatchedAttribute)]
struct AttributeView {
    /// `age_band` or `region`.
    attribute: &'static str,
    /// How many groups have fewer than ten people, of which nothing is told.
    suppressed_groups: usize,
    /// The others.
    groups: Vec<GroupView>,
}

/// A group of ten people or more.
#[derive(Serialize, ToSchema)]
#[schema(as = WatchedGroup)]
struct GroupView {
    /// Its name.
    group: String,
    /// How many people.
    people: u64,
    /// How many of them were approved.
    approved: u64,
    /// The share that was approved.
    ratio: f64,
    /// The lower end of where that share lies, 19 times in 20.
    low: f64,
    /// Its upper end.
    high: f64,
    /// The share as a share of the largest group's; null where nobody of that one was approved.
    #[schema(required)]
    impact: Option<f64>,
    /// `largest`, `unremarkable`, or `adverse`: below four fifths of the largest group's, beyond chance.
    finding: &'static str,
}

/// See whether decisions drift
///
/// How the score and each feature of the last days' decisions compare with those of the days before, for each model. Nothing is said where
/// decisions are too few for it.
#[utoipa::path(
    get, path = "/v1/watch/drift", operation_id = "watchDrift", tag = tag::OPERATIONS,
    responses((status = OK, description = "What was compared.", body = DriftView)),
)]
pub(crate) async fn drift(
    _: Holding<WatchRead>,
    State(reading): State<Reading>,
) -> Result<Json<DriftView>, Problem> {
    let (deps, now) = (&reading.deps, reading.deps.clock.now());
    let store = deps.store.as_ref();
    let drifts = compare(store, deps.watch, now).await.map_err(|error| problem::of_store(&error))?;
    let kept = store.standings().await.map_err(|error| problem::of_store(&error))?;
    let Drifts { window, reference, compared } = drifts;
    let measures = compared.into_iter().map(|compared| MeasureView::new(compared, &kept)).collect();
    Ok(Json(DriftView { at: now, window: window.into(), reference: reference.into(), measures }))
}

/// See how groups are approved
///
/// By what people told of themselves, each attribute by itself. Groups of fewer than ten people are left out. The days that are over count,
/// so the answer changes once a day.
#[utoipa::path(
    get, path = "/v1/watch/fairness", operation_id = "watchFairness", tag = tag::OPERATIONS,
    responses((status = OK, description = "What was compared.", body = FairnessView)),
)]
pub(crate) async fn fairness(
    _: Holding<WatchRead>,
    State(reading): State<Reading>,
) -> Result<Json<FairnessView>, Problem> {
    let found = reading.watcher.fairness(reading.deps.clock.now()).await;
    let found = found.map_err(|error| problem::of_store(&error))?;
    let Fairness { days, attributes } = found.as_ref();
    let attributes = attributes.iter().map(AttributeView::of).collect();
    Ok(Json(FairnessView { days: (*days).into(), attributes }))
}

impl From<Days> for DaysView {
    fn from(Days { from, until }: Days) -> Self {
        Self { from, until }
    }
}

impl MeasureView {
    fn new(compared: Compared, kept: &[KeptStanding]) -> Self {
        let (standing, _) = last(kept, &compared.of());
        let is_told = compared.is_told();
        let Compared { model, measure, stability } = compared;
        let Stability { shares, reference, window, index, critical, verdict } = stability;
        Self {
            model,
            measure: measure.as_str(),
            verdict: verdict.as_str(),
            standing: standing.as_str(),
            index: is_told.then_some(index),
            critical: is_told.then_some(critical),
            window,
            reference,
            bins: shares.into_iter().filter(|_| is_told).map(BinView::from).collect(),
        }
    }
}

impl From<Share> for BinView {
    fn from(Share { from, until, missing, reference, window }: Share) -> Self {
        Self { from, until, missing, window, reference }
    }
}

impl AttributeView {
    fn of((attribute, found): &(Attribute, Approvals<String>)) -> Self {
        let groups = found.groups.iter().map(GroupView::from).collect();
        Self { attribute: attribute.as_str(), suppressed_groups: found.suppressed, groups }
    }
}

impl From<&GroupShare<String>> for GroupView {
    fn from(GroupShare { group, tally, interval, impact, finding }: &GroupShare<String>) -> Self {
        let Interval { low, high } = *interval;
        Self {
            group: group.clone(),
            people: tally.people,
            approved: tally.approved,
            ratio: tally.ratio(),
            low,
            high,
            impact: *impact,
            finding: finding.as_str(),
        }
    }
}
