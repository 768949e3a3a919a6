//! `GET /v1/audit/batches`: the log to the byte, for whoever computes its digests again.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::AuditRead;
use ecs_domain::{Timestamp, Violation, Violations};
use ecs_store::audit::{Batch, Entry, Totals};
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
#[schema(as = AuditBatches, examples(json!({"batches": [{
    "number": 1, "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sealedAt": "2026-11-20T14:30:01Z", "count": 1, "entries": [{
        "number": 17, "at": 1_763_649_000_000_000_i64, "actor": "00000000-0000-0000-0000-000000000000",
        "act": "dead-letter.dropped", "subject": "dead-letter 17", "before": "null", "after": "null"
    }]
}], "sealed": 1, "unsealed": 0, "oldestUnsealed": null})))]
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
}

/// Entries that were sealed together.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditBatch)]
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
    entries: Vec<SealedEntry>,
}

/// An entry as it was digested.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditSealedEntry)]
struct SealedEntry {
    /// Its number.
    number: u64,
    /// When, in microseconds since 1970.
    at: i64,
    /// Who did it.
    #[schema(value_type = Id)]
    actor: Uuid,
    /// What was done.
    act: String,
    /// To whom or what.
    subject: String,
    /// What was before: JSON as text.
    before: String,
    /// What is now: JSON as text.
    after: String,
}

impl BatchView {
    fn new(batch: Batch, entries: Vec<Entry>) -> Self {
        let digest = hex::encode(batch.digest);
        let entries = entries.into_iter().map(|entry| {
            let Entry { number, at, actor, act, subject, before, after, batch: _ } = entry;
            SealedEntry { number, at, actor, act, subject, before, after }
        });
        let Batch { number, entries: count, sealed_at, .. } = batch;
        Self { number, digest, sealed_at, count, entries: entries.collect() }
    }
}

/// Read the audit log's chain
///
/// Batch by batch, to the byte, so that `ecs audit verify` computes the digests by itself.
#[utoipa::path(
    get, path = "/v1/audit/batches", operation_id = "listAuditBatches", tag = tag::OPERATIONS,
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
    let totals = store.audit_totals().await.map_err(|error| problem::of_store(&error))?;
    let found = store.batches(from, MOST).await.map_err(|error| problem::of_store(&error))?;
    let mut batches = Vec::with_capacity(found.len());
    for batch in found {
        let entries =
            store.entries_of(Some(batch.number)).await.map_err(|error| problem::of_store(&error))?;
        batches.push(BatchView::new(batch, entries));
    }
    let Totals { sealed, unsealed, oldest_unsealed, newest: _ } = totals;
    Ok(Json(Batches { batches, sealed, unsealed, oldest_unsealed }))
}
