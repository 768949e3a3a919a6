//! Days rebuilt from the log over the embedded bus and store: what of the log counts, what goes on meanwhile, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::payload::EmotionPayload;
use ecs_bus::{Event, Subject};
use ecs_domain::consent::{ConsentRule, Purpose};
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::{Clock as _, Day, Timestamp, UserId, utc_day};
use ecs_store::{
    Books as _, Consents as _, EmotionRules, Folded, Folds as _, LogReplayPlan, Replay, ReplayDays,
    ReplayPhase, Replays as _,
};
use ecs_work::replays::work_on_days;
use ecs_work::retention;
use ecs_work_testkit::platform::{Platform, emotion, malformed, transaction};
use rusqlite::Connection;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

/// A platform at noon, so that no midnight passes while a test runs.
fn open() -> Platform {
    let platform = Platform::open();
    let now = platform.clock.now();
    let into_day = now.as_second().rem_euclid(86_400).unsigned_abs();
    platform.clock.advance(Duration::from_secs((86_400 + 43_200 - into_day) % 86_400));
    platform
}

fn stress() -> StressThreshold {
    StressThreshold(Unit::new(0.7).unwrap())
}

fn plan(from: Day, to: Day) -> LogReplayPlan {
    LogReplayPlan { stress: stress(), days: ReplayDays { from, to } }
}

/// One slice after the other, each of them as short as can be.
async fn replay(platform: &Platform, from: Day, to: Day) -> Result<Replay, String> {
    loop {
        let (bus, store) = (platform.bus.as_ref(), platform.store.as_ref());
        let slice = work_on_days(bus, store, platform.clock.as_ref(), plan(from, to), Duration::ZERO).await;
        let replay = slice.map_err(|error| error.to_string())?;
        if replay.phase == ReplayPhase::Switched {
            return Ok(replay);
        }
    }
}

async fn replayed(platform: &Platform, day: Day) -> [u64; 4] {
    let done = replay(platform, day, day).await.unwrap();
    [done.confirmed, done.healed, done.kept, done.carried_over]
}

async fn fold(platform: &Platform, events: &[Event]) -> Vec<Folded> {
    let now = platform.clock.now();
    let rules = EmotionRules {
        consent: ConsentRule::Assumed,
        stress: stress(),
        raw_floor: retention::raw_floor(now, 30),
    };
    let emotions: Vec<_> = events.iter().map(|event| EmotionPayload::decode(event).unwrap()).collect();
    platform.store.fold_emotions(&emotions, rules, now).await.unwrap()
}

/// Publishes the events and folds them, as the worker does.
async fn send(platform: &Platform, events: Vec<Event>) {
    fold(platform, &events).await;
    platform.publish(events).await;
}

fn tamper(platform: &Platform, sql: &str) {
    let connection = Connection::open(platform.folder.path().join("store.db")).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "nothing to tamper with: {sql}");
}

fn events(user: UserId, names: std::ops::Range<u32>, at: Timestamp) -> Vec<Event> {
    names.map(|name| emotion(user, &name.to_string(), at)).collect()
}

async fn is_right(platform: &Platform) -> bool {
    let floor = retention::raw_floor(platform.clock.now(), 20);
    platform.store.summary_mismatches(floor, 10).await.unwrap().is_empty()
}

