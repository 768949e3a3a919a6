//! The role over the embedded bus and store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::time::Duration;

use ecs_bus::{Bus as _, Delivery, Event, Frontier, Outcome, Subject, Tag};
use ecs_domain::consent::{ConsentRule, Purpose};
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::{Clock as _, Timestamp, UserId, utc_day};
use ecs_emotion_processing::{Deps, EmotionProcessing, Rules};
use ecs_store::{Books as _, Consents as _, EventKey, Fate, Ledger, LedgerTotals, Maintenance as _};
use ecs_work::books::balance;
use ecs_work::{Failure, Supervisor, retention};
use ecs_work_testkit::platform::{DEADLINE, Platform, emotion, malformed, until};
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn role(platform: &Platform) -> EmotionProcessing {
    EmotionProcessing::create(Deps {
        bus: platform.bus.clone(),
        store: platform.store.clone(),
        clock: platform.clock.clone(),
        rules: Rules { consent: ConsentRule::Assumed, stress: StressThreshold(Unit::new(0.7).unwrap()) },
        raw_retention_days: retention::RAW_DAYS,
        bus_retention: retention::EMOTIONS_ON_BUS,
        delivery_limit: 10,
        metrics: ecs_metrics::Metrics::new(),
    })
}

fn delivery(event: Event) -> Delivery {
    Delivery { tag: Tag(1), event, attempt: 1, history: Vec::new(), published_at: Timestamp::now() }
}

async fn totals(platform: &Platform) -> LedgerTotals {
    platform.store.ledger_totals(Ledger::Emotions).await.unwrap()
}

