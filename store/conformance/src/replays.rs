//! Replays: what they heal, what they leave alone, and what goes on meanwhile.

use ecs_domain::emotion::{EmotionEvent, StressThreshold, Unit};
use ecs_store::{Folded, Replay, ReplayPhase, ReplayPlan, Retention, Store};

use crate::Harness;
use crate::fixtures::{after, day, emotion, now, register, rules, user};

const MORNING: &str = "2026-11-20T08:00:00Z";
const NEXT_MORNING: &str = "2026-11-21T08:00:00Z";

fn plan() -> ReplayPlan {
    ReplayPlan { stress: rules().stress, raw_floor: rules().raw_floor }
}

/// One piece after the other to the end, and then the switch.
async fn replay(store: &dyn Store, at_most: usize) -> Replay {
    let mut state = store.begin_replay(plan(), now()).await.unwrap();
    while state.phase == ReplayPhase::Building {
        state = store.rebuild(at_most).await.unwrap().unwrap();
    }
    store.switch_replay(after(60)).await.unwrap().unwrap()
}

/// How many rows were confirmed, healed, kept and carried over.
fn counts(replay: Replay) -> [u64; 4] {
    [replay.confirmed, replay.healed, replay.kept, replay.carried_over]
}

/// Five users with some events on two days each.
fn crowd() -> Vec<EmotionEvent> {
    (0..40)
        .map(|number| {
            let at = if number % 2 == 0 { MORNING } else { NEXT_MORNING };
            emotion(number / 2 % 5, 1_000 + number, at, [0.25, 0.5, if number < 20 { 0.9 } else { 0.1 }])
        })
        .collect()
}

async fn with_crowd<H: Harness>() -> H {
    let harness = H::start().await;
    register(harness.store().as_ref(), 0..5).await;
    let folded = harness.store().fold_emotions(&crowd(), rules(), now()).await.unwrap();
    assert!(folded.iter().all(|fate| *fate == Folded::Counted));
    harness
}

/// Where nothing is off, nothing changes, and every row was looked at, whatever the size of the pieces.
pub async fn what_is_right_is_confirmed<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    assert_eq!(store.last_replay().await.unwrap(), None);
    assert_eq!(store.rebuild(10).await.unwrap(), None, "none was begun");
    assert_eq!(store.switch_replay(now()).await.unwrap(), None);
    let before = harness.summary(user(1), day("2026-11-20")).await.unwrap();
    for at_most in [1, 2, 5, 1_000] {
        let done = replay(store.as_ref(), at_most).await;
        assert_eq!(counts(done), [10, 0, 0, 0], "in pieces of {at_most}");
        assert_eq!((done.phase, done.switched_at), (ReplayPhase::Switched, Some(after(60))));
        assert_eq!(store.last_replay().await.unwrap(), Some(done));
    }
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await.unwrap(), before);
}

/// Rows that say too little or something else become what their events add up to, all at once.
pub async fn a_row_that_is_off_is_healed_at_the_switch<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    let read = async || {
        let mut rows = Vec::new();
        for (number, date) in [(1, "2026-11-20"), (2, "2026-11-21"), (3, "2026-11-20")] {
            rows.push(harness.summary(user(number), day(date)).await.unwrap());
        }
        rows
    };
    let right = read().await;
    harness.tamper_with_count(user(1), day("2026-11-20"), -1).await;
    harness.tamper_with_sum(user(2), day("2026-11-21"), 17).await;
    harness.tamper_with_sum(user(3), day("2026-11-20"), -17).await;
    let tampered = read().await;

    let mut state = store.begin_replay(plan(), now()).await.unwrap();
    while state.phase == ReplayPhase::Building {
        state = store.rebuild(3).await.unwrap().unwrap();
        assert_eq!(read().await, tampered, "until the switch the old generation is read");
    }
    assert_eq!(counts(store.switch_replay(now()).await.unwrap().unwrap()), [7, 3, 0, 0]);
    assert_eq!(read().await, right);
    assert_eq!(counts(store.switch_replay(now()).await.unwrap().unwrap()), [7, 3, 0, 0]);
    assert_eq!(read().await, right, "a second switch changes nothing");
    assert_eq!(store.summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
}

