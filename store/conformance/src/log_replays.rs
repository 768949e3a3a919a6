//! Replays of some days from the bus's log: what of the log counts, and what they leave alone.

use ecs_domain::consent::Purpose;
use ecs_domain::emotion::EmotionEvent;
use ecs_domain::{Day, utc_day};
use ecs_store::{
    Folded, LogReplayPlan, LoggedEvents, Replay, ReplayDays, ReplayPhase, ReplayPlan, Retention, Store,
};

use crate::Harness;
use crate::fixtures::{after, day, emotion, now, register, rules, user};

const DAY: &str = "2026-11-20";
const NEXT: &str = "2026-11-21";

fn days() -> ReplayDays {
    ReplayDays { from: day(DAY), to: day(NEXT) }
}

fn plan() -> LogReplayPlan {
    LogReplayPlan { stress: rules().stress, days: days() }
}

/// Eight events of each of five users on each of the two days.
fn crowd() -> Vec<EmotionEvent> {
    (0..80)
        .map(|number| {
            let date = if number % 2 == 0 { DAY } else { NEXT };
            emotion(number / 2 % 5, 1_000 + number, &format!("{date}T08:00:00Z"), [0.25, 0.5, 0.9])
        })
        .collect()
}

async fn with_crowd<H: Harness>() -> H {
    let harness = H::start().await;
    register(harness.store().as_ref(), 0..5).await;
    fold(harness.store().as_ref(), &crowd()).await;
    harness
}

async fn fold(store: &dyn Store, events: &[EmotionEvent]) -> Vec<Folded> {
    store.fold_emotions(events, rules(), now()).await.unwrap()
}

/// The log in pages of so many events.
fn pages(log: &[EmotionEvent], size: usize) -> Vec<LoggedEvents> {
    let count = log.len().div_ceil(size).max(1);
    let cursor = |number: usize| if number == 0 { String::new() } else { number.to_string() };
    (0..count)
        .map(|number| LoggedEvents {
            after: cursor(number),
            through: cursor(number + 1),
            is_last: number + 1 == count,
            events: log.iter().skip(number * size).take(size).cloned().collect(),
        })
        .collect()
}

async fn read(store: &dyn Store, log: &[EmotionEvent]) {
    store.begin_log_replay(plan(), now()).await.unwrap();
    for page in pages(log, 7) {
        store.take_in(page).await.unwrap().unwrap();
    }
}

async fn finish(store: &dyn Store, at_most: usize) -> Replay {
    while store.rebuild(at_most).await.unwrap().unwrap().phase == ReplayPhase::Building {}
    store.switch_replay(after(60)).await.unwrap().unwrap()
}

async fn replay(store: &dyn Store, log: &[EmotionEvent], at_most: usize) -> Replay {
    read(store, log).await;
    finish(store, at_most).await
}

/// How many rows were confirmed, healed, kept and carried over.
fn counts(replay: Replay) -> [u64; 4] {
    [replay.confirmed, replay.healed, replay.kept, replay.carried_over]
}

/// Where nothing is off, nothing changes; what is off becomes what the log says. Sums, counts, and rows that are gone.
pub async fn days_are_rebuilt_from_the_log<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    for at_most in [1, 2, 5, 1_000] {
        let done = replay(store.as_ref(), &crowd(), at_most).await;
        assert_eq!(counts(done), [10, 0, 0, 0], "in pieces of {at_most}");
        assert_eq!((done.days, done.phase), (Some(days()), ReplayPhase::Switched));
    }
    let right = harness.summary(user(1), day(DAY)).await;
    harness.tamper_with_count(user(1), day(DAY), -3).await;
    harness.tamper_with_sum(user(1), day(NEXT), 17).await;
    harness.tamper_with_sum(user(4), day(NEXT), -17).await;
    // Each event stands in the log twice.
    let log = [crowd(), crowd()].concat();
    assert_eq!(counts(replay(store.as_ref(), &log, 3).await), [7, 3, 0, 0]);
    assert_eq!(harness.summary(user(1), day(DAY)).await, right);
    assert_eq!(store.summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
}

/// A raw row is not asked what the log says: an event's values are those of its first place in the log.
pub async fn the_log_comes_before_the_raw_rows<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let mut log = crowd();
    let first = log.iter_mut().find(|event| event.user == user(2) && utc_day(event.occurred_at) == day(DAY));
    first.unwrap().metrics.positivity = ecs_domain::emotion::Unit::new(0.75).unwrap();
    log.extend(crowd());
    let before = harness.summary(user(2), day(DAY)).await.unwrap();
    assert_eq!(counts(replay(harness.store().as_ref(), &log, 3).await), [9, 1, 0, 0]);
    let row = harness.summary(user(2), day(DAY)).await.unwrap();
    assert_eq!((row.event_count, row.sums[0]), (8, before.sums[0] + 500_000_000));
}

