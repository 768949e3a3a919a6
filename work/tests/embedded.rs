//! The consumer loop over the embedded bus and store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::payload::EmotionPayload;
use ecs_bus::{Bus as _, Delivery, Outcome, Subject, SubscribeOptions};
use ecs_domain::{Clock as _, EventId};
use ecs_work::consume::{self, ConsumeDeps, Failure, Handler, Options};
use ecs_work::{BackOff, Decoded, OnFailure, OnStop};
use ecs_work_testkit::platform::{Platform, emotion, malformed, until};

/// Panics over some events and takes note of the others.
struct Picky {
    poison: BTreeSet<EventId>,
    taken: Mutex<Vec<EventId>>,
}

#[async_trait]
impl Handler for Picky {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let decoded = Decoded::of(batch, EmotionPayload::decode);
        assert!(decoded.items().iter().all(|emotion| !self.poison.contains(&emotion.id)), "a test's poison");
        self.taken.lock().unwrap().extend(decoded.items().iter().map(|emotion| emotion.id));
        let acks = vec![Outcome::Ack; decoded.items().len()];
        Ok(decoded.outcomes(acks))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_events_end_as_dead_letters_with_their_trace_and_stop_nobody() {
    let platform = Platform::open();
    let (user, now) = (platform.user().await, platform.clock.now());
    let mut batch: Vec<_> = (0..500).map(|n| emotion(user, &format!("{n}"), now)).collect();
    let (poison, broken) = (batch[250].id, malformed(emotion(user, "m", now)));
    batch.push(broken.clone());
    platform.publish(batch).await;

    let handler = Arc::new(Picky { poison: [poison].into(), taken: Mutex::default() });
    let deps = ConsumeDeps::new(platform.bus.clone(), platform.store.clone(), platform.clock.clone());
    // The schedule is short, for the bus's time is real here; the default one has its own tests.
    let retry = BackOff { first: Duration::from_millis(1), cap: Duration::from_millis(20) };
    let options = Options { retry, ..SubscribeOptions::default().into() };
    let (dynamic, token) = (Arc::clone(&handler) as Arc<dyn Handler>, platform.supervisor.token());
    let run = consume::run(deps, Subject::Emotions, options, dynamic, token);
    platform.supervisor.spawn("picky", OnFailure::StopProcess, OnStop::Wait, run);
    platform.settled(Subject::Emotions).await;

    let mut letters = platform.letters().await;
    letters.sort_by_key(|letter| letter.history.len());
    let [malformed, poisoned] = letters.as_slice() else { panic!("two dead letters, not {letters:?}") };
    assert_eq!(
        (malformed.id, malformed.history.len()),
        (broken.id, 1),
        "malformed ones are given up at once"
    );
    assert_eq!(malformed.payload, broken.payload, "with their original bytes");
    assert!(malformed.reason.starts_with("its payload is malformed"), "{}", malformed.reason);
    assert_eq!((poisoned.id, poisoned.history.len()), (poison, 10));
    assert!(poisoned.history.iter().is_sorted_by_key(|(at, _)| *at), "oldest first");
    let crashed = "gave up after 10 attempts; the last one: a fault of the platform: its worker crashed";
    assert!(poisoned.reason.starts_with(crashed), "{}", poisoned.reason);
    let taken = handler.taken.lock().unwrap().clone();
    let distinct: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), distinct.len()), (499, 499), "each of the others once");
    platform.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_settled_comes_again_after_a_restart() {
    struct Away;
    #[async_trait]
    impl Handler for Away {
        async fn handle(&self, _: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
            Err(Failure::Outage("the store is away".to_owned()))
        }
    }
    let platform = Platform::open();
    let user = platform.user().await;
    platform.publish(vec![emotion(user, "1", platform.clock.now())]).await;
    let deps = ConsumeDeps::new(platform.bus.clone(), platform.store.clone(), platform.clock.clone());
    let run = consume::run(
        deps.clone(),
        Subject::Emotions,
        Options::default(),
        Arc::new(Away),
        platform.supervisor.token(),
    );
    platform.supervisor.spawn("away", OnFailure::StopProcess, OnStop::Wait, run);
    let backlog =
        || async { platform.bus.backlog(Subject::Emotions, Subject::Emotions.group()).await.unwrap() };
    until("it was seen", || async { backlog().await.pending == 1 }).await;
    platform.drain().await;
    assert_eq!(backlog().await.pending, 1);

    let handler = Arc::new(Picky { poison: BTreeSet::new(), taken: Mutex::default() });
    let token = tokio_util::sync::CancellationToken::new();
    let dynamic = Arc::clone(&handler) as Arc<dyn Handler>;
    let task =
        tokio::spawn(consume::run(deps, Subject::Emotions, Options::default(), dynamic, token.clone()));
    platform.settled(Subject::Emotions).await;
    token.cancel();
    task.await.unwrap().unwrap();
    assert_eq!(handler.taken.lock().unwrap().len(), 1);
    assert!(platform.letters().await.is_empty());
}
