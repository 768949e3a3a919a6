//! What the books say, as it is served and printed.

use ecs_domain::{Day, EventId, OfferId, Timestamp, UserId};
use ecs_store::{EventKey, SummaryMismatch};
use serde::{Deserialize, Serialize};

/// How many events are named as examples of one kind of trouble.
pub(super) const EXAMPLES: usize = 20;

/// The books at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The moment.
    pub at: Timestamp,
    /// Emotion events.
    pub emotions: LedgerReport,
    /// Transactions.
    pub transactions: LedgerReport,
    /// Offers, activations and notifications.
    pub offers: OffersReport,
}

/// The books of one ledger, in distinct events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerReport {
    /// In the bus's log.
    pub accepted: u64,
    /// Of those: in the aggregates.
    pub counted: u64,
    /// Of those: discarded for lack of consent.
    pub discarded: u64,
    /// Of those: given up.
    pub dead_lettered: u64,
    /// Of those: gone with whoever they were about.
    #[serde(default)]
    pub erased: u64,
    /// Of those: waiting, in flight, or due for a retry.
    pub pending: u64,
    /// Of those: settled on the bus, and yet unknown to the store. They are lost.
    pub missing: u64,
    /// Some of the missing ones.
    pub missing_examples: Vec<Key>,
    /// Counted, though the log, which should remember them, has never heard of them.
    pub never_accepted: u64,
    /// Some of those.
    pub never_accepted_examples: Vec<Key>,
    /// Events in the aggregates by the aggregates' own count, since the beginning.
    pub in_aggregates: u64,
    /// Counted events that the store still names one by one.
    pub named: u64,
    /// Summaries that don't say what their rows add up to.
    pub summary_mismatches: Vec<Mismatch>,
}

/// An event's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Whose it is.
    pub user_id: UserId,
    /// Its id.
    pub event_id: EventId,
    /// The UTC day in its payload.
    pub day: Day,
}

/// A summary that is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// Whose.
    pub user_id: UserId,
    /// Which UTC day.
    pub day: Day,
    /// How many events the day's rows and ids name.
    pub named: u64,
    /// How many the summary counts.
    pub summarised: u64,
}

/// The books of the offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OffersReport {
    /// Ever accepted.
    pub accepted: u64,
    /// Accepted and waiting for their activation.
    pub pending: u64,
    /// Of those that wait: the ones whose activation is a dead letter, so that somebody has to see to it.
    #[serde(default)]
    pub dead_lettered: u64,
    /// Active.
    pub active: u64,
    /// Active, and their customers have the notification.
    pub notified: u64,
    /// Events that wait in the outbox.
    pub outbox: u64,
    /// Pending offers whose acceptance is neither in the outbox, nor on the bus, nor a dead letter: nothing will
    /// activate them.
    pub stuck: u64,
    /// Active offers whose notification is neither in the outbox, nor on the bus, nor a dead letter, at most 100.
    pub lost_notifications: Vec<OfferId>,
}

impl Report {
    /// Whether everything adds up.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.complaints().is_empty()
    }

    /// What is off, a sentence each, for an operator.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.emotions.complaints("emotion events");
        complaints.extend(self.transactions.complaints("transactions"));
        complaints.extend(self.offers.complaints());
        complaints
    }
}

impl LedgerReport {
    fn complaints(&self, what: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.missing > 0 {
            complaints.push(format!(
                "{} {what} were accepted and settled, but the store has not heard of them: {}",
                self.missing,
                listed(&self.missing_examples, self.missing)
            ));
        }
        if self.never_accepted > 0 {
            complaints.push(format!(
                "{} {what} are counted, but were never accepted: {}",
                self.never_accepted,
                listed(&self.never_accepted_examples, self.never_accepted)
            ));
        }
        if self.named > self.in_aggregates {
            complaints.push(format!(
                "the store names {} counted {what}, but the aggregates count only {}",
                self.named, self.in_aggregates
            ));
        }
        complaints.extend(self.summary_mismatches.iter().map(Mismatch::complaint));
        complaints
    }
}

impl Mismatch {
    fn complaint(&self) -> String {
        let Self { user_id, day, named, summarised } = self;
        format!(
            "the summary of user {user_id} on {day} counts {summarised} events, the rows of that day are {named}"
        )
    }
}

impl OffersReport {
    fn complaints(&self) -> Vec<String> {
        let Self { accepted, pending, active, stuck, lost_notifications, .. } = self;
        let mut complaints = Vec::new();
        if *accepted != pending.saturating_add(*active) {
            complaints.push(format!(
                "{accepted} offers were accepted, but {active} are active and {pending} wait for it"
            ));
        }
        if *stuck > 0 {
            complaints.push(format!(
                "{stuck} accepted offers wait for an activation that is neither in the outbox nor on the bus"
            ));
        }
        if !lost_notifications.is_empty() {
            let offers: Vec<String> =
                lost_notifications.iter().take(EXAMPLES).map(ToString::to_string).collect();
            complaints.push(format!(
                "the customers of {} active offers were never told, and no notification is on its way: {}",
                lost_notifications.len(),
                offers.join(", ")
            ));
        }
        complaints
    }
}

fn listed(examples: &[Key], total: u64) -> String {
    let named: Vec<String> = examples
        .iter()
        .map(|Key { user_id, event_id, day }| format!("event {event_id} of user {user_id} on {day}"))
        .collect();
    let more = total.saturating_sub(examples.len() as u64);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    named.join(", ") + &more
}

impl From<EventKey> for Key {
    fn from(EventKey { day, user, id }: EventKey) -> Self {
        Self { user_id: user, event_id: id, day }
    }
}

impl From<SummaryMismatch> for Mismatch {
    fn from(SummaryMismatch { user, day, named, summarised }: SummaryMismatch) -> Self {
        Self { user_id: user, day, named, summarised }
    }
}
