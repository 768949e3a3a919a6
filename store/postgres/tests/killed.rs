//! A process that is killed in the middle of retention and of replays, again and again: the next one goes on, and in the end every event
//! counts once.
//!
//! The process is this very program: it runs itself with the address of the database, and only the one test that does the work.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ecs_domain::emotion::EmotionEvent;
use ecs_servers::{Engine, did_not_run, unavailable};
use ecs_store::{
    Books, Folded, Folds, Ledger, Maintenance, Replay, ReplayPhase, ReplayPlan, Replays, Retention,
};
use ecs_store_conformance::fixtures::{day, emotion, now, register, rules};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;

const ADDRESS: &str = "ECS_TEST_KILLED_ADDRESS";
const USERS: u128 = 12;
/// The first two are dropped meanwhile, the last is kept. Of the first there are more events than one piece moves.
const DAYS: [(&str, u128); 3] = [("2026-11-18", 12_000), ("2026-11-19", 1_200), ("2026-11-20", 1_200)];
const ROWS: u64 = 36;

fn events() -> Vec<EmotionEvent> {
    let days = DAYS.iter().enumerate().flat_map(|(place, (date, events))| {
        (0..*events).map(move |number| (place as u128 * 100_000 + number, format!("{date}T08:00:00Z")))
    });
    days.map(|(number, at)| emotion(number % USERS, number, &at, [0.25, 0.5, 0.75])).collect()
}

fn plan() -> ReplayPlan {
    ReplayPlan { stress: rules().stress, raw_floor: rules().raw_floor }
}

/// Every id may still be delivered again, so all of them move.
fn retention(raw_floor: &str) -> Retention {
    let (long_ago, answers_since) = ("2026-01-01T00:00:00Z".parse().unwrap(), now());
    Retention { raw_floor: day(raw_floor), ids_since: long_ago, answers_since, now: now() }
}

/// The work of the process that is killed: each line says that the next piece begins.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let store = PostgresStore::open(Options::new(address), Keyring::in_memory()).await.unwrap();
    let begins = |what: &str| writeln!(std::io::stdout(), "begins {what}").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut floors = DAYS.iter().skip(1).cycle();
    while Instant::now() < deadline {
        begins("a replay");
        let mut phase = store.begin_replay(plan(), now()).await.unwrap().phase;
        while phase == ReplayPhase::Building {
            begins("a piece");
            phase = store.rebuild(5).await.unwrap().unwrap().phase;
        }
        begins("a switch");
        store.switch_replay(now()).await.unwrap();
        let (floor, _) = floors.next().unwrap();
        begins("retention");
        store.retain(retention(floor)).await.unwrap();
    }
}

/// Starts the process, and kills it after so many pieces, in the middle of the next.
fn run_and_kill(address: &str, pieces: usize) {
    let mut process = start(address);
    let said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let begun = said.filter(|line| line.contains("begins")).take(pieces).count();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(begun, pieces, "the process ended by itself");
}

fn start(address: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(ADDRESS, address)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What was begun is brought to its end.
async fn finish(store: &PostgresStore) -> Replay {
    while store.retain(retention("2026-11-20")).await.unwrap().more {}
    let mut state = store.begin_replay(plan(), now()).await.unwrap();
    while state.phase == ReplayPhase::Building {
        state = store.rebuild(5).await.unwrap().unwrap();
    }
    store.switch_replay(now()).await.unwrap().unwrap()
}

fn rows_of(replay: Replay) -> u64 {
    replay.confirmed + replay.healed + replay.kept + replay.carried_over
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_a_process_is_killed_the_next_one_goes_on_and_nothing_is_lost_or_counted_twice() {
    if let Some(reason) = unavailable(Engine::Postgres) {
        return did_not_run("kills in the middle of retention and replays", &reason);
    }
    let database = support::database().await;
    let store = PostgresStore::open(Options::new(database.url()), Keyring::in_memory()).await.unwrap();
    register(&store, 0..USERS).await;
    let events = events();
    for batch in events.chunks(1_000) {
        store.fold_emotions(batch, rules(), now()).await.unwrap();
    }
    let client = support::client(database.url()).await;
    let tamper = "UPDATE emotional_events_summary SET event_count = event_count - 7, positivity_sum = positivity_sum + 7
         WHERE summary_date = '2026-11-20'";
    assert_eq!(client.execute(tamper, &[]).await.unwrap(), 12);

    for pieces in 1..=16 {
        let address = database.url().to_owned();
        tokio::task::spawn_blocking(move || run_and_kill(&address, pieces)).await.unwrap();
        // What was delivered before comes again, whatever stands half done.
        let again = &events[pieces * 700..][..300];
        let fates = store.fold_emotions(again, rules(), now()).await.unwrap();
        assert_eq!(fates.into_iter().collect::<HashSet<_>>(), HashSet::from([Folded::Repeated]));
    }
    assert_eq!(rows_of(finish(&store).await), ROWS, "the replay that was under way");
    let last = finish(&store).await;
    assert_eq!((last.confirmed, last.carried_over, rows_of(last)), (12, 24, ROWS));

    let totals = store.ledger_totals(Ledger::Emotions).await.unwrap();
    let all = u64::try_from(events.len()).unwrap();
    assert_eq!((totals.in_aggregates, totals.named), (all, all));
    assert_eq!(store.summary_mismatches(day("2026-01-01"), 10).await.unwrap(), []);
    let each =
        "SELECT summary_date::text, event_count, positivity_sum, stress_sum FROM emotional_events_summary";
    for row in client.query(each, &[]).await.unwrap() {
        let date: String = row.get(0);
        let of_day = DAYS.iter().find(|(day, _)| *day == date).unwrap().1;
        let events = i64::try_from(of_day / USERS).unwrap();
        let found: [i64; 3] = [1, 2, 3].map(|column| row.get(column));
        assert_eq!(found, [events, events * 250_000_000, events * 750_000_000], "{date}");
    }
}
