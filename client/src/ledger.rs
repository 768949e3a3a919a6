//! The words of the books as the HTTP contract spells them.

use std::fmt;

use ecs_domain::{Day, EventId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ledger {
    /// Emotion events.
    Emotions,
    /// Transactions.
    Transactions,
}

impl Ledger {
    /// Every ledger there is.
    pub const ALL: [Self; 2] = [Self::Emotions, Self::Transactions];

    /// Its name in bodies, queries and journals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emotions => "emotions",
            Self::Transactions => "transactions",
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What makes two events the same: user, id, and for emotions the UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventKey {
    /// The user.
    pub user_id: UserId,
    /// The event's id.
    pub event_id: EventId,
    /// The UTC day of its own time.
    pub day: Day,
}

impl EventKey {
    /// The key of an event that its sender named `client_id` and that happened at `at`.
    #[must_use]
    pub fn derive(user: UserId, client_id: &str, at: Timestamp) -> Self {
        Self { user_id: user, event_id: EventId::derive(user, client_id), day: ecs_domain::utc_day(at) }
    }

    /// The key as its ledger tells events apart: transactions are the same whatever the day, their ids being unique
    /// for ever.
    #[must_use]
    pub fn within(self, ledger: Ledger) -> Self {
        match ledger {
            Ledger::Emotions => self,
            Ledger::Transactions => Self { day: Day::ZERO, ..self },
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is in the aggregates.
    Counted,
    /// Its user had not consented.
    Discarded,
    /// It was given up.
    DeadLettered,
    /// Whoever it is about was erased.
    Erased,
    /// It is known to be on its way.
    Pending,
    /// The books have not heard of it: it is on its way, or it never came.
    Unknown,
}
