//! Answers kept for requests with a key.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::Timestamp;
use ecs_store::{Begun, Claim, Fingerprint, Idempotency, KeptAnswer, StoreError, StoredAnswer};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::column::{get, micros};
use crate::engine::{Answer, Call, Fault, Flight, Session, Step};

pub(crate) const FIND: &str = "SELECT fingerprint, status, answer FROM idempotency_keys
     WHERE scope = $1 AND key = $2";
/// Takes a key that is new, or whose claim ran out, or lasts longer than any that was made by a clock like this one. The row is
/// locked before it is looked at, so of many only one gets it.
const CLAIM: &str =
    "INSERT INTO idempotency_keys AS known (scope, key, fingerprint, holder, created_at, claimed_until)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, holder = excluded.holder,
        created_at = excluded.created_at, claimed_until = excluded.claimed_until
     WHERE known.status IS NULL AND (known.claimed_until <= $5 OR known.claimed_until > $7)
     RETURNING holder";
/// The key's row, while it is the holder's, locked so that it stays so until the transaction ends.
pub(crate) const LOCK: &str = "SELECT holder FROM idempotency_keys
     WHERE scope = $1 AND key = $2 AND holder = $3 AND status IS NULL FOR UPDATE";
pub(crate) const KEEP: &str =
    "UPDATE idempotency_keys SET status = $4, answer = $5, claimed_until = '-infinity'
     WHERE scope = $1 AND key = $2 AND holder = $3 AND status IS NULL";
pub(crate) const RELEASE: &str = "DELETE FROM idempotency_keys
     WHERE scope = $1 AND key = $2 AND holder = $3 AND status IS NULL";
/// Several processes may clean up at once: each takes what no other has in hand.
pub(crate) const DROP_OLD: &str = "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";

#[async_trait]
impl Idempotency for PostgresStore {
    async fn begin_request(
        &self,
        claim: &Claim,
        fingerprint: Fingerprint,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Begun, StoreError> {
        let ends = |leases: u32| now.saturating_add(lease.saturating_mul(leases)).unwrap_or(Timestamp::MAX);
        let (until, future, now) = (&micros(ends(1)), &micros(ends(2)), &micros(now));
        let print = &&fingerprint[..];
        self.primary
            .run(Call::quick("idempotency.begin"), |session| async move {
                let mut flight = session.flight();
                let Claim { scope, key, holder } = claim;
                let taken = flight.add(CLAIM, &[scope, key, print, holder, now, until, future]);
                let found = flight.add(FIND, &[scope, key]);
                let mut answers = flight.send().await?;
                if !answers.take(taken).rows.is_empty() {
                    return Ok(Begun::Claimed);
                }
                // A key that was there a moment ago and is gone was released in between: it can be had.
                let found = answers.take(found);
                Ok(Found::read(found.first().ok_or(Fault::Conflict)?)?.met_by(fingerprint))
            })
            .await
    }

    async fn finish_request(&self, kept: KeptAnswer) -> Result<(), StoreError> {
        let held = &Held::new(&kept);
        self.primary
            .run(Call::quick("idempotency.finish"), |session| async move {
                let mut flight = session.flight();
                let keep = held.keep(&mut flight);
                match flight.send().await?.take(keep).changed {
                    0 => Err(StoreError::ClaimLost.into()),
                    _ => Ok(()),
                }
            })
            .await
    }

    async fn release_request(&self, claim: &Claim) -> Result<(), StoreError> {
        let Claim { scope, key, holder } = claim;
        self.primary
            .run(Call::quick("idempotency.release"), |session| async move {
                session.query(RELEASE, &[scope, key, holder]).await?;
                Ok(())
            })
            .await
    }
}

/// A claim and the answer to be kept under it, within the transaction of the write that the answer tells of.
pub(crate) struct Held<'a> {
    claim: &'a Claim,
    status: i32,
    body: &'a [u8],
}

impl<'a> Held<'a> {
    pub(crate) fn new(kept: &'a KeptAnswer) -> Self {
        Self { claim: &kept.claim, status: i32::from(kept.answer.status), body: &kept.answer.body }
    }

    /// Locks the claim. What comes of it is for [`require`].
    pub(crate) fn lock<'f>(&'f self, flight: &mut Flight<'f>) -> Step {
        flight.add(LOCK, &[&self.claim.scope, &self.claim.key, &self.claim.holder])
    }

    /// Keeps the answer.
    pub(crate) fn keep<'f>(&'f self, flight: &mut Flight<'f>) -> Step {
        let Claim { scope, key, holder } = self.claim;
        flight.add(KEEP, &[scope, key, holder, &self.status, &self.body])
    }
}

/// Fails unless the claim is still held.
pub(crate) fn require(locked: &Answer) -> Result<(), StoreError> {
    if locked.rows.is_empty() { Err(StoreError::ClaimLost) } else { Ok(()) }
}

/// Drops up to `most` keys that are older than `since`. Returns how many went.
pub(crate) async fn drop_old(session: &Session, since: Timestamp, most: i64) -> Result<u64, Fault> {
    Ok(session.query(DROP_OLD, &[&since, &most]).await?.changed)
}

/// What there is under a key.
struct Found {
    fingerprint: Vec<u8>,
    answer: Option<StoredAnswer>,
}

impl Found {
    fn read(row: &Row) -> Result<Self, Fault> {
        let status: Option<i32> = get(row, "status")?;
        let body: Option<Vec<u8>> = get(row, "answer")?;
        let out_of_range = |_| StoreError::Corrupt("the column status is out of range".to_owned());
        let status = status.map(u16::try_from).transpose().map_err(out_of_range)?;
        let answer = status.zip(body).map(|(status, body)| StoredAnswer { status, body: Bytes::from(body) });
        Ok(Self { fingerprint: get(row, "fingerprint")?, answer })
    }

    fn met_by(self, fingerprint: Fingerprint) -> Begun {
        match self.answer {
            _ if self.fingerprint != fingerprint => Begun::OtherRequest,
            Some(answer) => Begun::Answered(answer),
            None => Begun::UnderWay,
        }
    }
}
