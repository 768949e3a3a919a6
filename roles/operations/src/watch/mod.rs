//! The watch over decisions: counts what is sealed, compares the last days with those before them, and tells when that changes.
//!
//! Every process with the role counts, a batch of the decision log at a time; the store lets one of them have each. What is compared is
//! the same for all, and a standing changes once, so any number of processes make one alert.

mod count;
mod drift;
mod fairness;
mod hear;
mod tell;
mod view;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ecs_domain::clock::{days_before, midnight};
use ecs_domain::{Day, Timestamp, utc_day};
use ecs_store::StoreError;
use ecs_store::watch::Days;
use ecs_work::{OnFailure, OnStop, Supervisor, periodic};
use tokio::sync::Mutex;

use self::fairness::Fairness;
use crate::Deps;

pub(crate) use self::view::{drift, fairness};
// Documentation stands beside the handlers, and the router looks for it here.
pub(crate) use self::view::{__path_drift, __path_fairness};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(60);

/// Which days are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSpans {
    /// How many days are looked at, today the last of them.
    pub window_days: u16,
    /// With how many days before them they are compared.
    pub reference_days: u16,
}

impl WatchSpans {
    /// A week, and the four before it.
    pub const DEFAULT: Self = Self { window_days: 7, reference_days: 28 };

    fn window(self, now: Timestamp) -> Days {
        let until = utc_day(now).tomorrow().unwrap_or(Day::MAX);
        Days { from: days_before(until, self.window_days), until }
    }

    fn reference(self, now: Timestamp) -> Days {
        let until = self.window(now).from;
        Days { from: days_before(until, self.reference_days), until }
    }

    /// The same days of which groups are compared, without today: it isn't over, and what is told of groups changes once a day.
    fn whole_days(self, now: Timestamp) -> Days {
        Days { from: self.reference(now).from, until: utc_day(now) }
    }
}

/// What looks.
#[derive(Clone)]
pub(crate) struct Watcher {
    deps: Deps,
    /// How groups were approved, as it was told last: people are read for it once a day.
    fairness: Arc<Mutex<Option<Arc<Fairness>>>>,
    shown: Arc<std::sync::Mutex<Shown>>,
}

/// The series of drift that have a value.
type Shown = BTreeSet<(&'static str, &'static str)>;

/// Starts to look again and again, and to hear what is told.
pub(crate) fn start(watcher: &Watcher, supervisor: &Supervisor) {
    let (looking, token) = (watcher.clone(), supervisor.token());
    supervisor.spawn("operations/watch", OnFailure::Log, OnStop::Abort, async move {
        periodic("operations/watch", EVERY, token, || looking.look()).await;
        Ok::<(), Infallible>(())
    });
    hear::start(&watcher.deps, supervisor);
}

impl Watcher {
    pub(crate) fn new(deps: Deps) -> Self {
        Self { deps, fairness: Arc::default(), shown: Arc::default() }
    }

    /// Counts what is new, compares, and tells what has changed.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        let Deps { store, metrics, watch, clock, .. } = &self.deps;
        let now = clock.now();
        count::count(store.as_ref(), metrics).await?;
        store.forget_watched(watch.reference(now).from).await?;
        let drifts = drift::compare(store.as_ref(), *watch, now).await?;
        let fairness = self.fairness(now).await?;
        let kept = store.standings().await?;
        let changed = [tell::of_drift(&drifts, &kept), tell::of_fairness(&fairness, &kept)].concat();
        tell::tell(&self.deps, changed, now).await?;
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = tell::show(metrics, &drifts, &fairness, &shown);
        Ok(())
    }

    /// How groups were approved on the days that are over. Who asks first on a day waits for it.
    pub(crate) async fn fairness(&self, now: Timestamp) -> Result<Arc<Fairness>, StoreError> {
        let days = self.deps.watch.whole_days(now);
        let mut known = self.fairness.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.days == days) {
            return Ok(Arc::clone(known));
        }
        let (from, until) = (midnight(days.from), midnight(days.until));
        let counted = fairness::count(self.deps.store.as_ref(), from, until).await?;
        let counted = Arc::new(Fairness::of(days, &counted));
        *known = Some(Arc::clone(&counted));
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other() {
        let now = "2026-11-20T23:59:59Z".parse().unwrap();
        let days =
            |from: &str, until: &str| Days { from: from.parse().unwrap(), until: until.parse().unwrap() };
        let spans = WatchSpans::DEFAULT;
        assert_eq!(spans.window(now), days("2026-11-14", "2026-11-21"));
        assert_eq!(spans.reference(now), days("2026-10-17", "2026-11-14"));
        assert_eq!(spans.whole_days(now), days("2026-10-17", "2026-11-20"));
        let one = WatchSpans { window_days: 1, reference_days: 1 };
        assert_eq!(one.window(now), days("2026-11-20", "2026-11-21"));
        assert_eq!(one.reference(now), days("2026-11-19", "2026-11-20"));
    }
}