#[tokio::test]
async fn a_row_becomes_what_the_counted_events_of_the_log_add_up_to() {
    let platform = open();
    let (ana, bia, now) = (platform.user().await, platform.user().await, platform.clock.now());
    let today = utc_day(now);
    // More than a page, twice, among what is of another day, another subject, and nobody's.
    let many = events(ana, 0..6_000, now);
    send(&platform, events(ana, 0..10, now - DAY)).await;
    for chunk in many.chunks(3_000) {
        send(&platform, chunk.to_vec()).await;
        platform.publish(chunk.to_vec()).await;
    }
    send(&platform, vec![emotion(UserId::new(Uuid::new_v4()), "stranger", now)]).await;
    platform.publish(vec![malformed(emotion(bia, "bad", now)), transaction(bia, "t", now)]).await;
    platform.publish(events(bia, 0..3, now)).await;
    platform.store.set_consent(bia, Purpose::EmotionAnalysis, false.into(), now).await.unwrap();
    assert_eq!(fold(&platform, &events(bia, 0..3, now)).await, [Folded::Discarded; 3]);
    assert_eq!(replayed(&platform, today).await, [1, 0, 0, 0]);

    tamper(&platform, "UPDATE emotional_events_summary SET event_count = event_count - 1, stress_sum = 0");
    assert!(!is_right(&platform).await);
    assert_eq!(replayed(&platform, today).await, [0, 1, 0, 0]);
    assert!(!is_right(&platform).await, "yesterday is as it was");
    tamper(&platform, "DELETE FROM emotional_events_summary WHERE event_count > 10");
    assert_eq!(replayed(&platform, today).await, [0, 1, 0, 0]);
    let rows = platform.store.summary_mismatches(today, 10).await.unwrap();
    assert_eq!(rows, [], "what was gone is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folds_go_on_at_full_load() {
    let platform = Arc::new(open());
    let users = [platform.user().await, platform.user().await, platform.user().await];
    let now = platform.clock.now();
    let today = utc_day(now);
    for user in users {
        send(&platform, events(user, 0..2_000, now)).await;
    }
    tamper(&platform, "UPDATE emotional_events_summary SET positivity_sum = positivity_sum + 7");
    let sender = Arc::clone(&platform);
    let load = tokio::spawn(async move {
        for round in 0..100 {
            let first = 10_000 + round * 20;
            for user in users {
                send(&sender, events(user, first..first + 20, now)).await;
            }
        }
    });
    let mut rounds = 0;
    while !load.is_finished() || rounds < 3 {
        let [confirmed, healed, kept, carried_over] = replayed(&platform, today).await;
        assert_eq!((confirmed + healed, kept, carried_over), (3, 0, 0), "round {rounds}");
        assert_eq!(healed, if rounds == 0 { 3 } else { 0 }, "round {rounds}");
        rounds += 1;
    }
    load.await.unwrap();
    assert!(is_right(&platform).await);
    assert_eq!(
        platform.store.ledger_totals(ecs_store::Ledger::Emotions).await.unwrap().in_aggregates,
        12_000
    );
}

#[tokio::test]
async fn a_day_that_began_before_the_log_is_refused_by_name() {
    let platform = open();
    let user = platform.user().await;
    let today = utc_day(platform.clock.now());
    let yesterday = today.yesterday().unwrap();
    let refused = async |from, to| replay(&platform, from, to).await.unwrap_err();
    assert_eq!(refused(today, today).await, format!("the day {today} can't be rebuilt: the log is empty"));
    send(&platform, events(user, 0..3, platform.clock.now() - 3 * DAY)).await;
    let expect = format!(
        "the day {yesterday} began before the log does: the first day that can be rebuilt from it is {today}"
    );
    assert_eq!(refused(yesterday, today).await, expect);
    assert_eq!(refused(today, yesterday).await, format!("there are no days from {today} to {yesterday}"));
    assert_eq!(platform.store.last_replay().await.unwrap(), None, "nothing was begun");

    // The log forgets: the day of which it forgot a part is refused from then on.
    platform.clock.advance(2 * DAY);
    let later = platform.clock.now();
    send(&platform, events(user, 10..13, later)).await;
    assert_eq!(replayed(&platform, utc_day(later)).await, [1, 0, 0, 0]);
    platform.clock.advance(Duration::from_secs(1));
    retention::sweep_bus(platform.bus.as_ref(), Subject::Emotions, platform.clock.now()).await.unwrap();
    let day = utc_day(later);
    let expect =
        format!("the day {day} began before the log does: the first day that can be rebuilt from it is");
    assert!(refused(day, day).await.starts_with(&expect));
}

#[tokio::test]
async fn a_log_that_forgets_while_it_is_read_ends_the_replay() {
    let platform = open();
    let user = platform.user().await;
    let now = platform.clock.now();
    for first in [0, 4_000, 8_000] {
        send(&platform, events(user, first..first + 4_000, now)).await;
    }
    let today = utc_day(now);
    let slice = work_on_days(
        platform.bus.as_ref(),
        platform.store.as_ref(),
        platform.clock.as_ref(),
        plan(today, today),
        Duration::ZERO,
    );
    assert_eq!(slice.await.unwrap().phase, ReplayPhase::Building);
    platform.clock.advance(DAY);
    retention::sweep_bus(platform.bus.as_ref(), Subject::Emotions, platform.clock.now()).await.unwrap();
    let refused = replay(&platform, today, today).await.unwrap_err();
    assert!(refused.contains(&format!("the day {today} began before the log does")), "{refused}");
    assert!(is_right(&platform).await);
}
