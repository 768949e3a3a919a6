//! How a simulation went.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::journeys::JourneySummary;
use super::outgoing::Outgoing;
use super::population::{PerPersona, Persona};
use crate::{CallError, Latencies, Ledger, Percentiles, TransportError};

/// How a simulation went.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Distinct events whose first attempt was made; the sum of the accepted, the refused and the unanswered.
    pub sent: u64,
    /// Those of them that are emotions; the others are transactions.
    pub emotions: u64,
    /// Events that got their 202.
    pub accepted: u64,
    /// Events that the platform refused for good, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Events that got neither before the patience or the time was over. They may have arrived.
    pub unanswered: u64,
    /// Attempts that failed, by what came of them: a status, `unreachable`, `broken`, `deadline` or `unreadable`, and
    /// `line` for a line of an upload that the platform couldn't take. One event may account for many, and an upload that
    /// failed as a whole for one.
    pub failed_attempts: BTreeMap<String, u64>,
    /// Answers that named another event id than the one that follows from the client's own: always a fault.
    pub wrong_ids: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Accepted events per second.
    pub rate: f64,
    /// From the first attempt to the 202, waits and later attempts included.
    pub latency: Option<Percentiles>,
    /// How far behind its due time an event began at worst, in milliseconds: high when the platform, or this machine,
    /// doesn't keep up with the rate.
    pub behind_ms: f64,
    /// Uploads of NDJSON; 0 where each event had its own request.
    pub uploads: u64,
    /// By kind of customer, those that there are.
    pub personas: BTreeMap<Persona, PersonaSummary>,
    /// The journeys.
    pub journeys: JourneySummary,
}

/// How it went for one kind of customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PersonaSummary {
    /// How many there are.
    pub users: u64,
    /// Emotions of theirs that were sent.
    pub emotions: u64,
    /// Transactions of theirs that were sent.
    pub transactions: u64,
    /// Those of both that got their 202.
    pub accepted: u64,
    /// Their applications for credit that were answered.
    pub applied: u64,
    /// Those that were denied.
    pub denied: u64,
}

/// What one sender has to say.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) emotions: u64,
    pub(super) accepted: u64,
    pub(super) unanswered: u64,
    pub(super) wrong_ids: u64,
    pub(super) refused: BTreeMap<u16, u64>,
    pub(super) failed_attempts: BTreeMap<String, u64>,
    pub(super) uploads: u64,
    pub(super) personas: PerPersona<PersonaSummary>,
    pub(super) behind: Duration,
    latencies: Option<Latencies>,
}

impl Tally {
    /// Notes an event that is about to leave.
    pub(super) fn sent(&mut self, event: &Outgoing) {
        self.sent += 1;
        let persona = self.personas.of_mut(event.persona);
        match event.ledger {
            Ledger::Emotions => {
                self.emotions += 1;
                persona.emotions += 1;
            }
            Ledger::Transactions => persona.transactions += 1,
        }
    }

    /// Notes a 202.
    pub(super) fn accepted(&mut self, persona: Persona, took: Duration) {
        self.accepted += 1;
        self.personas.of_mut(persona).accepted += 1;
        self.latencies.get_or_insert_default().record(took);
    }

    /// Notes a refusal for good.
    pub(super) fn refused(&mut self, status: u16) {
        *self.refused.entry(status).or_default() += 1;
    }

    /// Notes a failed attempt.
    pub(super) fn failed(&mut self, error: &CallError) {
        *self.failed_attempts.entry(label(error)).or_default() += 1;
    }

    /// Notes lines of an upload that the platform couldn't take.
    pub(super) fn failed_lines(&mut self, lines: usize) {
        *self.failed_attempts.entry("line".to_owned()).or_default() += lines as u64;
    }

    /// Adds what another one says.
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.emotions += other.emotions;
        self.accepted += other.accepted;
        self.unanswered += other.unanswered;
        self.wrong_ids += other.wrong_ids;
        self.uploads += other.uploads;
        self.behind = self.behind.max(other.behind);
        for (status, count) in &other.refused {
            *self.refused.entry(*status).or_default() += count;
        }
        for (label, count) in &other.failed_attempts {
            *self.failed_attempts.entry(label.clone()).or_default() += count;
        }
        for persona in Persona::ALL {
            self.personas.of_mut(persona).add(other.personas.of(persona));
        }
        if let Some(latencies) = &other.latencies {
            self.latencies.get_or_insert_default().merge(latencies);
        }
    }
}

impl PersonaSummary {
    pub(super) fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.emotions += other.emotions;
        self.transactions += other.transactions;
        self.accepted += other.accepted;
        self.applied += other.applied;
        self.denied += other.denied;
    }
}

impl Summary {
    /// What all senders together have to say, who their users were, and how long it took.
    #[expect(clippy::cast_precision_loss, reason = "a rate is for reading")]
    pub(super) fn of(tally: Tally, people: impl Iterator<Item = Persona>, took: Duration) -> Self {
        let mut by_persona = tally.personas;
        people.for_each(|persona| by_persona.of_mut(persona).users += 1);
        let there = Persona::ALL.into_iter().map(|persona| (persona, *by_persona.of(persona)));
        let seconds = took.as_secs_f64();
        Self {
            sent: tally.sent,
            emotions: tally.emotions,
            accepted: tally.accepted,
            refused: tally.refused,
            unanswered: tally.unanswered,
            failed_attempts: tally.failed_attempts,
            wrong_ids: tally.wrong_ids,
            seconds,
            rate: if took.is_zero() { 0.0 } else { tally.accepted as f64 / seconds },
            latency: tally.latencies.as_ref().map(Latencies::percentiles),
            behind_ms: tally.behind.as_secs_f64() * 1000.0,
            uploads: tally.uploads,
            personas: there.filter(|(_, summary)| summary.users > 0).collect(),
            journeys: JourneySummary::default(),
        }
    }

    /// Adds how the journeys went.
    pub(super) fn add_journeys(&mut self, journeys: JourneySummary) {
        for (persona, (applied, denied)) in &journeys.personas {
            let summary = self.personas.entry(*persona).or_default();
            summary.applied += applied;
            summary.denied += denied;
        }
        self.journeys = journeys;
    }
}

/// A word for a failed attempt.
pub(super) fn label(error: &CallError) -> String {
    match error {
        CallError::Refused { status, .. } | CallError::Unavailable { status, .. } => status.to_string(),
        CallError::Transport(TransportError::Unreachable) => "unreachable".to_owned(),
        CallError::Transport(TransportError::Broken) => "broken".to_owned(),
        CallError::Transport(TransportError::Deadline(_)) => "deadline".to_owned(),
        CallError::Transport(TransportError::Unreadable(_)) => "unreadable".to_owned(),
    }
}
