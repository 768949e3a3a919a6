//! The consumer loop: retries, dead letters, isolation, outages, reconnects and the stop.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::{Bus as _, BusError, Delivery, Event, Outcome, Subject, SubscribeOptions};
use ecs_domain::EventId;
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_work::consume::{self, ConsumeDeps, Failure, Handler};
use ecs_work_testkit::memory::{Letters, MemoryBus, TokioClock, event, until};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

type Handle = Box<dyn Fn(&[Delivery]) -> Result<Vec<Outcome>, Failure> + Send + Sync>;

/// A handler that does what a test says, and remembers what it let through.
struct Scripted {
    handle: Handle,
    through: Mutex<Vec<(EventId, u32)>>,
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let outcomes = (self.handle)(batch)?;
        let mut through = self.through.lock().unwrap();
        through.extend(batch.iter().map(|delivery| (delivery.event.id, delivery.attempt)));
        Ok(outcomes)
    }
}

struct Run {
    bus: MemoryBus,
    letters: Arc<Letters>,
    handler: Arc<Scripted>,
    token: CancellationToken,
    task: JoinHandle<Result<(), BusError>>,
}

impl Run {
    fn start(handle: impl Fn(&[Delivery]) -> Result<Vec<Outcome>, Failure> + Send + Sync + 'static) -> Self {
        Self::on(MemoryBus::default(), Arc::default(), handle)
    }

    fn on(
        bus: MemoryBus,
        letters: Arc<Letters>,
        handle: impl Fn(&[Delivery]) -> Result<Vec<Outcome>, Failure> + Send + Sync + 'static,
    ) -> Self {
        let handler = Arc::new(Scripted { handle: Box::new(handle), through: Mutex::default() });
        let deps = ConsumeDeps::new(Arc::new(bus.clone()), Arc::clone(&letters) as _, TokioClock::start());
        let token = CancellationToken::new();
        let dynamic = Arc::clone(&handler) as Arc<dyn Handler>;
        let options = SubscribeOptions::default().into();
        let task = tokio::spawn(consume::run(deps, Subject::Emotions, options, dynamic, token.clone()));
        Self { bus, letters, handler, token, task }
    }

    async fn publish(&self, numbers: impl IntoIterator<Item = u128>) {
        let batch: Vec<Event> = numbers.into_iter().map(|number| event(Subject::Emotions, number)).collect();
        assert!(self.bus.publish(batch).await.iter().all(Result::is_ok));
    }

    async fn settled(&self) {
        until("everything is settled", || self.bus.settled()).await;
    }

    fn through(&self) -> Vec<(EventId, u32)> {
        self.handler.through.lock().unwrap().clone()
    }

