//! The bridge over two embedded buses: what it copies, what it leaves, how it goes on, and what the books say afterwards.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::payload::{EmotionPayload, TransactionPayload};
use ecs_bus::{Bus, Delivery, Event, Frontier, Group, Headers, Outcome, Subject};
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::{Clock, EventId, UserId};
use ecs_store::{EmotionRules, Folded, Folds as _};
use ecs_work::bridge::{Bridge, BridgeError, Copies, GROUP, Plan, Progress};
use ecs_work::consume::{self, ConsumeDeps, Failure, Handler};
use ecs_work::{Decoded, OnFailure, OnStop, Supervisor, books, decoded, retention};
use ecs_work_testkit::FlakyBus;
use ecs_work_testkit::memory::MemoryBus;
use ecs_work_testkit::platform::{Platform, emotion, malformed, transaction, until};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A platform and the bus that it moves to, which share a clock.
struct Move {
    platform: Arc<Platform>,
    to: Arc<dyn Bus>,
    folder: TempDir,
}

impl Move {
    fn open() -> Self {
        let (platform, folder) = (Arc::new(Platform::open()), tempfile::tempdir().unwrap());
        let to = Self::bus(&folder, Options::new(Arc::clone(&platform.clock) as Arc<dyn Clock>));
        Self { platform, to, folder }
    }

    fn bus(folder: &TempDir, options: Options) -> Arc<dyn Bus> {
        Arc::new(EmbeddedBus::open(folder.path().join("bus.db"), options).unwrap())
    }

    /// Events of every subject, some with the headers of a request, one that nobody understands.
    async fn fill(&self, count: u32) {
        let user = self.platform.user().await;
        let now = self.platform.clock.now();
        let mut events = vec![malformed(emotion(user, "bad", now))];
        for number in 0..count {
            let mut felt = emotion(user, &format!("e{number}"), now);
            felt.headers = Headers::of_request(&format!("r{number}"), "00-1-2-01");
            let bought = transaction(user, &format!("t{number}"), now);
            let told = Event { subject: Subject::Notifications, ..bought.clone() };
            let approved = Event { subject: Subject::OffersApproved, ..bought.clone() };
            events.extend([felt, bought, told, approved]);
        }
        for chunk in events.chunks(5_000) {
            self.platform.publish(chunk.to_vec()).await;
        }
    }

    fn bridge(&self, plan: Plan) -> Bridge {
        let (from, to) = (Arc::clone(&self.platform.bus) as Arc<dyn Bus>, Arc::clone(&self.to));
        Bridge { from, to, plan, clock: Arc::clone(&self.platform.clock) as Arc<dyn Clock> }
    }

    async fn run(&self, plan: Plan) -> Result<Progress, BridgeError> {
        over(&self.bridge(plan)).await
    }
}

async fn over(bridge: &Bridge) -> Result<Progress, BridgeError> {
    let progress = Progress::new(&bridge.plan.subjects);
    bridge.run(&progress, &CancellationToken::new()).await?;
    Ok(progress)
}

fn everything() -> Plan {
    Plan { subjects: Subject::ALL.to_vec(), copies: Copies::Everything(GROUP), follow: false, archive: None }
}

fn only(subject: Subject) -> Plan {
    Plan { subjects: vec![subject], ..everything() }
}

/// All that a bus has of a subject.
async fn events(bus: &dyn Bus, subject: Subject) -> Vec<Event> {
    let page = bus.log(subject, &Frontier::default(), 1_000_000).await.unwrap();
    page.records.into_iter().map(|record| record.event).collect()
}

async fn ids(bus: &dyn Bus, subject: Subject) -> HashSet<EventId> {
    events(bus, subject).await.into_iter().map(|event| event.id).collect()
}

#[tokio::test]
async fn ids_keys_payloads_and_headers_are_kept() {
    let moving = Move::open();
    moving.fill(300).await;
    let progress = moving.run(everything()).await.unwrap();
    for (of, subject) in progress.now().iter().zip(Subject::ALL) {
        let there = events(moving.platform.bus.as_ref(), subject).await;
        assert!(there.len() >= 300);
        assert_eq!(events(moving.to.as_ref(), subject).await, there);
        assert_eq!((of.copied, of.left, of.at_start), (there.len() as u64, 0, Some(there.len() as u64)));
        assert!(of.caught_up && of.refused == 0 && of.trouble.is_none());
    }
    // There is nothing left for a second one; under another name everything is copied once more.
    assert_eq!(moving.run(everything()).await.unwrap().now()[0].copied, 0);
    let other = Plan { copies: Copies::Everything(Group("other")), ..only(Subject::Emotions) };
    assert_eq!(moving.run(other).await.unwrap().now()[0].copied, 301);
}