/// Design: known faults, 2.
#[tokio::test(flavor = "multi_thread")]
async fn redelivery_does_not_double_count_the_daily_summary() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    let handler = role(&platform).handler();
    let batch: Vec<Delivery> = (0..10).map(|n| delivery(emotion(user, &format!("{n}"), now))).collect();
    let mut shuffled = batch.clone();
    shuffled.reverse();
    for batch in [&batch[..5], &batch, &shuffled, &batch[3..]] {
        let outcomes = handler.handle(batch).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Ack), "{outcomes:?}");
    }
    assert_eq!(totals(&platform).await.in_aggregates, 10);
    assert!(platform.store.summary_mismatches(utc_day(now), 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_can_count_become_dead_letters_and_their_batch_mates_count() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    let stranger = emotion(UserId::new(Uuid::new_v4()), "1", now);
    let broken = malformed(emotion(user, "1", now));
    let mut newer = emotion(user, "newer", now);
    newer.headers.schema_version = 2;
    let expected = [
        (stranger.id, DeadLetterKind::UnknownUser, "no account has this user id; replay"),
        (broken.id, DeadLetterKind::Undecodable, "its payload is malformed: the JSON breaks off (line 1"),
        (newer.id, DeadLetterKind::Undecodable, "its payload has schema version 2, which this version"),
    ];
    platform.publish(vec![emotion(user, "1", now), stranger, broken, newer, emotion(user, "2", now)]).await;
    role(&platform).start(&platform.supervisor);
    platform.settled(Subject::Emotions).await;

    let letters = platform.letters().await;
    for (id, kind, reason) in &expected {
        let letter = letters.iter().find(|letter| letter.id == *id).unwrap();
        assert_eq!(letter.kind, *kind);
        assert!(letter.reason.starts_with(reason), "{}", letter.reason);
    }
    assert_eq!(letters.len(), expected.len());
    assert_eq!(totals(&platform).await.in_aggregates, 2);
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_consent_nothing_but_the_id_is_kept() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    platform.store.set_consent(user, Purpose::EmotionAnalysis, false.into(), now).await.unwrap();
    let event = emotion(user, "1", now);
    let key = EventKey { day: utc_day(now), user, id: event.id };
    let outcomes = role(&platform).handler().handle(&[delivery(event)]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Ack]);
    assert_eq!(platform.store.fates(Ledger::Emotions, &[key]).await.unwrap(), [Fate::Discarded]);
    assert_eq!(totals(&platform).await.in_aggregates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_an_outage_and_no_fault_of_the_events() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    platform.store.close().await.unwrap();
    let result = role(&platform).handler().handle(&[delivery(emotion(user, "1", now))]).await;
    assert!(matches!(result, Err(Failure::Outage(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_retention_is_forgotten_and_the_aggregates_stay() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    platform.publish((0..5).map(|n| emotion(user, &format!("{n}"), now)).collect()).await;
    role(&platform).start(&platform.supervisor);
    platform.settled(Subject::Emotions).await;
    platform.drain().await;

    platform.clock.advance(40 * DAY);
    let supervisor = Supervisor::new();
    role(&platform).start(&supervisor);
    until("raw rows and ids are gone", || async { totals(&platform).await.named == 0 }).await;
    let log = platform.bus.log(Subject::Emotions, &Frontier::default(), 10).await.unwrap();
    assert!(log.records.is_empty() && log.pruned_at.is_some());
    assert_eq!(totals(&platform).await.in_aggregates, 5);
    assert!(supervisor.drain(DEADLINE).await.is_clean());
}

/// A laptop that was closed for longer than the bus keeps events: what got its 202 before is still counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_through_a_long_stop_is_counted() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    platform.publish((0..12_000).map(|n| emotion(user, &format!("{n}"), now)).collect()).await;

    platform.clock.advance(9 * DAY);
    role(&platform).start(&platform.supervisor);
    platform.settled(Subject::Emotions).await;
    assert_eq!(totals(&platform).await.in_aggregates, 12_000);
    platform.drain().await;
}

/// It was counted, and the process died before the bus wrote that down.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_before_a_long_stop_is_not_counted_again() {
    let platform = Platform::open();
    let (user, long_ago) = (platform.user().await, platform.clock.now() - 100 * DAY);
    let event = emotion(user, "back-dated, so only its id is kept", long_ago);
    platform.publish(vec![event.clone()]).await;
    role(&platform).handler().handle(&[delivery(event)]).await.unwrap();
    assert_eq!(totals(&platform).await.in_aggregates, 1);

    platform.clock.advance(9 * DAY);
    role(&platform).start(&platform.supervisor);
    platform.settled(Subject::Emotions).await;
    assert_eq!(totals(&platform).await.in_aggregates, 1);
    platform.drain().await;
}

/// Counted, or counted again, long after their publication, and forgotten by the bus a week after it: the books don't
/// miss them in the log.
#[tokio::test(flavor = "multi_thread")]
async fn the_books_balance_after_a_weekend_without_the_platform() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    let counted = emotion(user, "counted before, but that was not written down", now);
    platform.publish(vec![counted.clone(), emotion(user, "waits", now)]).await;
    role(&platform).handler().handle(&[delivery(counted)]).await.unwrap();

    platform.clock.advance(3 * DAY);
    platform.publish(vec![emotion(user, "new", platform.clock.now())]).await;
    role(&platform).start(&platform.supervisor);
    platform.settled(Subject::Emotions).await;
    platform.drain().await;

    platform.clock.advance(5 * DAY);
    let supervisor = Supervisor::new();
    role(&platform).start(&supervisor);
    let log =
        async || platform.bus.log(Subject::Emotions, &Frontier::default(), 10).await.unwrap().records.len();
    until("the bus has forgotten the first two", || async { log().await == 1 }).await;
    let now = platform.clock.now();
    let floor = retention::raw_floor(now, retention::RAW_DAYS);
    let report = balance(&*platform.bus, &*platform.store, now, floor).await.unwrap();
    assert_eq!(report.complaints(), Vec::<String>::new());
    assert_eq!((report.emotions.accepted, report.emotions.in_aggregates), (1, 3));
    assert!(supervisor.drain(DEADLINE).await.is_clean());
}
