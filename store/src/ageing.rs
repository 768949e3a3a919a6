//! What grows old in the store, and goes after a time that a setting names.

use async_trait::async_trait;
use ecs_domain::Timestamp;

use crate::StoreError;
use crate::audit::NewEntry;

/// Rows that go when they are old.
///
/// **The books stay true.** Whatever goes MUST be noted as far as the books ask for it, in the same transaction: events in dropped
/// summaries are still in [`LedgerTotals::in_aggregates`](crate::LedgerTotals), and an active offer whose notification went for its
/// age is still notified.
///
/// **What went is told.** [`Due::told`] MUST be in the audit log when its rows are gone, and not otherwise: it is written in their
/// transaction.
#[async_trait]
pub trait Ageing: Send + Sync + 'static {
    /// Drops rows that are due, about `due.most` of them in one transaction. Returns how many went; 0 means that none are left.
    async fn drop_aged(&self, due: Due) -> Result<u64, StoreError>;
}

/// Which rows are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What they are.
    pub rows: Aged,
    /// Those from before this time.
    pub before: Timestamp,
    /// The time of the call.
    pub now: Timestamp,
    /// About how many at once.
    pub most: usize,
}

impl Due {
    /// What the audit log says when so many rows went in one transaction.
    #[must_use]
    pub fn told(&self, rows: u64) -> Option<NewEntry> {
        NewEntry::of_retention(self.rows.class(), rows, &self.before, self.now)
    }
}

/// What grows old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aged {
    /// Summaries of days that were over by then. Callers keep them for longer than raw rows.
    Summaries,
    /// Denials made before, and approvals whose offer expired before, with the offer. What was accepted keeps both.
    Decisions,
    /// Notifications kept before. Their numbers don't come back: a user's next notification goes on behind them.
    Notifications,
    /// Transactions that arrived before, whenever they happened: one whose event the bus may still bring is not to be counted twice.
    Transactions,
    /// Dead letters that have waited since before. They are dropped as an operator drops them: what they hold goes at once, their
    /// ids stay until [`DeadLetters::forget_dead_letters`](crate::DeadLetters::forget_dead_letters).
    WaitingLetters,
    /// Secrets of webhooks that were replaced, and whose overlap was over by then. The webhooks stay.
    ReplacedSecrets,
}

impl Aged {
    /// Everything that grows old.
    pub const ALL: [Self; 6] = [
        Self::Summaries,
        Self::Decisions,
        Self::Notifications,
        Self::Transactions,
        Self::WaitingLetters,
        Self::ReplacedSecrets,
    ];

    /// The class of data that it belongs to, as it is documented.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Summaries => "emotion summaries",
            Self::Decisions => "decisions and offers",
            Self::Notifications => "notifications",
            Self::Transactions => "transactions",
            Self::WaitingLetters => "dead letters that wait",
            Self::ReplacedSecrets => "webhooks",
        }
    }

    /// Its name in logs and in metrics of queries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summaries => "ageing.summaries",
            Self::Decisions => "ageing.decisions",
            Self::Notifications => "ageing.notifications",
            Self::Transactions => "ageing.transactions",
            Self::WaitingLetters => "ageing.letters",
            Self::ReplacedSecrets => "ageing.secrets",
        }
    }
}