#[tokio::test]
async fn only_the_chosen_subjects_are_copied() {
    let moving = Move::open();
    moving.fill(10).await;
    moving.run(only(Subject::Transactions)).await.unwrap();
    assert_eq!(events(moving.to.as_ref(), Subject::Transactions).await.len(), 10);
    for subject in [Subject::Emotions, Subject::OffersApproved, Subject::Notifications] {
        assert_eq!(events(moving.to.as_ref(), subject).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_killed_goes_on_where_it_was_and_loses_nothing() {
    let moving = Move::open();
    moving.fill(10_000).await;
    let (mut copied, mut kills) = (0, 0);
    loop {
        let bridge = moving.bridge(only(Subject::Emotions));
        let progress = Arc::new(Progress::new(&bridge.plan.subjects));
        let (seen, stop) = (Arc::clone(&progress), CancellationToken::new());
        let task = tokio::spawn(async move { bridge.run(&seen, &stop).await });
        until("it has copied a piece", || async { task.is_finished() || progress.now()[0].copied > 0 }).await;
        task.abort();
        let ended = task.await;
        copied += progress.now()[0].copied;
        match ended {
            Ok(ended) => break ended.unwrap(),
            Err(_) => kills += 1,
        }
        assert!(kills < 100, "it makes no progress");
    }
    assert!(kills > 2, "it was killed {kills} times");
    let there = ids(moving.platform.bus.as_ref(), Subject::Emotions).await;
    assert_eq!(ids(moving.to.as_ref(), Subject::Emotions).await, there);
    let again = events(moving.to.as_ref(), Subject::Emotions).await.len() - there.len();
    assert!(again <= 1_000 * kills, "{again} events were copied again, more than the windows in hand");
    assert!(copied >= there.len() as u64 - 1_000 * kills as u64, "it went on, and did not begin anew");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_either_side_is_waited_for() {
    let moving = Move::open();
    moving.fill(50).await;
    // Longer than events are held: the member leaves its group and joins again.
    let flaky = Arc::new(FlakyBus::new(Arc::clone(&moving.to), Subject::Transactions, 200));
    let to = Arc::clone(&flaky) as Arc<dyn Bus>;
    let progress = over(&Bridge { to, ..moving.bridge(everything()) }).await.unwrap();
    assert_eq!(flaky.refusals_left(), 0);
    assert!(progress.now().iter().all(|of| of.caught_up && of.trouble.is_none()), "{:?}", progress.now());
    for subject in Subject::ALL {
        let there = ids(moving.platform.bus.as_ref(), subject).await;
        assert_eq!(ids(moving.to.as_ref(), subject).await, there);
    }
}

#[tokio::test]
async fn an_event_that_the_other_bus_never_takes_is_named_and_holds_up_nothing() {
    let mut moving = Move::open();
    let clock = Arc::clone(&moving.platform.clock);
    drop(std::mem::replace(&mut moving.to, Arc::new(MemoryBus::default())));
    let small = Options { max_payload: 2_000, ..Options::new(Arc::clone(&clock) as Arc<dyn Clock>) };
    moving.to = Move::bus(&moving.folder, small);
    let user = moving.platform.user().await;
    let large = Event { payload: vec![b' '; 3_000].into(), ..emotion(user, "large", clock.now()) };
    moving.platform.publish(vec![large.clone()]).await;
    moving.fill(20).await;
    let progress = moving.run(only(Subject::Emotions)).await.unwrap();
    let of = &progress.now()[0];
    assert_eq!((of.copied, of.refused, of.left, of.caught_up), (21, 1, 1, true));
    assert_eq!(of.refusals[0].event_id, large.id);
    assert!(of.refusals[0].reason.contains("3000 bytes, the bus takes 2000"), "{:?}", of.refusals);
    assert_eq!(events(moving.to.as_ref(), Subject::Emotions).await.len(), 21);

    // A bus that takes it gets it: it was left where it was.
    moving.to.close().await.unwrap();
    moving.to = Move::bus(&moving.folder, Options::new(Arc::clone(&clock) as Arc<dyn Clock>));
    clock.advance(Duration::from_secs(120));
    let of = &moving.run(only(Subject::Emotions)).await.unwrap().now()[0];
    assert_eq!((of.copied, of.refused, of.left), (1, 0, 0));
    assert!(ids(moving.to.as_ref(), Subject::Emotions).await.contains(&large.id));
}

#[tokio::test]
async fn a_bridge_that_follows_ends_when_it_is_told_to_with_nothing_half_done() {
    let moving = Move::open();
    moving.fill(10).await;
    let bridge = moving.bridge(Plan { follow: true, ..only(Subject::Transactions) });
    let (progress, stop) = (Arc::new(Progress::new(&bridge.plan.subjects)), CancellationToken::new());
    let (seen, told) = (Arc::clone(&progress), stop.clone());
    let task = tokio::spawn(async move { bridge.run(&seen, &told).await });
    until("it has caught up", || async { progress.now()[0].caught_up }).await;
    moving.fill(10).await;
    until("it has followed", || async { progress.now()[0].copied == 20 }).await;
    assert!(!task.is_finished());
    stop.cancel();
    task.await.unwrap().unwrap();
    let backlog = moving.platform.bus.backlog(Subject::Transactions, GROUP).await.unwrap();
    assert_eq!(backlog.pending, 0);
}

#[tokio::test]
async fn what_is_missing_is_said_at_the_start() {
    let moving = Move::open();
    moving.fill(1).await;
    let check = async |bridge: Bridge, expect: &str| {
        let refusal = over(&bridge).await.map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains(expect), "{refusal}");
    };
    let forgetful = || Arc::new(MemoryBus::default()) as Arc<dyn Bus>;
    let bridge = || moving.bridge(everything());
    let no_log = "the memory bus does not offer a log that can be read";
    check(Bridge { from: forgetful(), ..bridge() }, &format!("copied from this bus: {no_log}; a new group"))
        .await;
    let archive = Plan { archive: Some(retention::OTHERS_ON_BUS), ..only(Subject::Transactions) };
    check(Bridge { to: forgetful(), ..moving.bridge(archive) }, &format!("copied to this bus: {no_log}"))
        .await;
    let archive = Plan { archive: Some(retention::OTHERS_ON_BUS), ..everything() };
    check(moving.bridge(archive), "user.emotions.topic does not go into an archive").await;
    let same = Arc::clone(&moving.platform.bus) as Arc<dyn Bus>;
    check(Bridge { to: same, ..bridge() }, "the same bus").await;
    assert_eq!(events(moving.to.as_ref(), Subject::Transactions).await, [], "nothing was copied");
}

#[tokio::test]
async fn an_archive_forgets_when_its_time_is_over() {
    let moving = Move::open();
    let day = Duration::from_secs(86_400);
    let archive = Plan { archive: Some(2 * day), ..only(Subject::Transactions) };
    moving.fill(5).await;
    moving.run(archive.clone()).await.unwrap();
    moving.platform.clock.advance(day);
    moving.fill(7).await;
    moving.run(archive.clone()).await.unwrap();
    assert_eq!(events(moving.to.as_ref(), Subject::Transactions).await.len(), 12);
    moving.platform.clock.advance(day + Duration::from_secs(1));
    moving.run(archive).await.unwrap();
    assert_eq!(events(moving.to.as_ref(), Subject::Transactions).await.len(), 7);
}

#[tokio::test]
async fn what_the_platform_has_not_settled_can_be_taken_over() {
    let moving = Move::open();
    moving.fill(10).await;
    let bus = moving.platform.bus.as_ref();
    let (subject, group) = (Subject::Transactions, Subject::Transactions.group());
    let options = ecs_bus::SubscribeOptions { max_batch: 4, ..ecs_bus::SubscribeOptions::default() };
    let mut worker = bus.subscribe(subject, group, options).await.unwrap();
    let batch = worker.next().await.unwrap();
    let ack = |delivery: &Delivery| ecs_bus::Settlement { tag: delivery.tag, verdict: ecs_bus::Verdict::Ack };
    worker.settle(batch.iter().map(ack).collect()).await.unwrap();
    drop(worker);
    let plan = Plan { copies: Copies::Unsettled, ..only(subject) };
    let of = &moving.run(plan).await.unwrap().now()[0];
    assert_eq!((of.copied, of.left), (6, 0));
    assert_eq!(bus.backlog(subject, group).await.unwrap().pending, 0);
}

/// Folds, as the two workers do whose ledgers the books balance.
struct Work(Arc<Platform>, Subject);

#[async_trait]
impl Handler for Work {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let Self(platform, subject) = self;
        let now = platform.clock.now();
        if *subject == Subject::Emotions {
            let decoded = Decoded::of(batch, EmotionPayload::decode);
            let rules = EmotionRules {
                consent: ConsentRule::Assumed,
                stress: StressThreshold(Unit::new(0.7).unwrap()),
                raw_floor: retention::raw_floor(now, 30),
            };
            let fates = platform.store.fold_emotions(decoded.items(), rules, now).await?;
            return Ok(decoded.outcomes(fates.into_iter().map(outcome)));
        }
        let decoded = Decoded::of(batch, TransactionPayload::decode);
        let fates = platform.store.fold_transactions(decoded.items(), now).await?;
        Ok(decoded.outcomes(fates.into_iter().map(outcome)))
    }
}

fn outcome(fate: Folded) -> Outcome {
    if fate == Folded::UnknownUser { decoded::unknown_user() } else { Outcome::Ack }
}

/// Works on a bus until it is told to stop.
fn work(platform: &Arc<Platform>, bus: &Arc<dyn Bus>) -> Supervisor {
    let supervisor = Supervisor::new();
    for subject in [Subject::Emotions, Subject::Transactions] {
        let deps = ConsumeDeps::new(Arc::clone(bus), platform.store.clone(), platform.clock.clone());
        let handler = Arc::new(Work(Arc::clone(platform), subject));
        let options = ecs_bus::SubscribeOptions::default();
        let run = consume::run(deps, subject, options.into(), handler, supervisor.token());
        supervisor.spawn(subject.as_str(), OnFailure::StopProcess, OnStop::Wait, run);
    }
    supervisor
}

async fn send(bus: &dyn Bus, platform: &Platform, users: &[UserId], rounds: std::ops::Range<u32>) {
    for round in rounds {
        let now = platform.clock.now();
        let events = users.iter().enumerate().flat_map(|(number, user)| {
            // Every tenth comes twice.
            let name = format!("{}-{number}", round - u32::from(round % 10 == 9));
            [emotion(*user, &name, now), transaction(*user, &name, now)]
        });
        assert!(bus.publish(events.collect()).await.iter().all(Result::is_ok));
    }
}

async fn settled(bus: &dyn Bus) {
    for subject in [Subject::Emotions, Subject::Transactions] {
        let settled = || async { bus.backlog(subject, subject.group()).await.unwrap().pending == 0 };
        until("all is settled", settled).await;
    }
}

/// The store counts events that the first bus forgot before the second one was there, the workers stop in the middle of a
/// backlog, and load goes on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_balance_over_the_new_bus_after_a_move_in_the_middle_of_load() {
    let moving = Move::open();
    let platform = &moving.platform;
    let (old, new) = (Arc::clone(&platform.bus) as Arc<dyn Bus>, &moving.to);
    let users = [platform.user().await, platform.user().await, UserId::new(Uuid::new_v4())];
    let workers = work(platform, &old);
    send(old.as_ref(), platform, &users, 0..50).await;
    settled(old.as_ref()).await;
    // A bus is young, the platform isn't: what was counted in its first week is forgotten by now.
    platform.clock.advance(8 * Duration::from_secs(86_400));
    for subject in Subject::ALL {
        retention::sweep_bus(old.as_ref(), subject, platform.clock.now()).await.unwrap();
    }

    let bridge = moving.bridge(Plan { follow: true, ..everything() });
    let (progress, stop) = (Progress::new(&bridge.plan.subjects), CancellationToken::new());
    let load = async {
        send(old.as_ref(), platform, &users, 50..80).await;
        assert!(workers.drain(Duration::from_secs(30)).await.is_clean());
        send(old.as_ref(), platform, &users, 80..120).await;
        // The intake has moved; what is left on the old bus is copied.
        send(new.as_ref(), platform, &users, 120..140).await;
        until("everything is copied", || async {
            let backlog = old.backlog(Subject::Emotions, GROUP).await.unwrap();
            backlog.pending + old.backlog(Subject::Transactions, GROUP).await.unwrap().pending == 0
        })
        .await;
        stop.cancel();
    };
    let (copied, ()) = tokio::join!(bridge.run(&progress, &stop), load);
    copied.unwrap();

    let workers = work(platform, new);
    send(new.as_ref(), platform, &users, 140..170).await;
    settled(new.as_ref()).await;
    let now = platform.clock.now();
    let floor = retention::raw_floor(now, 30);
    let report = books::balance(new.as_ref(), platform.store.as_ref(), now, floor).await.unwrap();
    assert_eq!(report.complaints(), [""; 0]);
    // 120 rounds since the old bus forgot, every tenth of which repeats the one before it.
    assert_eq!((report.emotions.accepted, report.emotions.counted), (120 / 10 * 9 * 3, 120 / 10 * 9 * 2));
    assert_eq!(
        (report.transactions.in_aggregates, report.transactions.dead_lettered),
        (170 / 10 * 9 * 2, 108)
    );

    // What never came over either bus is still found.
    let made_up = EmotionPayload::decode(&emotion(users[0], "made up", now)).unwrap();
    let rules = EmotionRules {
        consent: ConsentRule::Assumed,
        stress: StressThreshold(Unit::new(0.7).unwrap()),
        raw_floor: floor,
    };
    platform.store.fold_emotions(&[made_up], rules, now).await.unwrap();
    let later = platform.clock.now() + Duration::from_secs(1);
    let report = books::balance(new.as_ref(), platform.store.as_ref(), later, floor).await.unwrap();
    assert_eq!(report.emotions.never_accepted, 1, "{:?}", report.complaints());
    assert!(workers.drain(Duration::from_secs(30)).await.is_clean());
}
