//! Replays of some days from the bus's log, worked on for a while at a time, like those from raw rows.
//!
//! The log is read once, page by page, from its beginning to where it ends: an event of a day may have been published long after it.
//! How far it was read stands in the store beside what was taken in, so memory holds one page, and any process goes on.

use std::time::{Duration, Instant};

use ecs_bus::payload::EmotionPayload;
use ecs_bus::{Bus, BusError, Frontier, LogPage, LogRecord, Position, Subject};
use ecs_domain::emotion::EmotionEvent;
use ecs_domain::{Clock, Day, Timestamp, utc_day};
use ecs_store::{LogReplayPlan, LoggedEvents, Replay, ReplayDays, ReplayPhase, Replays, StoreError};
use jiff::tz::TimeZone;

use crate::replays::rebuild;

/// How many events of the log are read at once.
const PAGE: usize = 5_000;
/// How many users' days a piece has. Each of their events is looked up, and an embedded store folds nothing meanwhile.
const PIECE: usize = 1_000;

/// Why days can't be rebuilt from the log, or not now.
#[derive(Debug, thiserror::Error)]
pub enum LogReplayError {
    /// The log doesn't go back that far.
    #[error("the day {day} began before the log does: the first day that can be rebuilt from it is {first}")]
    BeforeLog {
        /// The first day that was asked for.
        day: Day,
        /// The first one that the log has from its beginning.
        first: Day,
    },
    /// There is nothing in the log.
    #[error("the day {0} can't be rebuilt: the log is empty")]
    EmptyLog(Day),
    /// The last day lies before the first.
    #[error("there are no days from {from} to {to}", from = .0.from, to = .0.to)]
    NoDays(ReplayDays),
    /// The bus can't be read, or keeps no log.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The store can't be reached. Nothing that was done is lost.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a replay of days from the log, or goes on with the one under way, until it has switched or the time is over. At least one page
/// is taken in, or one piece rebuilt.
///
/// # Errors
/// See [`LogReplayError`]. The log may also forget the first of the days before it is read to its end.
pub async fn work_on_days(
    bus: &dyn Bus,
    store: &dyn Replays,
    clock: &dyn Clock,
    plan: LogReplayPlan,
    time: Duration,
) -> Result<Replay, LogReplayError> {
    let end = Instant::now() + time;
    if plan.days.to < plan.days.from {
        return Err(LogReplayError::NoDays(plan.days));
    }
    if needs_log(store, plan).await? {
        let oldest = bus.log(Subject::Emotions, &Frontier::default(), 1).await?;
        check(plan.days.from, &oldest)?;
    }
    let mut replay = store.begin_log_replay(plan, clock.now()).await?;
    while replay.phase == ReplayPhase::Building {
        let Some(cursor) = store.log_cursor().await? else {
            return Ok(rebuild(store, clock, replay, PIECE, end).await?);
        };
        let page = read(bus, cursor, plan.days).await?;
        replay = store.take_in(page).await?.unwrap_or(replay);
        if Instant::now() >= end {
            return Ok(replay);
        }
    }
    Ok(rebuild(store, clock, replay, PIECE, end).await?)
}

/// Whether the replay is to be begun, or more of the log is to be read for it.
async fn needs_log(store: &dyn Replays, plan: LogReplayPlan) -> Result<bool, StoreError> {
    let last = store.last_replay().await?;
    let goes_on =
        last.is_some_and(|last| last.days == Some(plan.days) && last.phase != ReplayPhase::Switched);
    Ok(!goes_on || store.log_cursor().await?.is_some())
}

async fn read(bus: &dyn Bus, after: String, days: ReplayDays) -> Result<LoggedEvents, LogReplayError> {
    let mut frontier = frontier(&after).ok_or_else(|| {
        StoreError::Corrupt(format!("the log was read up to {after:?}, which is no place in it"))
    })?;
    let page = bus.log(Subject::Emotions, &frontier, PAGE).await?;
    // What was forgotten while the log was read may be missing from what was taken in.
    let forgotten = page.pruned_at.map(first_whole_day);
    if let Some(first) = forgotten.filter(|first| days.from < *first) {
        return Err(LogReplayError::BeforeLog { day: days.from, first });
    }
    frontier.extend(page.records.iter().map(|record| record.position));
    let is_last = page.records.len() < PAGE;
    let events = page.records.iter().filter_map(|record| emotion(record, days)).collect();
    Ok(LoggedEvents { after, through: cursor(&frontier), is_last, events })
}

/// An event of these days. What can't be understood was never counted.
fn emotion(record: &LogRecord, days: ReplayDays) -> Option<EmotionEvent> {
    let emotion = EmotionPayload::decode(&record.event).ok()?;
    let day = utc_day(emotion.occurred_at);
    (days.from <= day && day <= days.to).then_some(emotion)
}

/// Refuses a day that began before the log does. A log that never forgot anything has the whole of the day on which its first event was
/// published: the store knows of no older one, or adds it by its raw row.
fn check(day: Day, page: &LogPage) -> Result<(), LogReplayError> {
    let first = match (page.pruned_at, page.records.iter().map(|record| record.published_at).min()) {
        (Some(at), _) => first_whole_day(at),
        (None, Some(first)) => utc_day(first),
        (None, None) => return Err(LogReplayError::EmptyLog(day)),
    };
    if day < first { Err(LogReplayError::BeforeLog { day, first }) } else { Ok(()) }
}

/// The first day that begins at or after this moment.
fn first_whole_day(at: Timestamp) -> Day {
    let day = utc_day(at);
    let begins = day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp());
    if begins.is_ok_and(|begins| begins == at) { day } else { day.tomorrow().unwrap_or(Day::MAX) }
}

/// A frontier in words, for the store: `0:17,3:25`. Nowhere is nothing.
fn cursor(frontier: &Frontier) -> String {
    let words = frontier.positions().map(|Position { shard, offset }| format!("{shard}:{offset}"));
    words.collect::<Vec<_>>().join(",")
}

fn frontier(cursor: &str) -> Option<Frontier> {
    let position = |word: &str| {
        let (shard, offset) = word.split_once(':')?;
        Some(Position { shard: shard.parse().ok()?, offset: offset.parse().ok()? })
    };
    cursor.split(',').filter(|word| !word.is_empty()).map(position).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontier_is_kept_in_words() {
        let at = |shard, offset| Position { shard, offset };
        for kept in [Frontier::default(), [at(0, 17), at(3, 0)].into_iter().collect()] {
            assert_eq!(frontier(&cursor(&kept)), Some(kept));
        }
        assert_eq!(cursor(&[at(3, 25), at(0, 17)].into_iter().collect()), "0:17,3:25");
        assert_eq!(frontier("elsewhere"), None);
    }

    #[test]
    fn a_day_begins_at_midnight() {
        let check = |at: &str, expect: &str| {
            assert_eq!(first_whole_day(at.parse().unwrap()), expect.parse::<Day>().unwrap(), "{at}");
        };
        check("2026-11-20T00:00:00Z", "2026-11-20");
        check("2026-11-20T00:00:00.000001Z", "2026-11-21");
        check("2026-11-20T23:59:59Z", "2026-11-21");
    }
}