/// Discarded events, strangers' events, and ones that the store has not heard of are in the log and have no part in it.
pub async fn only_counted_events_have_a_part<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    store.set_consent(user(0), Purpose::EmotionAnalysis, false.into(), now()).await.unwrap();
    let more = |by: u128, id: u128| emotion(by, id, "2026-11-20T09:00:00Z", [1.0; 3]);
    let (discarded, stranger, unheard) = (more(0, 1), more(77, 2), more(3, 3));
    let fates = fold(store.as_ref(), &[discarded.clone(), stranger.clone()]).await;
    assert_eq!(fates, [Folded::Discarded, Folded::UnknownUser]);
    harness.tamper_with_sum(user(0), day(DAY), 5).await;
    let log = [vec![discarded, stranger, unheard], crowd()].concat();
    assert_eq!(counts(replay(store.as_ref(), &log, 3).await), [9, 1, 0, 0]);
    assert_eq!(store.summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
    assert_eq!(harness.summary(user(77), day(DAY)).await, None);
}

/// Rows that count more than the log tells, rows of which it tells nothing, and other days.
pub async fn nothing_gets_poorer<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    let other =
        [emotion(1, 1, "2026-11-19T08:00:00Z", [0.5; 3]), emotion(1, 2, "2026-11-22T08:00:00Z", [0.5; 3])];
    fold(store.as_ref(), &other).await;
    for date in ["2026-11-19", "2026-11-22"] {
        harness.tamper_with_sum(user(1), day(date), 17).await;
    }
    harness.tamper_with_count(user(2), day(DAY), 1).await;
    harness.tamper_with_sum(user(3), day(DAY), 17).await;
    let mut before = Vec::new();
    let rows = [(1, "2026-11-19"), (1, "2026-11-22"), (2, DAY), (3, DAY)];
    for (number, date) in rows {
        before.push(harness.summary(user(number), day(date)).await);
    }
    let log: Vec<_> = crowd().into_iter().filter(|event| event.user != user(3)).collect();
    assert_eq!(counts(replay(store.as_ref(), &log, 3).await), [7, 0, 1, 2]);
    for ((number, date), before) in rows.into_iter().zip(before) {
        assert_eq!(harness.summary(user(number), day(date)).await, before, "user {number} on {date}");
    }
    // A log that is empty tells nothing of anybody.
    assert_eq!(counts(replay(store.as_ref(), &[], 3).await), [0, 0, 0, 10]);
}

/// Events whose raw rows are gone still count by their ids. What is known by its id alone, and not in the log, has no values.
pub async fn the_log_outlives_the_raw_rows<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    let floor =
        Retention { raw_floor: day(NEXT), ids_since: after(-86_400), answers_since: now(), now: now() };
    store.retain(floor).await.unwrap();
    harness.tamper_with_sum(user(1), day(DAY), 17).await;
    harness.tamper_with_sum(user(2), day(DAY), 17).await;
    let missing =
        crowd().into_iter().position(|event| event.user == user(2) && utc_day(event.occurred_at) == day(DAY));
    let mut log = crowd();
    log.remove(missing.unwrap());
    assert_eq!(counts(replay(store.as_ref(), &log, 3).await), [8, 1, 0, 1]);
    let healed = harness.summary(user(1), day(DAY)).await.unwrap();
    assert_eq!((healed.event_count, healed.sums[0]), (8, 8 * 250_000_000));
}

/// Events that are folded while the log is read, after it, between the pieces, and before the switch, count once.
pub async fn folds_go_on_while_days_are_rebuilt<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    harness.tamper_with_count(user(0), day(DAY), -2).await;
    harness.tamper_with_sum(user(4), day(NEXT), 99).await;
    let mut all = crowd();
    let mut more = (0_u128..).map(|number| {
        let date = if number % 3 == 0 { DAY } else { NEXT };
        emotion(number % 5, 5_000 + number, &format!("{date}T09:00:00Z"), [0.75, 0.5, 0.8])
    });
    store.begin_log_replay(plan(), now()).await.unwrap();
    let (mut phase, mut left) = (ReplayPhase::Building, pages(&crowd(), 7).into_iter());
    while phase != ReplayPhase::Switched {
        let batch: Vec<_> = more.by_ref().take(30).collect();
        let folding = tokio::spawn({
            let (store, batch) = (harness.store(), batch.clone());
            async move { store.fold_emotions(&batch, rules(), now()).await }
        });
        let step = match left.next() {
            Some(page) => store.take_in(page).await,
            None if phase == ReplayPhase::Building => store.rebuild(2).await,
            None => store.switch_replay(now()).await,
        };
        phase = step.unwrap().unwrap().phase;
        assert!(folding.await.unwrap().unwrap().iter().all(|fate| *fate == Folded::Counted));
        all.extend(batch);
    }
    for number in 0..5 {
        for date in [DAY, NEXT] {
            let of_row = all
                .iter()
                .filter(|event| event.user == user(number) && utc_day(event.occurred_at) == day(date));
            let (events, positivity) = of_row.fold((0, 0), |(events, sum), event| {
                (events + 1, sum + i64::from(event.metrics.positivity.billionths()))
            });
            let row = harness.summary(user(number), day(date)).await.unwrap();
            assert_eq!((row.event_count, row.sums[0]), (events, positivity), "user {number} on {date}");
        }
    }
    assert_eq!(store.summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
}

