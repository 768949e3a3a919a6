//! Events count once, whoever folds them at the same time, and whatever is dropped meanwhile.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_domain::consent::Purpose;
use ecs_domain::emotion::EmotionEvent;
use ecs_domain::{Day, Timestamp, UserId, utc_day};
use ecs_servers::{Engine, did_not_run, unavailable};
use ecs_store::{
    Books, Consents, EmotionRules, EventKey, Fate, Folded, Folds, Ledger, Maintenance, Retention, StoreError,
};
use ecs_store_conformance::fixtures::{after, at, day, emotion, now, register, rules, shuffle, user};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;
use futures::future::join_all;
use tokio::sync::watch;
use tokio_postgres::Client;

const DAYS: [&str; 5] = ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"];
const USERS: u128 = 12;
/// They have said no.
const REFUSING: u128 = 3;
/// Nobody knows them.
const STRANGERS: u128 = 2;

/// Whether there is a server. A test that can't run says so, and fails where it must run.
fn can_run() -> bool {
    let reason = unavailable(Engine::Postgres);
    if let Some(reason) = &reason {
        did_not_run("the folds of PostgreSQL", reason);
    }
    reason.is_none()
}

async fn open(url: &str) -> Arc<PostgresStore> {
    let options = Options { max_connections: 4, ..Options::new(url) };
    Arc::new(PostgresStore::open(options, Keyring::in_memory()).await.unwrap())
}

/// Twelve hundred events of users who agree, refuse, or are unknown, on five days.
fn events() -> Vec<EmotionEvent> {
    let fraction =
        |number: u128, factor: u128| f64::from(u32::try_from(number * factor % 997).unwrap()) / 997.0;
    (0..1_200)
        .map(|number| {
            let date = DAYS[usize::try_from(number % 5).unwrap()];
            let metrics = [fraction(number, 7), fraction(number, 31), fraction(number, 53)];
            emotion(number / 5 % (USERS + STRANGERS), number, &format!("{date}T08:00:00Z"), metrics)
        })
        .collect()
}

/// Each event three times, in an order and in batches that the seed decides.
fn deliveries(events: &[EmotionEvent], seed: u64) -> Vec<Vec<EmotionEvent>> {
    let mut all: Vec<_> = (0..3).flat_map(|_| events.iter().cloned()).collect();
    shuffle(&mut all, seed);
    all.chunks(40 + usize::try_from(seed).unwrap() * 30).map(<[_]>::to_vec).collect()
}

/// The same batch again until the store takes it: what a worker does whose delivery failed.
async fn fold(store: &PostgresStore, batch: &[EmotionEvent], raw_floor: Day, at: Timestamp) -> Vec<Folded> {
    let rules = EmotionRules { raw_floor, ..rules() };
    until_taken(|| store.fold_emotions(batch, rules, at)).await
}

async fn until_taken<T, Fut>(call: impl Fn() -> Fut) -> T
where
    Fut: Future<Output = Result<T, StoreError>>,
{
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) => assert!(error.is_retryable() && Instant::now() < deadline, "{error}"),
        }
    }
}

