//! The bridge over two embedded buses: what it copies, what it leaves, how it goes on, and what the books say afterwards.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod books;
mod support;

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{Bus, Delivery, Event, Group, Subject};
use ecs_bus_embedded::Options;
use ecs_domain::Clock;
use ecs_work::bridge::{Bridge, Copies, GROUP, Plan, Progress};
use ecs_work::retention;
use ecs_work_testkit::FlakyBus;
use ecs_work_testkit::memory::MemoryBus;
use ecs_work_testkit::platform::{emotion, until};
use tokio_util::sync::CancellationToken;

use crate::support::{Move, events, everything, ids, only, over};

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
    assert!(copied + 1_000 * kills as u64 >= there.len() as u64, "it went on, and did not begin anew");
}

#[tokio::test]
async fn events_of_people_who_were_erased_are_left_out() {
    let moving = Move::open();
    let (gone, stays) = (moving.platform.user().await, moving.platform.user().await);
    let now = moving.platform.clock.now();
    let of = |user| (0..30).map(|number| emotion(user, &format!("e{number}"), now)).collect::<Vec<_>>();
    moving.platform.publish([of(gone), of(stays)].concat()).await;
    moving.keyring.destroy(gone, now).await.unwrap();
    let progress = moving.run(everything()).await.unwrap();
    let of = progress.now().into_iter().find(|of| of.subject == Subject::Emotions.as_str()).unwrap();
    assert_eq!((of.copied, of.erased, of.left, of.caught_up), (30, 30, 0, true));
    let there = events(moving.to.as_ref(), Subject::Emotions).await;
    assert!(there.len() == 30 && there.iter().all(|event| event.key == stays));
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

/// What it says of somebody goes with their key, and of the others it comes back as it was.
#[tokio::test]
async fn an_archive_stands_sealed_and_forgets_whoever_is_erased() {
    let moving = Move::open();
    let archive = Plan { archive: Some(retention::OTHERS_ON_BUS), ..only(Subject::Transactions) };
    moving.fill(5).await;
    moving.fill(7).await;
    let sent = events(moving.platform.bus.as_ref(), Subject::Transactions).await;
    assert_eq!(moving.run(archive.clone()).await.unwrap().now()[0].copied, 12);
    let kept = events(moving.to.as_ref(), Subject::Transactions).await;
    assert!(kept.iter().all(|event| !String::from_utf8_lossy(&event.payload).contains("amount")));

    let (back, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = || Options::new(Arc::clone(&moving.platform.clock) as Arc<dyn Clock>);
    let bring = async |to: Arc<dyn Bus>, keyring, name| {
        let copies = Copies::Everything(Group(name));
        let (from, plan) = (Arc::clone(&moving.to), Plan { copies, ..only(Subject::Transactions) });
        let progress =
            over(&Bridge { from, to: Arc::clone(&to), keyring, ..moving.bridge(plan) }).await.unwrap();
        (progress.now().remove(0), events(to.as_ref(), Subject::Transactions).await)
    };
    let (_, came) = bring(Move::bus(&back, options()), Some(moving.keyring.clone()), "one").await;
    assert_eq!(came, sent);

    let gone = sent[0].key;
    moving.keyring.destroy(gone, moving.platform.clock.now()).await.unwrap();
    let (of, came) = bring(Move::bus(&folder, options()), Some(moving.keyring.clone()), "two").await;
    assert_eq!((of.copied, of.erased), (7, 5));
    assert!(came.iter().all(|event| event.key != gone));
    let nowhere = tempfile::tempdir().unwrap();
    let (of, came) = bring(Move::bus(&nowhere, options()), None, "three").await;
    assert_eq!((of.copied, of.refused, came.len()), (0, 12, 0), "without keys nobody reads it");
    let refused = over(&Bridge { keyring: None, ..moving.bridge(archive) }).await.err().unwrap();
    assert!(refused.to_string().contains("ECS_VAULT_URL"), "{refused}");
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

#[tokio::test(flavor = "multi_thread")]
async fn bridges_of_one_name_share_the_work() {
    let moving = Arc::new(Move::open());
    moving.fill(20_000).await;
    let bridges: Vec<_> = (0..3)
        .map(|_| {
            let moving = Arc::clone(&moving);
            tokio::spawn(async move { moving.run(only(Subject::Emotions)).await.unwrap().now()[0].copied })
        })
        .collect();
    let mut shares = Vec::new();
    for bridge in bridges {
        shares.push(bridge.await.unwrap());
    }
    let there = events(moving.platform.bus.as_ref(), Subject::Emotions).await.len() as u64;
    assert_eq!(shares.iter().sum::<u64>(), there, "each event went over one of them: {shares:?}");
    assert_eq!(events(moving.to.as_ref(), Subject::Emotions).await.len() as u64, there);
}