/// A row with more events than are kept is never made poorer.
pub async fn a_row_that_is_richer_than_its_events_is_kept<H: Harness>() {
    let harness = with_crowd::<H>().await;
    harness.tamper_with_count(user(1), day("2026-11-20"), 1).await;
    let richer = harness.summary(user(1), day("2026-11-20")).await;
    assert_eq!(counts(replay(harness.store().as_ref(), 3).await), [9, 0, 1, 0]);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await, richer);
}

/// Days whose raw rows were dropped stay as they are, and so do events that counted without a raw row.
pub async fn what_is_not_kept_is_carried_over<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    let old = [emotion(1, 1, "2025-08-19T08:00:00Z", [0.5; 3])];
    store.fold_emotions(&old, rules(), now()).await.unwrap();
    let next_day = Retention {
        raw_floor: day("2026-11-21"),
        ids_since: after(-86_400),
        answers_since: now(),
        now: now(),
    };
    store.retain(next_day).await.unwrap();
    harness.tamper_with_sum(user(1), day("2026-11-20"), 17).await;
    harness.tamper_with_sum(user(1), day("2026-11-21"), 17).await;
    let carried = harness.summary(user(1), day("2026-11-20")).await;
    assert_eq!(counts(replay(store.as_ref(), 3).await), [4, 1, 0, 6]);
    assert_eq!(harness.summary(user(1), day("2026-11-20")).await, carried);
    assert_eq!(harness.summary(user(1), day("2025-08-19")).await.unwrap().event_count, 1);
}

/// Days that lose their raw rows while a replay is under way are carried over, and still every row is counted.
pub async fn what_goes_meanwhile_is_carried_over<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    let floor =
        |date| Retention { raw_floor: day(date), ids_since: after(86_400), answers_since: now(), now: now() };
    store.begin_replay(plan(), now()).await.unwrap();
    store.rebuild(3).await.unwrap();
    store.retain(floor("2026-11-21")).await.unwrap();
    assert_eq!(counts(replay(store.as_ref(), 3).await), [8, 0, 0, 2]);

    store.begin_replay(plan(), now()).await.unwrap();
    store.rebuild(3).await.unwrap();
    store.retain(floor("2026-11-22")).await.unwrap();
    assert_eq!(counts(replay(store.as_ref(), 3).await), [3, 0, 0, 7], "to the very end");
    assert_eq!(harness.summary(user(1), day("2026-11-21")).await.unwrap().event_count, 4);
}

/// Events that are folded before their piece, after it, or between the pieces and the switch, count once.
pub async fn folds_go_on_throughout<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    harness.tamper_with_count(user(0), day("2026-11-20"), -2).await;
    harness.tamper_with_sum(user(4), day("2026-11-21"), 99).await;
    let mut all = crowd();
    let mut more = (0_u128..).map(|number| {
        let at = if number % 3 == 0 { MORNING } else { NEXT_MORNING };
        emotion(number % 5, 5_000 + number, at, [0.75, 0.5, 0.8])
    });
    store.begin_replay(plan(), now()).await.unwrap();
    let mut phase = ReplayPhase::Building;
    while phase != ReplayPhase::Switched {
        let batch: Vec<_> = more.by_ref().take(30).collect();
        let folding = tokio::spawn({
            let (store, batch) = (harness.store(), batch.clone());
            async move { store.fold_emotions(&batch, rules(), now()).await }
        });
        let step = match phase {
            ReplayPhase::Building => store.rebuild(2).await,
            ReplayPhase::Built | ReplayPhase::Switched => store.switch_replay(now()).await,
        };
        phase = step.unwrap().unwrap().phase;
        assert!(folding.await.unwrap().unwrap().iter().all(|fate| *fate == Folded::Counted));
        all.extend(batch);
    }
    for number in 0..5 {
        for date in ["2026-11-20", "2026-11-21"] {
            let of_row = all.iter().filter(|event| {
                event.user == user(number) && ecs_domain::utc_day(event.occurred_at) == day(date)
            });
            let (events, positivity) = of_row.fold((0, 0), |(events, sum), event| {
                (events + 1, sum + i64::from(event.metrics.positivity.billionths()))
            });
            let row = harness.summary(user(number), day(date)).await.unwrap();
            assert_eq!((row.event_count, row.sums[0]), (events, positivity), "user {number} on {date}");
        }
    }
    assert_eq!(store.summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
}