/// Four workers in two processes, and somebody who drops a day after the other. The floor rises as the work goes on; every
/// other worker's clock is behind, and hasn't heard of it.
async fn storm(stores: &[Arc<PostgresStore>; 2], batches: &[Vec<EmotionEvent>]) -> Vec<Folded> {
    let progress = watch::Sender::new(0);
    let floor_at = |folded: usize| (folded * DAYS.len() / batches.len()).min(DAYS.len() - 1);
    let worker = async |worker: usize| {
        let store = &stores[worker % 2];
        let mut results = Vec::new();
        for (place, batch) in batches.iter().enumerate().filter(|(place, _)| place % 4 == worker) {
            let floor = day(DAYS[floor_at(place).saturating_sub(worker % 2)]);
            // Days pass, so that repeats renew what is noted of their first arrival.
            results.extend(fold(store, batch, floor, after(i64::try_from(place).unwrap() * 90_000)).await);
            progress.send_modify(|folded| *folded += 1);
        }
        results
    };
    let retention = async {
        for (place, floor) in DAYS.iter().enumerate() {
            progress.subscribe().wait_for(|folded| floor_at(*folded) >= place).await.unwrap();
            let (raw_floor, since) = (day(floor), after(-900));
            let retention = Retention { raw_floor, ids_since: since, answers_since: since, now: now() };
            until_taken(|| stores[1].retain(retention)).await;
        }
    };
    let (results, ()) = tokio::join!(join_all((0..4).map(worker)), retention);
    results.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_repeats_counts_every_event_once() {
    if !can_run() {
        return;
    }
    let events = events();
    for seed in 1..=3 {
        let database = support::database().await;
        let stores = [open(database.url()).await, open(database.url()).await];
        register(&*stores[0], 0..USERS).await;
        for number in 0..REFUSING {
            stores[0].set_consent(user(number), Purpose::EmotionAnalysis, false.into(), now()).await.unwrap();
        }
        let results = storm(&stores, &deliveries(&events, seed)).await;
        let tally = |wanted| results.iter().filter(|folded| **folded == wanted).count();
        let of = |users: std::ops::Range<u128>| {
            let users: HashSet<UserId> = users.map(user).collect();
            events.iter().filter(|event| users.contains(&event.user)).cloned().collect::<Vec<_>>()
        };
        let (refused, counted) = (of(0..REFUSING), of(REFUSING..USERS));
        assert_eq!(tally(Folded::Counted), counted.len(), "seed {seed}");
        assert_eq!(tally(Folded::Discarded), refused.len(), "seed {seed}");
        assert_eq!(tally(Folded::UnknownUser), of(USERS..USERS + STRANGERS).len() * 3, "seed {seed}");
        check_summary(database.url(), &counted).await;
        check_books(&stores[0], &counted, &refused).await;
        for store in stores {
            store.close().await.unwrap();
        }
    }
}

/// The summary is what the events add up to.
async fn check_summary(url: &str, counted: &[EmotionEvent]) {
    let mut expect: BTreeMap<(Day, UserId), [i64; 5]> = BTreeMap::new();
    for event in counted {
        let sums = expect.entry((utc_day(event.occurred_at), event.user)).or_default();
        let is_stress = rules().stress.is_met_by(&event.metrics);
        let metrics = [event.metrics.positivity, event.metrics.intensity, event.metrics.stress];
        let parts = [1, i64::from(is_stress)].into_iter().chain(metrics.map(|unit| unit.billionths().into()));
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    }
    let sql = "SELECT summary_date, user_id, event_count, stress_event_count, positivity_sum, intensity_sum, stress_sum
         FROM emotional_events_summary";
    let rows = support::client(url).await.query(sql, &[]).await.unwrap();
    let found: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let key = (row.get(0), UserId::new(row.get(1)));
            (key, [row.get(2), row.get(3), row.get(4), row.get(5), row.get(6)])
        })
        .collect();
    assert_eq!(found, expect);
}

async fn check_books(store: &PostgresStore, counted: &[EmotionEvent], refused: &[EmotionEvent]) {
    let totals = store.ledger_totals(Ledger::Emotions).await.unwrap();
    let number = |events: &[EmotionEvent]| u64::try_from(events.len()).unwrap();
    assert_eq!((totals.in_aggregates, totals.named), (number(counted), number(counted)));
    assert_eq!(totals.discarded, number(refused));
    assert_eq!(store.summary_mismatches(day("2026-01-01"), 10).await.unwrap(), []);
    let key =
        |event: &EmotionEvent| EventKey { day: utc_day(event.occurred_at), user: event.user, id: event.id };
    let keys: Vec<_> = counted.iter().chain(refused).map(key).collect();
    let mut tally: HashMap<Fate, usize> = HashMap::new();
    for fate in store.fates(Ledger::Emotions, &keys).await.unwrap() {
        *tally.entry(fate).or_default() += 1;
    }
    let expect = HashMap::from([(Fate::Counted, counted.len()), (Fate::Discarded, refused.len())]);
    assert_eq!(tally, expect);
}

/// Waits until somebody waits for a lock on the table of the raw rows.
async fn until_somebody_waits(client: &Client) {
    let sql = "SELECT count(*) FROM pg_locks WHERE relation = 'emotional_events'::regclass AND NOT granted";
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::task::yield_now().await;
    }
}

