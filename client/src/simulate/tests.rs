//! Simulations against a stub of the platform.

use std::time::Duration;

use ecs_domain::Timestamp;

use super::*;
use crate::check;
use crate::stub::{Stub, Trouble};
use population::{Mix, Persona, Window};

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn tools(stub: &Stub, journal: Option<Arc<Journal>>) -> Tools {
    Tools {
        client: stub.client.clone(),
        clock: Arc::new(SystemClock),
        journal,
        meter: Arc::new(Meter::default()),
        stop: CancellationToken::new(),
    }
}

fn plan(events: u64) -> Plan {
    Plan { users: 6, rate: None, until: Until::Sent(events), concurrency: 8, ..Plan::default() }
}

#[tokio::test]
async fn every_event_of_the_plan_is_sent_once_and_counted() {
    let stub = Stub::start().await;
    let summary = run(&plan(200), &tools(&stub, None)).await.unwrap();
    assert_eq!((summary.sent, summary.accepted, summary.unanswered, summary.wrong_ids), (200, 200, 0, 0));
    assert!(summary.refused.is_empty() && summary.failed_attempts.is_empty());
    assert!(summary.latency.is_some_and(|latency| latency.max_ms >= latency.p50_ms));
    let memory = stub.memory.lock().unwrap();
    assert_eq!((memory.events.len(), memory.requests), (200, 200));
}

#[tokio::test]
async fn a_rerun_meets_the_same_users_and_sends_other_events() {
    let stub = Stub::start().await;
    run(&plan(20), &tools(&stub, None)).await.unwrap();
    run(&plan(20), &tools(&stub, None)).await.unwrap();
    let memory = stub.memory.lock().unwrap();
    assert_eq!((memory.users.len(), memory.events.len()), (6, 40));
    assert!(memory.users.contains_key("sim-1-0"));
}