/// A page is taken in once, whoever brings it again; nothing is rebuilt before the last one; and a process may die anywhere.
pub async fn a_replay_from_the_log_goes_on_where_it_was<H: Harness>() {
    let mut harness = with_crowd::<H>().await;
    harness.tamper_with_sum(user(0), day(DAY), 17).await;
    let begun = harness.store().begin_log_replay(plan(), now()).await.unwrap();
    for page in pages(&crowd(), 30) {
        harness = harness.reopen().await;
        let store = harness.store();
        assert_eq!(store.log_cursor().await.unwrap().as_ref(), Some(&page.after));
        assert_eq!(store.begin_log_replay(plan(), after(3_600)).await.unwrap(), begun);
        assert_eq!(store.rebuild(3).await.unwrap(), Some(begun), "there is more in the log");
        store.take_in(page.clone()).await.unwrap();
        let cursor = store.log_cursor().await.unwrap();
        let again = LoggedEvents { through: "elsewhere".to_owned(), ..page };
        store.take_in(again).await.unwrap();
        assert_eq!(store.log_cursor().await.unwrap(), cursor);
    }
    assert_eq!(harness.store().log_cursor().await.unwrap(), None);
    while harness.store().rebuild(3).await.unwrap().unwrap().phase == ReplayPhase::Building {
        harness = harness.reopen().await;
    }
    harness = harness.reopen().await;
    assert_eq!(counts(harness.store().switch_replay(now()).await.unwrap().unwrap()), [9, 1, 0, 0]);
}

/// One from raw rows, or of other days, is another replay: what was taken in or rebuilt is gone.
pub async fn another_plan_begins_anew<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    harness.tamper_with_sum(user(0), day(DAY), 17).await;
    read(store.as_ref(), &crowd()).await;
    store.rebuild(1_000).await.unwrap();
    let one = ReplayDays { from: day(NEXT), to: day(NEXT) };
    let anew = store.begin_log_replay(LogReplayPlan { days: one, ..plan() }, after(1)).await.unwrap();
    assert_eq!((counts(anew), anew.days, anew.started_at), ([0; 4], Some(one), after(1)));
    let last =
        LoggedEvents { after: String::new(), through: "1".to_owned(), is_last: true, events: Vec::new() };
    store.take_in(last.clone()).await.unwrap();
    assert_eq!(counts(finish(store.as_ref(), 3).await), [0, 0, 0, 5], "nothing of what was taken in is left");
    read(store.as_ref(), &crowd()).await;
    let raw = ReplayPlan { stress: rules().stress, raw_floor: rules().raw_floor };
    assert_eq!(store.begin_replay(raw, after(2)).await.unwrap().days, None);
    assert_eq!(store.log_cursor().await.unwrap(), None);
    assert_eq!(counts(finish(store.as_ref(), 1_000).await), [9, 1, 0, 0]);
    let none: Option<Day> = store.last_replay().await.unwrap().unwrap().days.map(|days| days.from);
    assert_eq!(none, None);
}

/// What was taken in doesn't outlive the events for long, though nobody goes on with the replay. One that has ended stays known.
pub async fn an_abandoned_replay_is_given_up<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    let retain = async |answers_since| {
        let retention =
            Retention { raw_floor: day("2026-11-01"), ids_since: after(-86_400), answers_since, now: now() };
        store.retain(retention).await.unwrap();
    };
    read(store.as_ref(), &crowd()).await;
    retain(now()).await;
    assert!(store.last_replay().await.unwrap().is_some(), "it is not over its time yet");
    retain(after(1)).await;
    assert_eq!((store.last_replay().await.unwrap(), store.rebuild(3).await.unwrap()), (None, None));
    let done = replay(store.as_ref(), &[], 3).await;
    assert_eq!(counts(done), [0, 0, 0, 10], "what was taken in is gone");
    retain(after(1)).await;
    assert_eq!(store.last_replay().await.unwrap(), Some(done));
}
