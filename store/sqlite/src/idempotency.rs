//! Answers kept for requests with a key.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::Timestamp;
use ecs_store::{Begun, Claim, Fingerprint, Idempotency, KeptAnswer, StoreError, StoredAnswer};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::SqliteStore;
use crate::column::IdBytes;
use crate::engine::Fault;

pub(crate) const FIND: &str = "SELECT fingerprint, status, answer, claimed_until FROM idempotency_keys
     WHERE scope = ?1 AND key = ?2";
/// Takes the place of a claim that ran out, and of nothing else: the caller has looked.
const CLAIM: &str =
    "INSERT INTO idempotency_keys (scope, key, fingerprint, holder, claimed_until, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
     ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, holder = excluded.holder,
        claimed_until = excluded.claimed_until, created_at = excluded.created_at";
pub(crate) const KEEP: &str = "UPDATE idempotency_keys SET status = ?4, answer = ?5, claimed_until = 0
     WHERE scope = ?1 AND key = ?2 AND holder = ?3 AND status IS NULL";
pub(crate) const RELEASE: &str = "DELETE FROM idempotency_keys
     WHERE scope = ?1 AND key = ?2 AND holder = ?3 AND status IS NULL";
pub(crate) const RELEASE_ALL: &str =
    "DELETE FROM idempotency_keys WHERE status IS NULL AND claimed_until > 0";
pub(crate) const OLD: &str = "SELECT scope, key FROM idempotency_keys WHERE created_at < ?1 LIMIT ?2";
pub(crate) const DROP: &str = "DELETE FROM idempotency_keys WHERE scope = ?1 AND key = ?2";

#[async_trait]
impl Idempotency for SqliteStore {
    async fn begin_request(
        &self,
        claim: &Claim,
        fingerprint: Fingerprint,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Begun, StoreError> {
        let claim = claim.clone();
        self.write("idempotency.begin", move |connection| {
            begin(connection, &claim, fingerprint, Lease { now, lease })
        })
        .await
    }

    async fn finish_request(&self, kept: KeptAnswer) -> Result<(), StoreError> {
        self.write("idempotency.finish", move |connection| keep(connection, Some(&kept))).await
    }

    async fn release_request(&self, claim: &Claim) -> Result<(), StoreError> {
        let claim = claim.clone();
        self.write("idempotency.release", move |connection| {
            let ids = params![claim.scope, claim.key, IdBytes(claim.holder)];
            connection.prepare_cached(RELEASE)?.execute(ids)?;
            Ok(())
        })
        .await
    }
}

/// Keeps an answer inside the transaction of the write that it tells of.
pub(crate) fn keep(connection: &Connection, kept: Option<&KeptAnswer>) -> Result<(), Fault> {
    let Some(KeptAnswer { claim, answer }) = kept else { return Ok(()) };
    let changed = connection.prepare_cached(KEEP)?.execute(params![
        claim.scope,
        claim.key,
        IdBytes(claim.holder),
        answer.status,
        answer.body.as_ref(),
    ])?;
    if changed == 0 { Err(StoreError::ClaimLost.into()) } else { Ok(()) }
}

/// Frees every claim. The file belongs to one process at a time, so a claim that is there when it is opened was left by
/// one that died, and its request is answered by nobody any more.
pub(crate) fn release_all(connection: &Connection) -> Result<(), Fault> {
    connection.execute(RELEASE_ALL, [])?;
    Ok(())
}

/// Drops up to `most` keys that are older than `since`.
pub(crate) fn drop_old(connection: &Connection, since: Timestamp, most: i64) -> Result<u64, Fault> {
    let mut find = connection.prepare_cached(OLD)?;
    let old = find.query_map(params![since.as_microsecond(), most], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let old: Vec<(String, String)> = old.collect::<Result<_, _>>()?;
    let mut drop = connection.prepare_cached(DROP)?;
    for key in &old {
        drop.execute(params![key.0, key.1])?;
    }
    Ok(old.len() as u64)
}

/// When a claim is made, and for how long.
#[derive(Clone, Copy)]
struct Lease {
    now: Timestamp,
    lease: Duration,
}

impl Lease {
    fn until(self, leases: u32) -> i64 {
        let end = self.now.saturating_add(self.lease.saturating_mul(leases));
        end.unwrap_or(Timestamp::MAX).as_microsecond()
    }

    /// Whether a claim until then is still one.
    fn respects(self, claimed_until: i64) -> bool {
        claimed_until > self.now.as_microsecond() && claimed_until <= self.until(2)
    }
}

/// Nobody else writes meanwhile, so what is free here is free at the insert.
fn begin(
    connection: &Connection,
    claim: &Claim,
    fingerprint: Fingerprint,
    lease: Lease,
) -> Result<Begun, Fault> {
    let mut statement = connection.prepare_cached(FIND)?;
    let found = statement.query_row(params![claim.scope, claim.key], Found::read).optional()?;
    let is_free = |found: &Found| found.answer.is_none() && !lease.respects(found.claimed_until);
    if let Some(found) = found.filter(|found| !is_free(found)) {
        return Ok(match found.answer {
            _ if found.fingerprint != fingerprint => Begun::OtherRequest,
            Some(answer) => Begun::Answered(answer),
            None => Begun::UnderWay,
        });
    }
    connection.prepare_cached(CLAIM)?.execute(params![
        claim.scope,
        claim.key,
        fingerprint,
        IdBytes(claim.holder),
        lease.until(1),
        lease.now.as_microsecond(),
    ])?;
    Ok(Begun::Claimed)
}

/// What there is under a key.
struct Found {
    fingerprint: Fingerprint,
    answer: Option<StoredAnswer>,
    claimed_until: i64,
}

impl Found {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let status: Option<u16> = row.get("status")?;
        let body: Option<Vec<u8>> = row.get("answer")?;
        let answer = status.zip(body);
        Ok(Self {
            fingerprint: row.get("fingerprint")?,
            answer: answer.map(|(status, body)| StoredAnswer { status, body: Bytes::from(body) }),
            claimed_until: row.get("claimed_until")?,
        })
    }
}