/// What moves to the inbox while a fold waits for it is seen by that fold: its snapshot is taken behind the lock.
#[tokio::test]
async fn a_fold_that_waited_sees_what_moved_meanwhile() {
    if !can_run() {
        return;
    }
    let database = support::database().await;
    let store = open(database.url()).await;
    register(&*store, [1]).await;
    let event = [emotion(1, 1, "2026-11-20T08:00:00Z", [0.5; 3])];
    assert_eq!(fold(&store, &event, rules().raw_floor, now()).await, [Folded::Counted]);

    let (mover, watcher) = (support::client(database.url()).await, support::client(database.url()).await);
    mover.batch_execute("BEGIN; LOCK TABLE ONLY emotional_events IN SHARE ROW EXCLUSIVE MODE").await.unwrap();
    let repeat = {
        let (store, event) = (Arc::clone(&store), event.clone());
        tokio::spawn(async move { fold(&store, &event, rules().raw_floor, now()).await })
    };
    until_somebody_waits(&watcher).await;
    mover
        .batch_execute(
            "WITH moved AS (DELETE FROM emotional_events RETURNING day, user_id, event_id, arrived_at)
             INSERT INTO emotion_inbox SELECT *, 1 FROM moved;
             COMMIT",
        )
        .await
        .unwrap();
    assert_eq!(repeat.await.unwrap(), [Folded::Repeated]);
    assert_eq!(store.ledger_totals(Ledger::Emotions).await.unwrap().in_aggregates, 1);
}

/// Folds agree on where an id is noted because the floor stands still while any of them is under way.
#[tokio::test]
async fn the_floor_stands_still_while_a_fold_runs() {
    if !can_run() {
        return;
    }
    let database = support::database().await;
    let store = open(database.url()).await;
    register(&*store, [1]).await;
    fold(&store, &[emotion(1, 1, "2026-11-20T08:00:00Z", [0.5; 3])], rules().raw_floor, now()).await;
    let (folding, watcher) = (support::client(database.url()).await, support::client(database.url()).await);
    // What every fold holds from before its snapshot until it ends.
    folding.batch_execute("BEGIN; LOCK TABLE ONLY emotional_events IN ROW EXCLUSIVE MODE").await.unwrap();
    let retention = {
        let (store, since) = (Arc::clone(&store), after(-900));
        let retention =
            Retention { raw_floor: day("2026-11-21"), ids_since: since, answers_since: since, now: now() };
        tokio::spawn(async move { until_taken(|| store.retain(retention)).await })
    };
    until_somebody_waits(&watcher).await;
    let stands: Day = watcher.query_one("SELECT day FROM raw_floor", &[]).await.unwrap().get(0);
    assert_eq!(stands, rules().raw_floor);
    folding.batch_execute("COMMIT").await.unwrap();
    assert_eq!(retention.await.unwrap().raw_rows, 1);
}

/// Days get their partitions ahead and on demand; retention drops them as a whole, and none comes back.
#[tokio::test]
async fn days_come_and_go_as_partitions() {
    if !can_run() {
        return;
    }
    let database = support::database().await;
    let store = open(database.url()).await;
    register(&*store, [1]).await;
    let client = support::client(database.url()).await;
    let partitions = async || {
        let sql = "SELECT right(inhrelid::regclass::text, 4) FROM pg_inherits
             WHERE inhparent = 'emotional_events'::regclass ORDER BY 1";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    let old = emotion(1, 1, "2026-11-03T08:00:00Z", [0.5; 3]);
    fold(&store, std::slice::from_ref(&old), rules().raw_floor, now()).await;
    assert_eq!(partitions().await, ["1103", "1120", "1121", "1122"]);

    let floor = day("2026-11-21");
    let retention = Retention {
        raw_floor: floor,
        ids_since: at("2026-11-01T00:00:00Z"),
        answers_since: now(),
        now: now(),
    };
    let dropped = store.retain(retention).await.unwrap();
    assert_eq!((dropped.raw_rows, dropped.more), (1, false));
    assert_eq!(partitions().await, ["1121", "1122"]);
    let another = emotion(1, 2, "2026-11-03T08:00:00Z", [0.5; 3]);
    let folded = fold(&store, &[old, another], rules().raw_floor, now()).await;
    assert_eq!(folded, [Folded::Repeated, Folded::Counted]);
    assert_eq!(partitions().await, ["1121", "1122"]);
}

/// After a failover to a server that has missed something, or a restore, what this process knows is wrong. It finds out.
#[tokio::test]
async fn a_partition_that_vanished_is_made_anew() {
    if !can_run() {
        return;
    }
    let database = support::database().await;
    let store = open(database.url()).await;
    register(&*store, [1]).await;
    let event = |id| [emotion(1, id, "2026-11-20T08:00:00Z", [0.5; 3])];
    fold(&store, &event(1), rules().raw_floor, now()).await;
    support::client(database.url())
        .await
        .batch_execute("DROP TABLE emotional_events_20261120")
        .await
        .unwrap();
    let missing = store.fold_emotions(&event(2), rules(), now()).await.unwrap_err();
    assert!(missing.is_retryable(), "nothing is wrong with the event: {missing}");
    assert_eq!(store.fold_emotions(&event(2), rules(), now()).await.unwrap(), [Folded::Counted]);
}