    async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn acks(batch: &[Delivery]) -> Vec<Outcome> {
    vec![Outcome::Ack; batch.len()]
}

fn malformed() -> Outcome {
    Outcome::DeadLetter { kind: DeadLetterKind::Undecodable, reason: "malformed".to_owned() }
}

fn id(number: u128) -> EventId {
    EventId::new(Uuid::from_u128(number))
}

fn holds(batch: &[Delivery], number: u128) -> bool {
    batch.iter().any(|delivery| delivery.event.id == id(number))
}

#[tokio::test(start_paused = true)]
async fn a_failing_event_is_retried_with_growing_delay_and_given_up_after_ten_attempts() {
    let run = Run::start(|_| Err(Failure::Batch("the wheel came off".to_owned())));
    run.publish([1]).await;
    run.settled().await;

    let retries = run.bus.state().retries.clone();
    assert_eq!(retries.len(), 9, "nine retries, then the tenth attempt is the last");
    assert!(retries.iter().take(8).is_sorted_by(|a, b| a < b), "{retries:?}");
    assert!(
        retries.iter().all(|delay| *delay >= Duration::from_millis(160) && *delay <= Duration::from_secs(30))
    );
    let letters = run.letters.all();
    let [letter] = letters.as_slice() else { panic!("one dead letter, not {letters:?}") };
    assert_eq!(letter.reason, "gave up after 10 attempts; the last one: the wheel came off");
    assert_eq!(letter.history.len(), 10, "each attempt leaves its trace");
    assert!(letter.history.iter().all(|(_, reason)| reason.starts_with("the wheel came off")));
    assert_eq!(run.bus.state().acked.len(), 1, "it is off the bus");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_will_never_succeed_is_given_up_at_once_with_its_bytes() {
    let run = Run::start(|batch| Ok(vec![malformed(); batch.len()]));
    run.publish([1]).await;
    run.settled().await;

    assert!(run.bus.state().retries.is_empty());
    let letters = run.letters.all();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].id, letters[0].reason.as_str(), letters[0].history.len()),
        (id(1), "malformed", 1)
    );
    assert_eq!(letters[0].payload, event(Subject::Emotions, 1).payload);
    assert_eq!(
        (letters[0].subject.as_str(), letters[0].group.as_str()),
        ("user.emotions.topic", "emotion-processing")
    );
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn poison_that_panics_the_handler_does_not_take_its_batch_mates_down() {
    let poison = [13, 14, 77];
    let run = Run::start(move |batch| {
        assert!(!poison.iter().any(|number| holds(batch, *number)), "a test's poison");
        Ok(acks(batch))
    });
    run.publish(1..=100).await;
    run.settled().await;

    let through = run.through();
    let distinct: BTreeSet<EventId> = through.iter().map(|(id, _)| *id).collect();
    assert_eq!((through.len(), distinct.len()), (97, 97), "each of the others once");
    assert!(through.iter().all(|(_, attempt)| *attempt == 1), "none of them waited for a retry");
    let dead: BTreeSet<EventId> = run.letters.all().iter().map(|letter| letter.id).collect();
    assert_eq!(dead, poison.into_iter().map(id).collect());
    assert!(run.letters.all().iter().all(|letter| letter.reason.contains("its worker crashed")));
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_forgets_an_event_fails_with_it() {
    let run = Run::start(|batch| Ok(acks(&batch[usize::from(holds(batch, 2))..])));
    run.publish(1..=3).await;
    run.settled().await;
    let letters = run.letters.all();
    assert_eq!(letters.iter().map(|letter| letter.id).collect::<Vec<_>>(), [id(2)]);
    assert!(letters[0].reason.contains("settled 0 of 1 events"), "{}", letters[0].reason);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_half_an_hour_makes_no_dead_letters_and_counts_no_attempts() {
    let back = tokio::time::Instant::now() + Duration::from_secs(1800);
    let run = Run::start(move |batch| {
        if tokio::time::Instant::now() < back {
            return Err(Failure::Outage("the store is away".to_owned()));
        }
        Ok(acks(batch))
    });
    run.publish(1..=50).await;
    run.settled().await;

    assert!(tokio::time::Instant::now() < back + Duration::from_secs(6), "work goes on soon after");
    assert_eq!(run.through().len(), 50);
    assert!(run.through().iter().all(|(_, attempt)| *attempt == 1));
    assert!(run.letters.all().is_empty() && run.bus.state().retries.is_empty());
    assert!(run.bus.state().subscriptions > 10, "no batch was held beyond its lease");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_kept_stays_on_the_bus() {
    let letters = Arc::new(Letters::default());
    *letters.failures.lock().unwrap() = 3;
    let refuse = |_: &[Delivery]| Ok(vec![malformed()]);
    let run = Run::on(MemoryBus::default(), letters, refuse);
    run.publish([1]).await;
    run.settled().await;
    assert_eq!(run.letters.all().len(), 1);
    assert_eq!(run.bus.state().acked.len(), 1);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_away_is_joined_when_it_is_back() {
    let bus = MemoryBus::default();
    bus.state().refuse_subscriptions = 20;
    let run = Run::on(bus, Arc::default(), |batch| Ok(acks(batch)));
    run.publish([1]).await;
    run.settled().await;
    assert_eq!(run.through().len(), 1);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_loop_ends_when_the_bus_closes() {
    let end = async |told: bool| {
        let run = Run::start(|batch| Ok(acks(batch)));
        run.publish([1]).await;
        run.settled().await;
        if told {
            run.token.cancel();
        }
        run.bus.end();
        tokio::time::timeout(Duration::from_secs(1), run.task).await.unwrap().unwrap()
    };
    end(true).await.unwrap();
    // Nobody said stop: then the bus is broken, and a process that lives on would never work again.
    assert!(matches!(end(false).await, Err(ecs_bus::BusError::Closed)));
}

/// Holds every batch until it is let go.
struct Gate(Arc<Semaphore>);

#[async_trait]
impl Handler for Gate {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        self.0.acquire().await.unwrap().forget();
        Ok(acks(batch))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_settled_before_the_loop_stops() {
    let (bus, gate, token) = (MemoryBus::default(), Arc::new(Semaphore::new(0)), CancellationToken::new());
    let deps = ConsumeDeps::new(Arc::new(bus.clone()), Arc::new(Letters::default()), TokioClock::start());
    let (handler, options) = (Arc::new(Gate(Arc::clone(&gate))), SubscribeOptions::default().into());
    let mut task = tokio::spawn(consume::run(deps, Subject::Emotions, options, handler, token.clone()));
    bus.publish(vec![event(Subject::Emotions, 1)]).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut task).await.is_err());

    token.cancel();
    assert!(
        tokio::time::timeout(Duration::from_secs(1), &mut task).await.is_err(),
        "the batch is still in hand"
    );
    gate.add_permits(1);
    task.await.unwrap().unwrap();
    assert_eq!(bus.state().acked.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_an_outage_hands_the_batch_back() {
    let run = Run::start(|_| Err(Failure::Outage("the store is away".to_owned())));
    run.publish([1]).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let bus = run.bus.clone();
    tokio::time::timeout(Duration::from_secs(1), run.stop()).await.unwrap();
    assert!(!bus.settled() && bus.state().acked.is_empty(), "it waits for the next start");
}
