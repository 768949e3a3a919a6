//! The task that looks at the replicas twice a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_metrics::Metrics;
use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::Lsn;
use super::history::History;
use super::recent::Noted;
use super::replica::{Position, Replica};
use crate::Options;
use crate::engine::{Call, Primary};

const EVERY: Duration = Duration::from_millis(500);
const CURRENT: &str = "SELECT (pg_current_wal_lsn() - '0/0')::bigint";

/// What looks at the replicas, and what it remembers.
pub(super) struct Probe {
    primary: Arc<Primary>,
    replicas: Vec<Arc<Replica>>,
    noted: Noted,
    metrics: Metrics,
    max_lag: Duration,
    history: History,
}

impl Probe {
    pub(super) fn new(
        primary: Arc<Primary>,
        replicas: Vec<Arc<Replica>>,
        noted: Noted,
        options: &Options,
    ) -> Self {
        let (metrics, max_lag) = (options.metrics.clone(), options.max_replica_lag);
        Self { primary, replicas, noted, metrics, max_lag, history: History::default() }
    }

    /// Looks until it is aborted.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    /// Asks the primary, the replicas, and the primary again. A replica that is fit is somewhere between the two answers,
    /// or behind. One that is ahead of the primary, or on another timeline, follows another one, as after a failover.
    async fn look(&mut self) {
        self.ask_primary().await;
        let found = join_all(self.replicas.iter().map(|replica| replica.look())).await;
        let primary = self.ask_primary().await;
        let now = Instant::now();
        let mut slowest: Option<Lsn> = None;
        for (replica, found) in self.replicas.iter().zip(found) {
            let replayed = found.ok().flatten();
            let age = replayed.and_then(|replayed| self.history.age(replayed, now));
            if let Some(age) = age {
                self.metrics.replica_lag(replica.index, age.as_secs_f64());
            }
            let follows_another = replayed.zip(primary).is_some_and(|(replayed, primary)| {
                replayed > primary || replayed.timeline != primary.timeline
            });
            let fresh_for = age.and_then(|age| self.max_lag.checked_sub(age));
            let until = fresh_for.map(|left| now + left).filter(|_| !follows_another);
            let position = replayed.zip(until).map(|(replayed, until)| Position { replayed, until });
            replica.set_position(position);
            slowest = [slowest, position.map(|position| position.replayed)].into_iter().flatten().min();
        }
        if let Some(slowest) = slowest {
            self.noted.passed(slowest);
        }
    }

    async fn ask_primary(&mut self) -> Option<Lsn> {
        let asked = Instant::now();
        let current = self.primary.run(Call::quick("replicas.primary_lsn"), |session| async move {
            Ok(Lsn::new(session.timeline(), session.query(CURRENT, &[]).await?.only()?))
        });
        let lsn = current.await.ok()??;
        self.history.note(asked, lsn);
        Some(lsn)
    }
}
