//! What is counted on the way over the bus, whichever transport it is, and what is said of what waits.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::{Bus, Delivery, Outcome, Subject, SubscribeOptions};
use ecs_domain::Clock as _;
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_metrics::Metrics;
use ecs_metrics::read::Exposition;
use ecs_work::consume::{self, ConsumeDeps, Failure, Handler};
use ecs_work::{Gauges, MeteredBus};
use ecs_work_testkit::memory::{Letters, MemoryBus, MemoryOutbox, TokioClock, event, until};
use ecs_work_testkit::platform::{DEADLINE, Platform, emotion};
use tokio_util::sync::CancellationToken;

fn sum(metrics: &Metrics, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    Exposition::read(&metrics.render()).unwrap().sum(name, labels)
}

#[tokio::test]
async fn every_result_is_counted_under_its_subject() {
    let (memory, metrics) = (MemoryBus::default(), Metrics::new());
    let bus = MeteredBus::new(Arc::new(memory.clone()), &metrics);
    memory.state().refuse_publishes = 2;
    let subjects = [Subject::Emotions, Subject::Emotions, Subject::Transactions, Subject::Emotions];
    let batch = subjects.into_iter().zip(1..).map(|(subject, number)| event(subject, number)).collect();
    assert_eq!(bus.publish(batch).await.iter().filter(|result| result.is_ok()).count(), 2);
    let check = |subject: Subject, result: &str, expect: f64| {
        let labels = [("subject", subject.as_str()), ("result", result)];
        assert_eq!(sum(&metrics, "ecs_bus_published_total", &labels), Some(expect), "{labels:?}");
    };
    check(Subject::Emotions, "ok", 1.0);
    check(Subject::Emotions, "unavailable", 2.0);
    check(Subject::Transactions, "ok", 1.0);
    check(Subject::Transactions, "unavailable", 0.0);
    assert_eq!(sum(&metrics, "ecs_bus_published_total", &[]), Some(4.0));
}

/// Lets the first attempts fail and gives the others up.
struct Unlucky;

#[async_trait]
impl Handler for Unlucky {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let outcome = |delivery: &Delivery| match delivery.attempt {
            1 => Outcome::Retry { after: Duration::from_secs(1), reason: "not now".to_owned() },
            _ => Outcome::DeadLetter { kind: DeadLetterKind::Refused, reason: "never".to_owned() },
        };
        Ok(batch.iter().map(outcome).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_redeliveries_and_dead_letters_are_counted() {
    let (memory, letters, metrics) = (MemoryBus::default(), Arc::new(Letters::default()), Metrics::new());
    let bus: Arc<dyn Bus> = Arc::new(MeteredBus::new(Arc::new(memory.clone()), &metrics));
    assert!(bus.publish((1..=3).map(|number| event(Subject::Emotions, number)).collect()).await.len() == 3);
    let deps = ConsumeDeps {
        metrics: metrics.clone(),
        ..ConsumeDeps::new(bus, Arc::clone(&letters) as _, TokioClock::start())
    };
    let token = CancellationToken::new();
    let options = SubscribeOptions::default().into();
    let run = tokio::spawn(consume::run(deps, Subject::Emotions, options, Arc::new(Unlucky), token.clone()));
    until("all are given up", || letters.all().len() == 3 && memory.settled()).await;
    token.cancel();
    run.await.unwrap().unwrap();

    let emotions = ("subject", Subject::Emotions.as_str());
    let check = |name: &str, labels: &[(&str, &str)], expect: f64| {
        assert_eq!(sum(&metrics, name, labels), Some(expect), "{name} {labels:?}");
    };
    check("ecs_bus_delivered_total", &[emotions], 6.0);
    check("ecs_bus_redelivered_total", &[emotions], 3.0);
    check("ecs_bus_batch_events_sum", &[emotions, ("stage", "delivered")], 6.0);
    check("ecs_bus_dead_letters_total", &[emotions, ("kind", "refused")], 3.0);
    check("ecs_bus_dead_letters_total", &[], 3.0);
}

#[tokio::test]
async fn what_waits_and_how_long_is_said() {
    let (platform, metrics) = (Platform::open(), Metrics::new());
    let user = platform.user().await;
    let at = platform.clock.now();
    platform.publish(["one", "two"].map(|name| emotion(user, name, at)).into()).await;
    platform.clock.advance(Duration::from_secs(600));
    let gauges = Gauges { metrics: metrics.clone(), clock: Arc::clone(&platform.clock) as _ };
    for subject in [Subject::Emotions, Subject::Transactions] {
        gauges.watch_backlog(&platform.supervisor, Arc::clone(&platform.bus) as _, subject);
    }
    let outbox = MemoryOutbox::default();
    outbox.put(ecs_work::outbox_message(&event(Subject::Notifications, 1)));
    gauges.watch_outbox(&platform.supervisor, Arc::new(outbox));

    let waits = |subject: Subject| {
        let subject = ("subject", subject.as_str());
        let pending = sum(&metrics, "ecs_bus_pending_events", &[subject])?;
        Some((pending, sum(&metrics, "ecs_bus_oldest_pending_age_seconds", &[subject])?))
    };
    let said = || {
        let all = waits(Subject::Emotions).is_some() && waits(Subject::Transactions).is_some();
        all && sum(&metrics, "ecs_store_outbox_pending_events", &[]) == Some(1.0)
    };
    tokio::time::timeout(DEADLINE, until("it is said", said)).await.unwrap();
    let (pending, age) = waits(Subject::Emotions).unwrap();
    assert_eq!(pending, 2.0);
    assert!((599.0..700.0).contains(&age), "{age}");
    assert_eq!(waits(Subject::Transactions), Some((0.0, 0.0)));
    platform.drain().await;
}
