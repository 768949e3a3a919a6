//! A platform that moves to another bus, and its books.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::payload::{EmotionPayload, TransactionPayload};
use ecs_bus::{Bus, Delivery, Outcome, Subject, SubscribeOptions};
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::{Clock as _, UserId};
use ecs_store::{EmotionRules, Folded, Folds as _};
use ecs_work::bridge::{GROUP, Plan, Progress};
use ecs_work::consume::{self, ConsumeDeps, Failure, Handler};
use ecs_work::{Decoded, OnFailure, OnStop, Supervisor, books, decoded, retention};
use ecs_work_testkit::platform::{Platform, emotion, transaction, until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Move, everything};

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
        let options = SubscribeOptions::default();
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
