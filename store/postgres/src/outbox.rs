//! The outbox.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::{EventId, Timestamp, UserId};
use ecs_store::{Outbox, OutboxMessage, OutboxRow, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{get, limit as at_most, micros, unsigned};
use crate::engine::{Call, Fault, Param};

/// Rows that nobody holds, the longest unclaimed first. Those that another relay is about to claim are passed over, not
/// waited for. An array, because a subquery could be run more than once and lock more than the limit.
pub(crate) const CLAIM: &str = "UPDATE outbox SET claimed_until = $2 WHERE row = ANY (ARRAY(
        SELECT row FROM outbox WHERE claimed_until <= $1 ORDER BY claimed_until, row LIMIT $3 FOR UPDATE SKIP LOCKED))
     RETURNING row, event_id, subject, key, payload, schema_version, request_id, traceparent";
pub(crate) const RELEASE_FUTURE: &str =
    "UPDATE outbox SET claimed_until = '-infinity' WHERE row = ANY (ARRAY(
        SELECT row FROM outbox WHERE claimed_until > $1 FOR UPDATE SKIP LOCKED))";
pub(crate) const INSERT: &str =
    "INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id, traceparent)
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(crate) const FINISH: &str = "DELETE FROM outbox WHERE row = ANY ($1)";
pub(crate) const DEPTH: &str = "SELECT count(*) FROM outbox";

#[async_trait]
impl Outbox for PostgresStore {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let ends = |leases: u32| now.saturating_add(lease.saturating_mul(leases)).unwrap_or(Timestamp::MAX);
        let (until, future, now) = (&micros(ends(1)), &micros(ends(2)), &micros(now));
        let most = &at_most(limit);
        self.primary
            .run(Call::quick("outbox.claim"), |session| async move {
                let mut flight = session.flight();
                flight.add(RELEASE_FUTURE, &[future]);
                let claim = flight.add(CLAIM, &[now, until, most]);
                let claimed = flight.send().await?.take(claim);
                let mut rows = claimed.rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                rows.sort_unstable_by_key(|row| row.row);
                Ok(rows)
            })
            .await
    }

    async fn finish_outbox(&self, rows: &[OutboxRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows: &Vec<i64> = &rows.iter().map(|row| row.row).collect();
        self.primary
            .run(Call::quick("outbox.finish"), |session| async move {
                session.query(FINISH, &[rows]).await?;
                Ok(())
            })
            .await
    }

    async fn outbox_depth(&self) -> Result<u64, StoreError> {
        self.primary
            .run(Call::quick("outbox.depth"), |session| async move {
                session.query(DEPTH, &[]).await?.only().map(unsigned)
            })
            .await
    }
}

/// A message as the columns of a new row.
pub(crate) struct Columns<'a> {
    id: Uuid,
    subject: &'a str,
    key: Uuid,
    payload: &'a [u8],
    schema_version: i32,
    request_id: Option<&'a str>,
    traceparent: Option<&'a str>,
}

impl<'a> Columns<'a> {
    /// The columns `event_id, subject, key, payload, schema_version, request_id, traceparent`, in this order.
    pub(crate) fn new(message: &'a OutboxMessage) -> Self {
        Self {
            id: message.id.uuid(),
            subject: message.subject,
            key: message.key.uuid(),
            payload: &message.payload,
            schema_version: i32::from(message.schema_version),
            request_id: message.request_id.as_deref(),
            traceparent: message.traceparent.as_deref(),
        }
    }

    pub(crate) fn params(&self) -> [Param<'_>; 7] {
        [
            &self.id,
            &self.subject,
            &self.key,
            &self.payload,
            &self.schema_version,
            &self.request_id,
            &self.traceparent,
        ]
    }
}

fn read(row: &Row) -> Result<OutboxRow, Fault> {
    let version: i32 = get(row, "schema_version")?;
    let out_of_range = |_| StoreError::Corrupt("the column schema_version is out of range".to_owned());
    Ok(OutboxRow {
        row: get(row, "row")?,
        id: EventId::new(get(row, "event_id")?),
        subject: get(row, "subject")?,
        key: UserId::new(get(row, "key")?),
        payload: Bytes::from(get::<_, Vec<u8>>(row, "payload")?),
        schema_version: u16::try_from(version).map_err(out_of_range)?,
        request_id: get(row, "request_id")?,
        traceparent: get(row, "traceparent")?,
    })
}
