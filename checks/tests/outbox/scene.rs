//! Two real relays over a real store, each of which waits for a word before the bus answers and before rows are removed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, PublishError, Subject,
    SubscribeOptions, Subscription,
};
use ecs_checks::outbox::{Action, JUMP, LEASE, RELAYS, ROWS, Row, World};
use ecs_domain::{Clock, EventId, Timestamp};
use ecs_store::{Credit as _, Maintenance as _, Outbox, OutboxRow, StoreError};
use ecs_store_conformance::fixtures::{event_id, make_offer, message, now, offer_id, register, user};
use ecs_store_sqlite::{Options, SqliteStore, Synchronous};
use ecs_vault::Keyring;
use ecs_work::{Relay, RelayDeps, Wake};
use ecs_work_testkit::memory::MemoryBus;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The relay claims rows for ten seconds.
const TICK: Duration = Duration::from_secs(10 / LEASE as u64);

/// Where a relay's pass has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// It has offered these rows to the bus.
    Publish([bool; ROWS]),
    /// It is about to remove these rows.
    Finish([bool; ROWS]),
    /// It has ended.
    Done,
}

/// What a relay waits for.
enum Signal {
    Publish(Vec<EventId>, oneshot::Sender<[bool; ROWS]>),
    Finish(Vec<EventId>, oneshot::Sender<()>),
    Done,
}

struct Running {
    task: JoinHandle<()>,
    signals: mpsc::UnboundedReceiver<Signal>,
    answer: Option<oneshot::Sender<[bool; ROWS]>>,
    go_on: Option<oneshot::Sender<()>>,
}

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    clock: Arc<Hand>,
    relays: [Option<Running>; RELAYS],
    published: Arc<Mutex<Vec<EventId>>>,
}

/// A clock that is set.
struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Hand {
    fn change(&self, change: impl FnOnce(Timestamp) -> Timestamp) {
        let mut now = self.0.lock().unwrap();
        *now = change(*now);
    }
}

fn open(folder: &tempfile::TempDir) -> Arc<SqliteStore> {
    let options = Options { synchronous: Synchronous::Off, ..Options::default() };
    Arc::new(SqliteStore::open(folder.path().join("store.db"), Keyring::in_memory(), options).unwrap())
}

fn number(row: usize) -> u128 {
    row.try_into().unwrap()
}

fn rows(ids: &[EventId]) -> [bool; ROWS] {
    let rows = std::array::from_fn(|row| ids.contains(&event_id(number(row))));
    assert_eq!(rows.iter().filter(|held| **held).count(), ids.len(), "each row once: {ids:?}");
    rows
}