/// A replay survives its process in each phase: what was rebuilt is neither lost nor repeated.
pub async fn a_replay_goes_on_where_it_was<H: Harness>() {
    let mut harness = with_crowd::<H>().await;
    harness.tamper_with_sum(user(0), day("2026-11-20"), 17).await;
    harness.tamper_with_sum(user(4), day("2026-11-21"), 17).await;
    let mut state = harness.store().begin_replay(plan(), now()).await.unwrap();
    let mut pieces = 0;
    while state.phase == ReplayPhase::Building {
        harness = harness.reopen().await;
        // Whoever starts the command again goes on with the same replay.
        assert_eq!(harness.store().begin_replay(plan(), after(3_600)).await.unwrap(), state);
        state = harness.store().rebuild(3).await.unwrap().unwrap();
        pieces += 1;
    }
    assert!(pieces > 3, "only {pieces} pieces");
    harness = harness.reopen().await;
    assert_eq!(harness.store().begin_replay(plan(), after(3_600)).await.unwrap(), state);
    assert_eq!(counts(harness.store().switch_replay(now()).await.unwrap().unwrap()), [8, 2, 0, 0]);
    harness = harness.reopen().await;
    assert_eq!(harness.store().summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
}

/// Another threshold is another generation: stress events are counted anew by it, and what was built by the old one is gone.
pub async fn another_threshold_begins_anew<H: Harness>() {
    let harness = with_crowd::<H>().await;
    let store = harness.store();
    assert_eq!(harness.summary(user(0), day("2026-11-20")).await.unwrap().stress_event_count, 2);
    let with = |stress: f64| ReplayPlan { stress: StressThreshold(Unit::new(stress).unwrap()), ..plan() };
    store.begin_replay(with(1.0), now()).await.unwrap();
    store.rebuild(1_000).await.unwrap();
    let anew = store.begin_replay(with(0.05), after(1)).await.unwrap();
    assert_eq!((counts(anew), anew.started_at), ([0; 4], after(1)));
    while store.rebuild(1_000).await.unwrap().unwrap().phase == ReplayPhase::Building {}
    assert_eq!(counts(store.switch_replay(now()).await.unwrap().unwrap()), [0, 10, 0, 0]);
    let row = harness.summary(user(0), day("2026-11-20")).await.unwrap();
    assert_eq!((row.stress_event_count, row.event_count), (4, 4));
}

/// Several that work on one replay share it.
pub async fn pieces_at_the_same_time_are_each_rebuilt_once<H: Harness>() {
    let harness = with_crowd::<H>().await;
    harness.tamper_with_sum(user(3), day("2026-11-20"), 17).await;
    harness.store().begin_replay(plan(), now()).await.unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let store = harness.store();
            tokio::spawn(async move {
                while store.rebuild(1).await.unwrap().unwrap().phase == ReplayPhase::Building {}
                store.switch_replay(now()).await.unwrap().unwrap()
            })
        })
        .collect();
    for worker in workers {
        assert_eq!(counts(worker.await.unwrap()), [9, 1, 0, 0]);
    }
    assert_eq!(harness.store().summary_mismatches(day("2026-11-01"), 10).await.unwrap(), []);
}
