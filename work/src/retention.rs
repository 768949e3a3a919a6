//! What is kept for how long, and the periodic work that forgets the rest.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, BusError, Subject};
use ecs_domain::{Clock, Day, Timestamp, utc_day};
use ecs_store::{Maintenance, Retained, Retention, StoreError};
use jiff::{SignedDuration, Span};

use crate::{OnFailure, OnStop, Supervisor, periodic};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the bus keeps emotion events, unless configured otherwise.
pub const EMOTIONS_ON_BUS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the bus keeps events of the other subjects, unless configured otherwise.
pub const OTHERS_ON_BUS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many days of raw emotion rows the store keeps, unless configured otherwise.
pub const RAW_DAYS: u16 = 30;
/// How long the answer to a request with an `Idempotency-Key` is kept.
pub const ANSWERS: Duration = DAY;
/// How often what is past its time is looked for.
pub const SWEEP: Duration = Duration::from_secs(60 * 60);

/// The first day whose raw emotion rows are kept.
#[must_use]
pub fn raw_floor(now: Timestamp, raw_days: u16) -> Day {
    utc_day(now).saturating_sub(Span::new().days(i64::from(raw_days)))
}

/// `now` less a duration, or the beginning of time.
#[must_use]
pub fn before(now: Timestamp, age: Duration) -> Timestamp {
    let Ok(age) = SignedDuration::try_from(age) else { return Timestamp::MIN };
    now.checked_sub(age).unwrap_or(Timestamp::MIN)
}

/// What a sweep makes of events that are past their retention while their group has not settled them yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsettled {
    /// They stay.
    Spare,
    /// They go, with a word in the log: payloads are kept for a bounded time, come what may.
    Forget,
}

/// Tells the first sweep of a process from the later ones. A process that was stopped for longer than the bus keeps
/// events finds them past their retention when it starts, but they got their 202: until the second sweep its workers
/// have the time to catch up.
#[derive(Debug, Default)]
pub struct Sweeps {
    began: bool,
}

impl Sweeps {
    /// What the next sweep does.
    pub fn begin(&mut self) -> Unsettled {
        if std::mem::replace(&mut self.began, true) { Unsettled::Forget } else { Unsettled::Spare }
    }
}

/// The time of publication from which on the bus keeps events of `subject`.
pub async fn bus_floor(
    bus: &dyn Bus,
    subject: Subject,
    unsettled: Unsettled,
    now: Timestamp,
    keep: Duration,
) -> Result<Timestamp, BusError> {
    let floor = before(now, keep);
    let backlog = bus.backlog(subject, subject.group()).await?;
    let Some(oldest) = backlog.oldest.filter(|oldest| *oldest < floor) else { return Ok(floor) };
    match unsettled {
        Unsettled::Spare => {
            tracing::warn!(%subject, pending = backlog.pending, %oldest, "events past their retention are still to be worked on");
            Ok(oldest)
        }
        Unsettled::Forget => {
            tracing::error!(%subject, pending = backlog.pending, %oldest, "events go past their retention that were never worked on");
            Ok(floor)
        }
    }
}

/// What the store keeps: of emotion events, and of requests that may be repeated. Ids outlive the bus's copy of their
/// events, which stay from `bus_floor` on, by a day, so that even the last possible redelivery finds the id of its
/// first delivery.
#[must_use]
pub fn of_emotions(now: Timestamp, raw_days: u16, bus_floor: Timestamp) -> Retention {
    Retention {
        raw_floor: raw_floor(now, raw_days),
        ids_since: before(bus_floor, DAY),
        answers_since: before(now, ANSWERS),
        now,
    }
}

/// Drops from the store what is past its retention, piece by piece.
pub async fn sweep_store(store: &dyn Maintenance, retention: Retention) -> Result<(), StoreError> {
    loop {
        let dropped = store.retain(retention).await?;
        let Retained { raw_rows, ids, answers, sessions, changes, .. } = dropped;
        if raw_rows + ids + answers + sessions + changes > 0 {
            tracing::info!(raw_rows, ids, answers, sessions, changes, "rows past their retention went");
        }
        if !dropped.more {
            return Ok(());
        }
    }
}

/// Drops from the bus what is past its retention, piece by piece.
pub async fn sweep_bus(bus: &dyn Bus, subject: Subject, before: Timestamp) -> Result<(), BusError> {
    loop {
        match bus.prune(subject, before).await? {
            0 => return Ok(()),
            events => tracing::info!(%subject, events, "events past their retention went"),
        }
    }
}

/// Starts the periodic sweep of one subject of the bus. Each subject is swept by the role that works on it.
pub fn start_bus_sweep(
    supervisor: &Supervisor,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    subject: Subject,
    keep: Duration,
) {
    let token = supervisor.token();
    let name = format!("{}/upkeep", subject.group());
    supervisor.spawn(name, OnFailure::Log, OnStop::Abort, async move {
        let mut sweeps = Sweeps::default();
        let sweep = || {
            let unsettled = sweeps.begin();
            let (bus, now) = (bus.as_ref(), clock.now());
            async move {
                let floor = bus_floor(bus, subject, unsettled, now, keep).await?;
                sweep_bus(bus, subject, floor).await
            }
        };
        periodic("bus upkeep", SWEEP, token, sweep).await;
        Ok::<(), Infallible>(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outlive_the_bus_by_a_day() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let retention = of_emotions(now, 30, before(now, EMOTIONS_ON_BUS));
        assert_eq!(retention.raw_floor, jiff::civil::date(2026, 10, 22));
        assert_eq!(retention.ids_since, "2026-11-13T10:00:00Z".parse().unwrap());
    }

    #[test]
    fn an_absurd_retention_keeps_everything() {
        assert_eq!(before(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MIN);
    }
}
