//! The real embedded bus and store in a folder of their own, for tests of what works on both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecs_bus::payload::{ApprovedOffer, EmotionPayload, OfferPayload, TransactionPayload};
use ecs_bus::{Bus, Event, Headers, Subject};
use ecs_bus_embedded::EmbeddedBus;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::offer::{CreditType, Offer, Terms};
use ecs_domain::transaction::Transaction;
use ecs_domain::{Clock, EventId, Money, OfferId, Rate, Timestamp, TransactionId, UserId};
use ecs_store::{
    AcceptResult, Credit as _, DeadLetterRow, DeadLetters as _, FullLetter, Letter, LetterFilter,
    NewDecision, OutboxMessage, Provision, Users as _,
};
use ecs_store_sqlite::SqliteStore;
use ecs_vault::Keyring;
use ecs_work::{Supervisor, outbox_message};
use tempfile::TempDir;
use uuid::Uuid;

use crate::decisions;

/// Long enough for a slow machine; nobody waits for it in vain.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The system's time, moved by what a test says.
#[derive(Default)]
pub struct MovableClock(AtomicI64);

impl MovableClock {
    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_secs()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + jiff::SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A bus, a store, and a supervisor for what works on them.
pub struct Platform {
    /// The bus.
    pub bus: Arc<EmbeddedBus>,
    /// The store.
    pub store: Arc<SqliteStore>,
    /// The clock of the bus, and of whoever is given it.
    pub clock: Arc<MovableClock>,
    /// Runs what a test starts.
    pub supervisor: Supervisor,
    /// Where the files are; it goes with the platform.
    pub folder: TempDir,
}

impl Platform {
    /// A new one, empty.
    #[must_use]
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(MovableClock::default());
        let options = ecs_bus_embedded::Options::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let bus = EmbeddedBus::open(folder.path().join("bus.db"), options).unwrap();
        let store = SqliteStore::open(
            folder.path().join("store.db"),
            Keyring::in_memory(),
            ecs_store_sqlite::Options::default(),
        )
        .unwrap();
        let (bus, store) = (Arc::new(bus), Arc::new(store));
        Self { bus, store, clock, supervisor: Supervisor::new(), folder }
    }

    /// A user without a password.
    pub async fn user(&self) -> UserId {
        let id = UserId::new(Uuid::new_v4());
        let external_id = Some(id.to_string());
        let now = self.clock.now();
        self.store.provision(Provision { id, external_id, email: None, now }, None).await.unwrap().user.id
    }

    /// Publishes, and insists that all of it is durable.
    pub async fn publish(&self, events: Vec<Event>) {
        let results = self.bus.publish(events).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Waits until the group of `subject` has settled everything.
    pub async fn settled(&self, subject: Subject) {
        let settled = || async { self.bus.backlog(subject, subject.group()).await.unwrap().pending == 0 };
        until(&format!("{subject} is settled"), settled).await;
    }

    /// The dead letters as they were kept, newest first. Those that don't wait have no payload any more.
    pub async fn letters(&self) -> Vec<DeadLetterRow> {
        let letters = self.store.dead_letters(&LetterFilter::default(), None, 1_000).await.unwrap();
        let mut rows = Vec::new();
        for Letter { id, .. } in letters {
            rows.push(row(self.store.dead_letter(id).await.unwrap().unwrap()));
        }
        rows
    }

    /// Stops what the supervisor runs.
    pub async fn drain(&self) {
        assert!(self.supervisor.drain(DEADLINE).await.is_clean());
    }

    /// An offer to `user` that can be accepted.
    pub async fn offer(&self, user: UserId) -> Offer {
        let now = self.clock.now();
        let decision = decisions::decision(user, now, "test", 0.1, true);
        let offer = decision.offer().expect("an approval has an offer").clone();
        let new = NewDecision { decision, stands_for: Duration::ZERO, facts: None };
        self.store.record_decision(new, None).await.unwrap();
        offer
    }

    /// An offer to `user` that was accepted; its acceptance waits in the outbox.
    pub async fn accepted(&self, user: UserId) -> OfferId {
        let offer = self.offer(user).await.id;
        let now = self.clock.now();
        let message = acceptance(user, offer, now);
        let result = self.store.accept_offer(user, offer, now, message, None).await.unwrap();
        assert!(matches!(result, AcceptResult::Accepted(_)), "{result:?}");
        offer
    }
}

fn row(full: FullLetter) -> DeadLetterRow {
    let FullLetter { letter, history, payload, schema_version, request_id, traceparent } = full;
    let Letter { subject, group, event, key, kind, reason, at, .. } = letter;
    let payload = payload.unwrap_or_default();
    DeadLetterRow {
        subject,
        group,
        id: event,
        key,
        kind,
        reason,
        history,
        payload,
        schema_version,
        request_id,
        traceparent,
        at,
    }
}

/// Polls until `done`, at most [`DEADLINE`].
pub async fn until<F: Future<Output = bool>>(what: &str, done: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !done().await {
        assert!(tokio::time::Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What every offer here promises.
#[must_use]
pub fn terms() -> Terms {
    Terms {
        credit_limit: Money::from_minor_units(500_000),
        interest_rate: Rate::from_basis_points(1425),
        credit_type: CreditType::ShortTerm,
    }
}

/// The outbox row of an acceptance.
#[must_use]
pub fn acceptance(user: UserId, offer: OfferId, at: Timestamp) -> OutboxMessage {
    outbox_message(&acceptance_event(user, offer, at))
}

/// The event of an acceptance.
#[must_use]
pub fn acceptance_event(user: UserId, offer: OfferId, at: Timestamp) -> Event {
    let approved = ApprovedOffer { offer, user, terms: terms(), accepted_at: at };
    OfferPayload::event(&approved, Headers::current())
}

/// An emotion of `user` that its sender calls `name`.
#[must_use]
pub fn emotion(user: UserId, name: &str, at: Timestamp) -> Event {
    let unit = |fraction| Unit::new(fraction).unwrap();
    let emotion = EmotionEvent {
        id: EventId::derive(user, name),
        user,
        occurred_at: at,
        kind: EmotionKind::new("calm".to_owned()).unwrap(),
        metrics: Metrics { positivity: unit(0.75), intensity: unit(0.5), stress: unit(0.25) },
    };
    EmotionPayload::event(&emotion, Some(name), "0", Headers::current())
}

/// A transaction of `user` that its sender calls `name`.
#[must_use]
pub fn transaction(user: UserId, name: &str, at: Timestamp) -> Event {
    let transaction = Transaction {
        id: TransactionId::from(EventId::derive(user, name)),
        user,
        amount: Money::from_minor_units(50_000),
        currency: "BRL".parse().unwrap(),
        occurred_at: at,
        merchant: None,
        category: None,
        channel: None,
        client_id: Some(name.to_owned()),
    };
    TransactionPayload::event(&transaction, "0", Headers::current())
}

/// The same envelope with bytes that nobody understands.
#[must_use]
pub fn malformed(event: Event) -> Event {
    Event { id: EventId::new(Uuid::new_v4()), payload: bytes::Bytes::from_static(b"{\"userId\":"), ..event }
}
