//! The store's half of the books: what became of every event, and whether the aggregates say the same.

use async_trait::async_trait;
use ecs_domain::{Day, EventId, OfferId, Timestamp, UserId};

use crate::StoreError;

/// What the books need to know.
#[async_trait]
pub trait Books: Send + Sync + 'static {
    /// What became of each of these events; `result[i]` belongs to `keys[i]`.
    async fn fates(&self, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, StoreError>;

    /// What the dead letters of `subject` say of these events: [`Fate::DeadLettered`], [`Fate::Replayed`], or
    /// [`Fate::Unknown`] where there is no letter; `result[i]` belongs to `events[i]`.
    async fn letter_fates(&self, subject: &str, events: &[EventId]) -> Result<Vec<Fate>, StoreError>;

    /// The counted events that the ledger still names one by one, in the order of their keys, after `after`.
    /// Transactions go by their ids alone; the day of their keys is the one on which they happened. Fewer than `limit`
    /// events mean that there were no more.
    async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        limit: usize,
    ) -> Result<CountedPage, StoreError>;

    /// Totals of a ledger.
    async fn ledger_totals(&self, ledger: Ledger) -> Result<LedgerTotals, StoreError>;

    /// Days whose summary doesn't say what the raw rows and ids of that day add up to, at most `limit`. Looks only at
    /// days from `floor` on, and at none whose raw rows [`crate::Maintenance::retain`] dropped.
    async fn summary_mismatches(&self, floor: Day, limit: u32) -> Result<Vec<SummaryMismatch>, StoreError>;

    /// The books of the offers.
    async fn offer_books(&self) -> Result<OfferBooks, StoreError>;
}

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ledger {
    /// Emotion events.
    Emotions,
    /// Transactions.
    Transactions,
}

impl Ledger {
    /// The name of the subject whose events it counts.
    #[must_use]
    pub fn subject(self) -> &'static str {
        match self {
            Self::Emotions => "user.emotions.topic",
            Self::Transactions => "transactions.topic",
        }
    }
}

/// What makes two events the same: user, id, and for emotions the UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey {
    /// The UTC day in the payload. Not looked at for transactions, whose ids are unique for ever.
    pub day: Day,
    /// The user.
    pub user: UserId,
    /// The event's id.
    pub id: EventId,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is in the aggregates.
    Counted,
    /// Its user had not consented.
    Discarded,
    /// It was given up, and was not counted since: its letter waits, or was dropped.
    DeadLettered,
    /// It was given up and published again, and what came of that is not known here.
    Replayed {
        /// Whether it is still in the outbox. If not, it is on the bus, or was.
        in_outbox: bool,
    },
    /// Whoever it is about was erased, and it with them.
    Erased,
    /// The store has not heard of it.
    Unknown,
}

/// A page of counted events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedPage {
    /// Key and time of arrival in the store, by rising key.
    pub events: Vec<(EventKey, Timestamp)>,
}

/// Totals of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerTotals {
    /// Events in the aggregates, by the aggregates' own count, with those whose summaries went for their age.
    pub in_aggregates: u64,
    /// Counted events that are still named one by one.
    pub named: u64,
    /// Events discarded for lack of consent that are still named.
    pub discarded: u64,
    /// Events of the ledger's subject whose dead letters wait or were dropped.
    pub dead_lettered: u64,
}

/// A summary row that is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryMismatch {
    /// Whose.
    pub user: UserId,
    /// Which day.
    pub day: Day,
    /// How many events the raw rows and ids of the day name.
    pub named: u64,
    /// How many the summary counts.
    pub summarised: u64,
}

/// The books of the offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfferBooks {
    /// Offers that were ever accepted: those that wait and those that are active.
    pub accepted: u64,
    /// Accepted offers that wait for their activation.
    pub pending: u64,
    /// Of those that wait: the ones whose activation is a dead letter that waits or was dropped.
    pub given_up: u64,
    /// Active ones.
    pub active: u64,
    /// Active ones whose customer has the notification.
    pub notified: u64,
    /// Active ones without a notification, at most 100 of them. Each should be in the outbox or on the bus.
    pub unnotified: Vec<OfferId>,
    /// Rows of the outbox.
    pub outbox: u64,
}
