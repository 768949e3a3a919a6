//! Numbers that everybody who takes part in a simulation counts on, for those who watch it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ecs_domain::Timestamp;

use super::population::{Event, PerPersona, Persona};
use crate::{Latencies, Ledger};

/// What is being counted. Cheap enough to be told of every event.
#[derive(Debug, Default)]
pub struct Meter {
    users: AtomicU64,
    expected: AtomicU64,
    provisioned: AtomicU64,
    sending: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
    failed_attempts: AtomicU64,
    behind_micros: AtomicU64,
    at_second: AtomicI64,
    personas: PerPersona<[AtomicU64; 2]>,
    journeys: [AtomicU64; 4],
    latencies: Mutex<Latencies>,
}

/// The numbers at one moment.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Users there will be, and those provisioned so far.
    pub users: (u64, u64),
    /// Events there will be; 0 where nobody knows.
    pub expected: u64,
    /// Whether events are being sent.
    pub sending: bool,
    /// Events whose first attempt was begun.
    pub sent: u64,
    /// Events that got their 202.
    pub accepted: u64,
    /// Events refused for good.
    pub refused: u64,
    /// Events given up without an answer.
    pub unanswered: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// The worst delay of an event against its due time since the reading before.
    pub behind: Duration,
    /// When the latest event happened.
    pub at: Option<Timestamp>,
    /// Emotions and transactions sent.
    pub personas: PerPersonaCounts,
    /// Journeys that applied, were denied, accepted an offer, and were notified.
    pub journeys: [u64; 4],
}

/// Emotions and transactions of each persona.
pub type PerPersonaCounts = [(u64, u64); 5];

/// A step of a journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Applied,
    Denied,
    Accepted,
    Notified,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Meter {
    pub(super) fn provisioning(&self, users: u64) {
        self.users.store(users, Ordering::Relaxed);
    }

    pub(super) fn provisioned(&self) {
        add(&self.provisioned, 1);
    }

    pub(super) fn sending(&self, expected: Option<u64>) {
        self.expected.store(expected.unwrap_or_default(), Ordering::Relaxed);
        self.sending.store(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, event: &Event, ledger: Ledger) {
        let [emotions, transactions] = self.personas.of(event.persona);
        add(if ledger == Ledger::Emotions { emotions } else { transactions }, 1);
        self.at_second.store(event.at.as_second(), Ordering::Relaxed);
    }

    pub(super) fn accepted(&self, count: u64, took: Duration) {
        add(&self.accepted, count);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        (0..count).for_each(|_| latencies.record(took));
    }

    pub(super) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(super) fn unanswered(&self, count: u64) {
        add(&self.unanswered, count);
    }

    pub(super) fn failed_attempt(&self) {
        add(&self.failed_attempts, 1);
    }

    pub(super) fn behind(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.behind_micros.fetch_max(micros, Ordering::Relaxed);
    }

    pub(super) fn journey(&self, step: Step) {
        let [applied, denied, accepted, notified] = &self.journeys;
        let counter = match step {
            Step::Applied => applied,
            Step::Denied => denied,
            Step::Accepted => accepted,
            Step::Notified => notified,
        };
        add(counter, 1);
    }

    /// The numbers now. What is said since the last reading is said anew after it, so one watcher should read.
    #[must_use]
    pub fn read(&self) -> Reading {
        let personas = Persona::ALL.map(|persona| {
            let [emotions, transactions] = self.personas.of(persona);
            (read(emotions), read(transactions))
        });
        let sent = personas.iter().map(|(emotions, transactions)| emotions + transactions).sum();
        Reading {
            users: (read(&self.users), read(&self.provisioned)),
            expected: read(&self.expected),
            sending: read(&self.sending) > 0,
            sent,
            accepted: read(&self.accepted),
            refused: read(&self.refused),
            unanswered: read(&self.unanswered),
            failed_attempts: read(&self.failed_attempts),
            behind: Duration::from_micros(self.behind_micros.swap(0, Ordering::Relaxed)),
            at: (sent > 0)
                .then(|| Timestamp::from_second(self.at_second.load(Ordering::Relaxed)).ok())
                .flatten(),
            personas,
            journeys: [0, 1, 2, 3].map(|step: usize| self.journeys.get(step).map(read).unwrap_or_default()),
        }
    }

    /// How long the answers since the last call took.
    #[must_use]
    pub fn take_latencies(&self) -> Latencies {
        std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
