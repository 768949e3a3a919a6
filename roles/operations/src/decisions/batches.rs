//! `GET /v1/decision-log/batches`: the log to the byte, for whoever computes its digests again.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::AuditRead;
use ecs_domain::{Timestamp, Violation, Violations};
use ecs_store::chain::Batch;
use ecs_store::decision_log::{DecisionTotals, LogEntry, Logged, Standing};
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Id, Instant, tag};
use ecs_web::params::{QueryParams, number};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Reading, problem};

/// How many batches an answer has: each may hold a thousand entries.
const MOST: usize = 10;

#[derive(Deserialize)]
pub(crate) struct Question {
    from: Option<String>,
}

/// A piece of the chain.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DecisionBatches, examples(json!({"batches": [{
    "number": 1, "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sealedAt": "2026-11-20T14:30:01Z", "count": 1, "entries": [{
        "number": 17, "at": 1_763_649_000_000_000_i64, "act": "made", "decision": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0f",
        "user": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e",
        "digest": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", "standing": "there",
        "found": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    }]
}], "sealed": 1, "unsealed": 0, "oldestUnsealed": null, "unlogged": 0, "undecided": 0})))]
pub(crate) struct Batches {
    /// In their order; none when there is nothing more.
    batches: Vec<BatchView>,
    /// How many entries say that they are sealed, in whatever batch.
    sealed: u64,
    /// How many wait for their seal.
    unsealed: u64,
    /// When the oldest of those was written, in microseconds since 1970.
    #[schema(required)]
    oldest_unsealed: Option<i64>,
    /// How many decisions and conclusions of reviews no entry tells of.
    unlogged: u64,
    /// How many offers no decision and no review has made.
    undecided: u64,
}

/// Entries that were sealed together.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionBatch)]
#[serde(rename_all = "camelCase")]
struct BatchView {
    /// Counts from 1, without gaps.
    number: u64,
    /// SHA-256 of its entries and of the batch before it, as hexadecimal digits.
    digest: String,
    /// When it was sealed.
    #[schema(value_type = Instant)]
    sealed_at: Timestamp,
    /// How many entries it had when it was sealed.
    count: u64,
    /// In the order of their numbers.
    entries: Vec<EntryView>,
}

/// An entry as it was digested, and what has become of its decision or review.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionLogEntry)]
struct EntryView {
    /// Its number.
    number: u64,
    /// When, in microseconds since 1970.
    at: i64,
    /// What happened: `made` of a decision, `reviewed` of the conclusion of a review, `aged` of either that went for its age.
    act: String,
    /// To which decision or review.
    #[schema(value_type = Id)]
    decision: Uuid,
    /// About whom it was.
    #[schema(value_type = Id)]
    user: Uuid,
    /// SHA-256 of the decision or review as it was written, as hexadecimal digits; null where it went for its age.
    #[schema(required)]
    digest: Option<String>,
    /// What has become of what was made or reviewed: `there`, `aged`, `erased` with its person, or `gone` for no known reason.
    #[schema(required)]
    standing: Option<&'static str>,
    /// SHA-256 of the decision or review as it is there now.
    #[schema(required)]
    found: Option<String>,
}

impl From<Logged> for EntryView {
    fn from(Logged { entry, standing }: Logged) -> Self {
        let LogEntry { number, at, act, decision, user, digest, batch: _ } = entry;
        let (standing, found) = match standing {
            Some(Standing::There(found)) => (Some("there"), Some(hex::encode(found))),
            Some(Standing::Aged) => (Some("aged"), None),
            Some(Standing::Erased) => (Some("erased"), None),
            Some(Standing::Gone) => (Some("gone"), None),
            None => (None, None),
        };
        Self { number, at, act, decision, user, digest: digest.map(hex::encode), standing, found }
    }
}

/// Read the decision log's chain
///
/// Batch by batch, to the byte, so that `ecs decisions verify` computes the digests by itself. It tells ids, times and digests, and
/// nothing of what was decided.
#[utoipa::path(
    get, path = "/v1/decision-log/batches", operation_id = "listDecisionBatches", tag = tag::OPERATIONS,
    params(("from" = Option<u64>, Query, description = "The number of the first batch; 1 unless said otherwise.")),
    responses((status = OK, description = "Up to ten batches.", body = Batches)),
)]
pub(crate) async fn batches(
    _: Holding<AuditRead>,
    State(reading): State<Reading>,
    QueryParams(Question { from }): QueryParams<Question>,
) -> Result<Json<Batches>, Problem> {
    let from = from.map_or(Ok(1), |text| number(&text).ok_or("must be a batch's number"));
    let from = from.map_err(|message| Violations::from(Violation::new("from", message)))?;
    let store = &reading.deps.store;
    // Before the batches: what is sealed in between is in those.
    let totals = store.decision_totals().await.map_err(|error| problem::of_store(&error))?;
    let found = store.decision_batches(from, MOST).await.map_err(|error| problem::of_store(&error))?;
    let mut batches = Vec::with_capacity(found.len());
    for Batch { number, entries: count, digest, sealed_at } in found {
        let logged = store.logged(Some(number)).await.map_err(|error| problem::of_store(&error))?;
        let entries = logged.into_iter().map(EntryView::from).collect();
        batches.push(BatchView { number, digest: hex::encode(digest), sealed_at, count, entries });
    }
    let DecisionTotals { log, unlogged, undecided } = totals;
    let (sealed, unsealed, oldest_unsealed) = (log.sealed, log.unsealed, log.oldest_unsealed);
    Ok(Json(Batches { batches, sealed, unsealed, oldest_unsealed, unlogged, undecided }))
}