impl Scene {
    /// Each row will be put into the outbox by the acceptance of an offer.
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        register(&*store, (0..ROWS).map(number)).await;
        for row in 0..ROWS {
            make_offer(&*store, number(row), number(row), now()).await;
        }
        let clock = Arc::new(Hand(Mutex::new(now())));
        Self { folder, store, clock, relays: [None, None], published: Arc::default() }
    }

    /// Starts a pass.
    pub(crate) async fn start(&mut self, relay: usize) -> At {
        let (sender, signals) = mpsc::unbounded_channel();
        let bus = GateBus {
            sender: sender.clone(),
            published: Arc::clone(&self.published),
            rest: MemoryBus::default(),
        };
        let store = GateStore { sender: sender.clone(), store: Arc::clone(&self.store) };
        let (clock, wake) = (Arc::clone(&self.clock) as Arc<dyn Clock>, Wake::new());
        let pass = Relay::create(RelayDeps { bus: Arc::new(bus), store: Arc::new(store), clock, wake });
        let task = tokio::spawn(async move {
            pass.pass(&CancellationToken::new()).await.unwrap();
            drop(sender.send(Signal::Done));
        });
        self.relays[relay] = Some(Running { task, signals, answer: None, go_on: None });
        self.arrive(relay).await
    }

    /// Lets the bus take all but the rows that are named.
    pub(crate) async fn answer(&mut self, relay: usize, refused: [bool; ROWS]) -> At {
        let answer = self.relays[relay].as_mut().unwrap().answer.take().unwrap();
        answer.send(refused).unwrap();
        self.arrive(relay).await
    }

    /// Lets the relay remove what was published.
    pub(crate) async fn finish(&mut self, relay: usize) -> At {
        let go_on = self.relays[relay].as_mut().unwrap().go_on.take().unwrap();
        go_on.send(()).unwrap();
        self.arrive(relay).await
    }

    async fn arrive(&mut self, relay: usize) -> At {
        let running = self.relays[relay].as_mut().unwrap();
        match running.signals.recv().await.unwrap() {
            Signal::Publish(ids, answer) => {
                running.answer = Some(answer);
                At::Publish(rows(&ids))
            }
            Signal::Finish(ids, go_on) => {
                running.go_on = Some(go_on);
                At::Finish(rows(&ids))
            }
            Signal::Done => {
                self.relays[relay] = None;
                At::Done
            }
        }
    }

    /// What is no relay's own step.
    pub(crate) async fn happen(&mut self, action: Action) {
        match action {
            Action::Commit(row) => {
                let (user, offer) = (user(number(row)), offer_id(number(row)));
                let message = message(number(row), number(row));
                self.store.accept_offer(user, offer, now(), message, None).await.unwrap();
            }
            Action::Crash(relay) => self.crash(relay).await,
            Action::Restart => {
                for relay in 0..RELAYS {
                    self.crash(relay).await;
                }
                self.store.close().await.unwrap();
                self.store = open(&self.folder);
            }
            Action::Tick => self.clock.change(|now| now + TICK),
            Action::JumpBack => self.clock.change(|now| now - TICK * u32::try_from(JUMP).unwrap()),
            Action::Claim(_) | Action::Publish(..) | Action::Finish(_) | Action::LetGo(_) => {
                unreachable!("{action:?} is a relay's own step")
            }
        }
    }

    async fn crash(&mut self, relay: usize) {
        if let Some(Running { task, .. }) = self.relays[relay].take() {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }

    /// What waits, and what was published how often.
    pub(crate) async fn agrees_with(&self, world: &World) {
        let waiting = world.rows.iter().filter(|row| matches!(row, Row::Waits(_))).count();
        assert_eq!(self.store.outbox_depth().await.unwrap(), waiting as u64);
        let published = self.published.lock().unwrap();
        let times = |row| published.iter().filter(|id| **id == event_id(number(row))).count().min(3);
        assert_eq!(std::array::from_fn::<usize, ROWS, _>(times), world.published.map(usize::from));
    }

    pub(crate) async fn is_empty(&self) {
        assert_eq!(self.store.outbox_depth().await.unwrap(), 0);
        self.store.close().await.unwrap();
    }
}

/// The store, whose rows are removed when the test says so.
struct GateStore {
    sender: mpsc::UnboundedSender<Signal>,
    store: Arc<SqliteStore>,
}

#[async_trait]
impl Outbox for GateStore {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        assert_eq!(lease, TICK * u32::try_from(LEASE).unwrap(), "the model's lease is the relay's");
        self.store.claim_outbox(limit, now, lease).await
    }

    async fn finish_outbox(&self, rows: &[OutboxRow]) -> Result<(), StoreError> {
        let (go_on, gone_on) = oneshot::channel();
        drop(self.sender.send(Signal::Finish(rows.iter().map(|row| row.id).collect(), go_on)));
        gone_on.await.unwrap();
        self.store.finish_outbox(rows).await
    }

    async fn outbox_depth(&self) -> Result<u64, StoreError> {
        self.store.outbox_depth().await
    }
}

/// A bus that takes what the test says, when it says so.
struct GateBus {
    sender: mpsc::UnboundedSender<Signal>,
    published: Arc<Mutex<Vec<EventId>>>,
    rest: MemoryBus,
}

#[async_trait]
impl Bus for GateBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let (answer, answered) = oneshot::channel();
        let ids: Vec<EventId> = batch.iter().map(|event| event.id).collect();
        drop(self.sender.send(Signal::Publish(ids.clone(), answer)));
        let refused = answered.await.unwrap();
        let result = |id: EventId| {
            if (0..ROWS).any(|row| refused[row] && id == event_id(number(row))) {
                return Err(PublishError::Unavailable("a test's refusal".to_owned()));
            }
            self.published.lock().unwrap().push(id);
            Ok(())
        };
        ids.into_iter().map(result).collect()
    }

    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.rest.subscribe(subject, group, options).await
    }

    fn capabilities(&self) -> Capabilities {
        self.rest.capabilities()
    }

    async fn backlog(&self, subject: Subject, group: Group) -> Result<Backlog, BusError> {
        self.rest.backlog(subject, group).await
    }

    async fn log(&self, subject: Subject, after: &Frontier, limit: usize) -> Result<LogPage, BusError> {
        self.rest.log(subject, after, limit).await
    }

    async fn prune(&self, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
        self.rest.prune(subject, before).await
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.rest.ping().await
    }

    async fn close(&self) -> Result<(), BusError> {
        self.rest.close().await
    }
}
