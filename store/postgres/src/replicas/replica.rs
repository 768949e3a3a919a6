//! One read replica.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ecs_breaker::Breaker;
use ecs_metrics::Metrics;
use ecs_store::StoreError;
use tokio::time::timeout;

use super::Lsn;
use crate::Options;
use crate::column::get;
use crate::engine::{Address, Expect, Fault, Pool, Session, Target};

/// Names of breakers are labels of metrics, which are fixed.
const NAMES: [&str; 8] = [
    "database-replica-0",
    "database-replica-1",
    "database-replica-2",
    "database-replica-3",
    "database-replica-4",
    "database-replica-5",
    "database-replica-6",
    "database-replica-7",
];
/// The timeline that it streams is shown to those who may read all statistics. To others that of its last restartpoint
/// is: after a failover it takes until the next one, some minutes, before such a replica is read again.
const STATE: &str = "SELECT pg_is_in_recovery() AS in_recovery,
        coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint())) AS timeline,
        (pg_last_wal_replay_lsn() - '0/0')::bigint AS replayed";

/// A server that follows the primary, as far as this process knows it.
pub(super) struct Replica {
    pub(super) index: usize,
    pool: Pool,
    breaker: Breaker,
    metrics: Metrics,
    patience: Duration,
    position: Mutex<Option<Position>>,
}

/// Where the last look found a replica that may be read.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) replayed: Lsn,
    /// From then on what was found is too old, unless another look finds more: a primary that is silent may hold it up.
    pub(super) until: Instant,
}

impl Replica {
    pub(super) fn new(index: usize, url: &str, options: &Options) -> Result<Self, StoreError> {
        let name = NAMES.get(index).copied();
        let name =
            name.ok_or_else(|| StoreError::Corrupt("there are more than 8 read replicas".to_owned()))?;
        let target = Target::new(Address::parse(url, options)?, Expect::Replica, options.clone());
        Ok(Self {
            index,
            pool: Pool::new(target, options.max_connections.div_ceil(2), options.replica_timeout)?,
            breaker: Breaker::new(name, options.breaker, &options.metrics),
            metrics: options.metrics.clone(),
            patience: options.replica_timeout,
            position: Mutex::new(None),
        })
    }

    /// Where the last look found it; `None` while it must not be read.
    pub(super) fn position(&self) -> Option<Lsn> {
        let known = *self.position.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|position| Instant::now() < position.until).map(|position| position.replayed)
    }

    /// Notes what a look came to.
    pub(super) fn set_position(&self, position: Option<Position>) {
        let mut known = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, position);
        match (before.is_some(), position.is_some()) {
            (false, true) => tracing::info!(replica = self.index, "the replica is read"),
            (true, false) => tracing::warn!(replica = self.index, "the replica is not read for now"),
            (true, true) | (false, false) => {}
        }
    }

    /// Reads what is there once everything before `required` is.
    pub(super) async fn read<T, F, Fut>(
        &self,
        required: Lsn,
        name: &'static str,
        work: &F,
    ) -> Result<T, Fault>
    where
        F: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let permit = self.breaker.admit().map_err(|_| Fault::Outage("the replica failed again and again"))?;
        let begun = Instant::now();
        let result = self.attempt(required, work).await;
        match &result {
            Err(fault) if fault.is_outage() => {
                permit.failed();
                self.pool.forget_idle();
            }
            Err(Fault::Busy) => drop(permit),
            Ok(_) | Err(_) => permit.succeeded(),
        }
        self.metrics.store_query(name, result.is_ok(), begun.elapsed());
        result
    }

    async fn attempt<T, F, Fut>(&self, required: Lsn, work: &F) -> Result<T, Fault>
    where
        F: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let read = async {
            let session = Arc::new(Session::on_replica(self.pool.get().await?, required, self.patience));
            let result = work(Arc::clone(&session)).await;
            if let Some(session) = Arc::into_inner(session) {
                session.settle(result.as_ref().err()).await;
            }
            result
        };
        timeout(self.patience, read).await.unwrap_or(Err(Fault::Outage("the replica didn't answer in time")))
    }

    /// How far it is, past the breaker: this is how it is found out that it is back. `None` when it follows nobody.
    pub(super) async fn look(&self) -> Result<Option<Lsn>, Fault> {
        self.attempt(Lsn::default(), &|session: Arc<Session>| async move {
            let state = session.query(STATE, &[]).await?;
            let row = state.first().ok_or(Fault::Outage("the replica left an answer out"))?;
            let (replayed, timeline): (Option<i64>, i32) = (get(row, "replayed")?, get(row, "timeline")?);
            let follows: bool = get(row, "in_recovery")?;
            let timeline = u32::try_from(timeline).unwrap_or(0);
            Ok(replayed.filter(|_| follows).and_then(|replayed| Lsn::new(timeline, replayed)))
        })
        .await
    }

    pub(super) async fn close(&self) {
        self.set_position(None);
        self.pool.close(self.patience).await;
    }
}