#[tokio::test]
async fn trouble_is_survived_under_the_same_id_and_the_journal_holds() {
    let stub = Stub::start().await;
    stub.trouble([
        Trouble::Busy(0),
        Trouble::TakenButBroken,
        Trouble::Status(422),
        Trouble::Status(500),
        Trouble::TakenButBroken,
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = Arc::new(Journal::create(&path).unwrap());
    let tools = tools(&stub, Some(journal));
    let summary = run(&plan(60), &tools).await.unwrap();
    assert_eq!((summary.sent, summary.accepted), (60, 59));
    assert_eq!(summary.refused.get(&422), Some(&1));
    assert_eq!(summary.failed_attempts.get("broken"), Some(&2), "{:?}", summary.failed_attempts);
    assert_eq!(summary.failed_attempts.get("503"), Some(&1));
    assert_eq!(stub.memory.lock().unwrap().events.len(), 59);

    let contents = Journal::read(&path).unwrap();
    let report = check::journal(&contents.entries, &tools.client, Duration::ZERO).await.unwrap();
    assert!(report.holds(), "{:?}", report.complaints());
    assert_eq!((report.sent, report.accepted.counted, report.refused), (60, 59, 1));

    // The journal can fail, too: an event that got its 202 and is gone.
    let lost = contents.entries.iter().find(|entry| entry.state == crate::journal::State::Accepted).unwrap();
    stub.memory.lock().unwrap().events.remove(&lost.key.event_id);
    let report = check::journal(&contents.entries, &tools.client, Duration::ZERO).await.unwrap();
    assert_eq!(report.missing.count, 1);
}

#[tokio::test]
async fn an_event_that_stays_unanswered_is_never_taken_for_an_accepted_one() {
    let stub = Stub::start().await;
    let plan = Plan { patience: Duration::ZERO, concurrency: 1, ..plan(3) };
    let tools = tools(&stub, None);
    let users = provision(&plan, &tools).await.unwrap();
    stub.trouble([Trouble::TakenButBroken, Trouble::Busy(60)]);
    let summary = run_as(&plan, &tools, users).await.unwrap();
    assert_eq!((summary.sent, summary.accepted, summary.unanswered), (3, 1, 2));
}

#[tokio::test]
async fn events_are_sent_when_they_are_due() {
    let stub = Stub::start().await;
    let plan = Plan { rate: Some(200.0), until: Until::Sent(41), ..plan(0) };
    let tools = tools(&stub, None);
    let users = provision(&plan, &tools).await.unwrap();
    let begun = Instant::now();
    let summary = run_as(&plan, &tools, users).await.unwrap();
    // The last of 41 events is due 40/200 s after the first; earlier it must not be.
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    assert_eq!(summary.accepted, 41);
}

#[tokio::test]
async fn a_simulation_that_is_stopped_says_how_far_it_came() {
    let stub = Stub::start().await;
    let plan = Plan { rate: Some(100.0), until: Until::Stopped, ..plan(0) };
    let tools = tools(&stub, None);
    let stopper = async {
        while stub.memory.lock().unwrap().events.len() < 10 {
            tokio::task::yield_now().await;
        }
        tools.stop.cancel();
    };
    let (summary, ()) = tokio::join!(run(&plan, &tools), stopper);
    let summary = summary.unwrap();
    assert!(summary.sent >= 10);
    assert_eq!(summary.sent, summary.accepted + summary.unanswered);
}

#[tokio::test]
async fn journeys_end_with_a_notification() {
    let stub = Stub::start().await;
    let plan = Plan {
        rate: Some(200.0),
        until: Until::Sent(40),
        journey_every: Some(Duration::from_millis(20)),
        ..plan(0)
    };
    let summary = run(&plan, &tools(&stub, None)).await.unwrap();
    assert!(summary.journeys.notified >= 1, "{:?}", summary.journeys);
    assert_eq!(summary.journeys.notified, summary.journeys.accepted);
    assert!(summary.journeys.failed.is_empty());
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let check = |plan: Plan, expect: bool| assert_eq!(plan.check().is_ok(), expect, "{plan:?}");
    check(Plan::default(), true);
    check(Plan { rate: Some(0.0), ..Plan::default() }, false);
    check(Plan { rate: Some(f64::NAN), ..Plan::default() }, false);
    check(Plan { transaction_share: Some(1.5), ..Plan::default() }, false);
    check(Plan { users: 0, ..Plan::default() }, false);
    check(Plan { lines: Some(500), ..Plan::default() }, true);
    check(Plan { lines: Some(0), ..Plan::default() }, false);
    check(Plan { lines: Some(10_001), ..Plan::default() }, false);
    check(Plan { concurrency: 0, ..Plan::default() }, false);
}

fn history(users: u32) -> Plan {
    let window = Window::new("2026-03-02".parse().unwrap(), "2026-03-08".parse().unwrap()).unwrap();
    Plan { users, when: When::Then(window), until: Until::Stopped, ..plan(0) }
}

#[tokio::test]
async fn a_history_is_sent_whole_and_sent_again_changes_nothing() {
    let stub = Stub::start().await;
    let plan = history(20);
    let first = run(&plan, &tools(&stub, None)).await.unwrap();
    assert_eq!(Some(first.sent), Story::new(&plan).unwrap().total());
    assert_eq!(first.sent, first.accepted);
    {
        let memory = stub.memory.lock().unwrap();
        assert_eq!(memory.events.len() as u64, first.sent);
        let times =
            memory.events.values().map(|it| it.get("timestamp").or_else(|| it.get("occurredAt")).unwrap());
        assert!(times.clone().all(|at| at.as_str().unwrap().starts_with("2026-03-0")));
    }
    run(&Plan { run: "another".to_owned(), lines: Some(50), ..plan.clone() }, &tools(&stub, None))
        .await
        .unwrap();
    assert_eq!(stub.memory.lock().unwrap().events.len() as u64, first.sent, "the same history counts once");
    let mix: Mix = "stressed-spender=1".parse().unwrap();
    let others = run(&Plan { mix, ..plan }, &tools(&stub, None)).await.unwrap();
    assert_eq!(stub.memory.lock().unwrap().events.len() as u64, first.sent + others.sent);
    assert_eq!(others.personas.keys().collect::<Vec<_>>(), [&Persona::StressedSpender]);
}

#[tokio::test]
async fn the_summary_adds_up_by_persona() {
    let stub = Stub::start().await;
    let plan = Plan { journey_every: Some(Duration::from_millis(1)), rate: Some(2_000.0), ..history(60) };
    let tools = tools(&stub, None);
    let summary = run(&plan, &tools).await.unwrap();
    let sum = |of: fn(&PersonaSummary) -> u64| summary.personas.values().map(of).sum::<u64>();
    assert_eq!(sum(|it| it.users), 60);
    assert_eq!(
        (sum(|it| it.emotions), sum(|it| it.emotions + it.transactions)),
        (summary.emotions, summary.sent)
    );
    assert_eq!(sum(|it| it.accepted), summary.accepted);
    assert_eq!((sum(|it| it.applied), sum(|it| it.denied)), (summary.journeys.applied, 0));
    let reading = tools.meter.read();
    assert_eq!(
        (reading.sent, reading.accepted, reading.expected),
        (summary.sent, summary.accepted, summary.sent)
    );
    assert_eq!(reading.users, (60, 60));
    assert_eq!(reading.journeys[0], summary.journeys.applied);
    assert_eq!(tools.meter.take_latencies().count(), summary.accepted);
}

/// Every line ends as accepted once, or is reported, whatever happens to the uploads.
#[tokio::test]
async fn uploads_survive_partial_rejections_and_broken_connections() {
    let stub = Stub::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let tools = tools(&stub, Some(Arc::new(Journal::create(&path).unwrap())));
    let plan = Plan { transaction_share: Some(0.0), lines: Some(40), concurrency: 1, ..plan(200) };
    let users = provision(&plan, &tools).await.unwrap();
    stub.trouble([
        Trouble::Lines(3),
        Trouble::Lines(2),
        Trouble::Busy(0),
        Trouble::TakenButBroken,
        Trouble::Lines(100),
        Trouble::CutOff(7),
        Trouble::Garbage,
        Trouble::BadLines(10),
        Trouble::Status(500),
    ]);
    let summary = run_as(&plan, &tools, users).await.unwrap();
    let refused: u64 = summary.refused.values().sum();
    assert_eq!(
        (summary.sent, summary.accepted + refused + summary.unanswered, summary.uploads),
        (200, 200, 5)
    );
    // An answer that can't be read is not tried again: its lines arrived, and nobody knows.
    assert_eq!((refused, summary.unanswered), (4, 33));
    assert_eq!(summary.failed_attempts.get("broken"), Some(&1), "{:?}", summary.failed_attempts);
    assert_eq!(summary.failed_attempts.get("line"), Some(&(13 + 6 + 33)), "{:?}", summary.failed_attempts);
    assert_eq!(stub.memory.lock().unwrap().events.len(), 196);

    let contents = Journal::read(&path).unwrap();
    let report = check::journal(&contents.entries, &tools.client, Duration::ZERO).await.unwrap();
    assert!(report.holds(), "{:?}", report.complaints());
    assert_eq!((report.sent, report.refused, report.accepted.counted), (200, refused, summary.accepted));
    assert_eq!((report.unanswered.total, report.unanswered.arrived), (33, 33));
}

#[tokio::test]
async fn an_upload_that_is_refused_as_a_whole_is_reported_line_by_line() {
    let stub = Stub::start().await;
    let tools = tools(&stub, None);
    let plan = Plan { transaction_share: Some(0.0), lines: Some(20), concurrency: 1, ..plan(60) };
    let users = provision(&plan, &tools).await.unwrap();
    stub.trouble([Trouble::Status(413)]);
    let summary = run_as(&plan, &tools, users).await.unwrap();
    assert_eq!((summary.accepted, summary.refused.get(&413)), (40, Some(&20)));
    assert_eq!(tools.meter.read().refused, 20);
}

/// Lines that may have arrived before they were refused are not noted as refused: the books would show them all the same.
#[tokio::test]
async fn a_refusal_after_a_broken_answer_proves_nothing() {
    let stub = Stub::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let tools = tools(&stub, Some(Arc::new(Journal::create(&path).unwrap())));
    let plan = Plan { transaction_share: Some(0.0), lines: Some(20), concurrency: 1, ..plan(20) };
    let users = provision(&plan, &tools).await.unwrap();
    stub.trouble([Trouble::TakenButBroken, Trouble::BadLines(5)]);
    let summary = run_as(&plan, &tools, users).await.unwrap();
    assert_eq!((summary.accepted, summary.refused.get(&422)), (16, Some(&4)));
    let contents = Journal::read(&path).unwrap();
    let report = check::journal(&contents.entries, &tools.client, Duration::ZERO).await.unwrap();
    assert!(report.holds(), "{:?}", report.complaints());
    assert_eq!((report.accepted.counted, report.refused, report.unanswered.arrived), (16, 0, 4));
}

#[tokio::test]
async fn an_upload_that_stays_unanswered_is_never_taken_for_accepted() {
    let stub = Stub::start().await;
    let tools = tools(&stub, None);
    let patience = Duration::ZERO;
    let plan = Plan { transaction_share: Some(0.0), lines: Some(20), concurrency: 1, patience, ..plan(60) };
    let users = provision(&plan, &tools).await.unwrap();
    stub.trouble([Trouble::TakenButBroken, Trouble::Lines(4)]);
    let summary = run_as(&plan, &tools, users).await.unwrap();
    assert_eq!((summary.sent, summary.accepted, summary.unanswered), (60, 35, 25));
}

#[tokio::test]
async fn uploads_keep_the_rate_and_wait_no_longer_than_a_second() {
    let stub = Stub::start().await;
    let plan = Plan { rate: Some(40.0), until: Until::Sent(61), lines: Some(1_000), ..plan(0) };
    let tools = tools(&stub, None);
    let users = provision(&plan, &tools).await.unwrap();
    let begun = Instant::now();
    let summary = run_as(&plan, &tools, users).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
    assert_eq!(summary.accepted, 61);
    // A second and a half of events, at most a second of them in one upload.
    assert_eq!(summary.uploads, 2);
}

#[tokio::test]
async fn a_simulation_that_uploads_can_be_stopped() {
    let stub = Stub::start().await;
    let plan = Plan { rate: Some(200.0), until: Until::Stopped, lines: Some(50), ..plan(0) };
    let tools = tools(&stub, None);
    let stopper = async {
        while stub.memory.lock().unwrap().events.len() < 50 {
            tokio::task::yield_now().await;
        }
        tools.stop.cancel();
    };
    let (summary, ()) = tokio::join!(run(&plan, &tools), stopper);
    let summary = summary.unwrap();
    assert!(summary.sent >= 50);
    assert_eq!(summary.sent, summary.accepted + summary.unanswered);
}
