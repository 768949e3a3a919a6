//! Read replicas: which one may be asked, and what a user must find there.
//!
//! A replica is read only while all of this holds: its breaker is closed; the last look at it, every half second, found a
//! standby that is not further behind than `max_replica_lag`; and it says, in the same round trip as the read and before
//! it, that it has replayed the log up to this user's last write. Otherwise the primary is asked.

mod history;
mod lsn;
mod probe;
mod recent;
mod replica;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ecs_domain::UserId;
use ecs_store::StoreError;
use tokio::task::JoinHandle;

use crate::Options;
use crate::engine::{Fault, Primary, Session};
use replica::Replica;

pub use lsn::Lsn;
pub(crate) use recent::Noted;
pub use recent::{RecentWrites, RecentWritesError};

/// The replicas of a store, and the task that looks at them.
pub(crate) struct Replicas {
    all: Vec<Arc<Replica>>,
    noted: Noted,
    turn: AtomicUsize,
    probe: JoinHandle<()>,
}

/// Why a read is not answered by a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    /// None has what this user wrote.
    Behind,
    /// None is fit, or the one that was asked failed.
    Broken,
}

impl Replicas {
    /// Gets ready to read from the replicas at `options.read_urls`. None of them need be there yet.
    pub(crate) fn start(primary: &Arc<Primary>, noted: Noted, options: &Options) -> Result<Self, StoreError> {
        let each = options.read_urls.iter().enumerate();
        let all = each.map(|(index, url)| Replica::new(index, url, options).map(Arc::new));
        let all: Vec<_> = all.collect::<Result<_, _>>()?;
        let probe = probe::Probe::new(Arc::clone(primary), all.clone(), noted.clone(), options);
        Ok(Self { all, noted, turn: AtomicUsize::new(0), probe: tokio::spawn(probe.run()) })
    }

    /// Does a piece of work that only reads on a replica that has everything this user wrote.
    pub(crate) async fn read<T, F, Fut>(
        &self,
        user: UserId,
        name: &'static str,
        work: &F,
    ) -> Result<T, Instead>
    where
        F: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let required = self.noted.required(user).await.ok_or(Instead::Broken)?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let usable = self.all.iter().cycle().skip(turn % self.all.len().max(1)).take(self.all.len());
        let mut why = Instead::Broken;
        for replica in usable {
            match replica.position() {
                None => {}
                // Since a failover it has nothing of what was written on the new timeline, whatever it says.
                Some(position) if position.timeline < required.timeline => why = Instead::Behind,
                // The last look is up to half a second old; a replica that is only a little behind is asked itself.
                Some(_) => match replica.read(required, name, work).await {
                    Ok(read) => return Ok(read),
                    Err(Fault::Behind) => why = Instead::Behind,
                    // A second one may be as slow: from here on the primary is the quickest.
                    Err(_) => return Err(Instead::Broken),
                },
            }
        }
        Err(why)
    }

    /// Stops looking, and closes the connections.
    pub(crate) async fn close(&self) {
        self.probe.abort();
        for replica in &self.all {
            replica.close().await;
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.probe.abort();
    }
}
