//! What keeps a store fit.

use async_trait::async_trait;
use ecs_domain::{Day, Timestamp};

use crate::StoreError;
use crate::audit::NewEntry;

/// Housekeeping.
#[async_trait]
pub trait Maintenance: Send + Sync + 'static {
    /// Drops what is past its retention. Raw emotion rows of days before `raw_floor` go; the ids of those among them
    /// that arrived at or after `ids_since` are kept, so that a late redelivery still counts once. Ids that arrived
    /// before `ids_since` go, and so do answers to requests from before `answers_since`, and sessions that expired and
    /// changes of rights that were made before it. Aggregates stay. Does a bounded piece of work and may be called again.
    ///
    /// A replay from the log that was begun before `answers_since` and never ended is given up, with all that it took in: what events
    /// say must not outlive them there.
    ///
    /// **What went is told.** [`Retention::told`] MUST be in the audit log when its rows are gone, and not otherwise: it is written in
    /// their transaction.
    ///
    /// An event that comes again counts as arriving then, for the bus may deliver the repeat for as long as it could the
    /// first one. An engine may save itself the note of it while the last one is less than a day old.
    async fn retain(&self, retention: Retention) -> Result<Retained, StoreError>;

    /// Whether the engine answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Finishes what is in flight and closes.
    async fn close(&self) -> Result<(), StoreError>;
}

/// What to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The first day whose raw emotion rows are kept.
    pub raw_floor: Day,
    /// Ids without a raw row are kept from this time of arrival on.
    pub ids_since: Timestamp,
    /// Keys of requests are kept with their answers from this time of the request on.
    pub answers_since: Timestamp,
    /// The time of the call.
    pub now: Timestamp,
}

impl Retention {
    /// What the audit log says when so many of these rows went in one transaction.
    #[must_use]
    pub fn told(&self, swept: Swept, rows: u64) -> Option<NewEntry> {
        let class = swept.class();
        match swept {
            Swept::RawRows => NewEntry::of_retention(class, rows, &self.raw_floor, self.now),
            Swept::Ids => NewEntry::of_retention(class, rows, &self.ids_since, self.now),
            Swept::Answers | Swept::Sessions | Swept::Changes => {
                NewEntry::of_retention(class, rows, &self.answers_since, self.now)
            }
        }
    }
}

/// What [`Maintenance::retain`] drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// Raw rows of emotion events.
    RawRows,
    /// Ids of emotion events.
    Ids,
    /// Keys of requests, with their answers.
    Answers,
    /// Sessions.
    Sessions,
    /// Changes of rights.
    Changes,
}

impl Swept {
    /// All of it.
    pub const ALL: [Self; 5] = [Self::RawRows, Self::Ids, Self::Answers, Self::Sessions, Self::Changes];

    /// The class of data that it belongs to, as it is documented.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::RawRows => "raw emotion events",
            Self::Ids => "ids of emotion events",
            Self::Answers => "answers to keyed requests",
            Self::Sessions => "sessions",
            Self::Changes => "changes of rights",
        }
    }
}

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retained {
    /// Raw rows that went.
    pub raw_rows: u64,
    /// Ids that went.
    pub ids: u64,
    /// Keys of requests that went with their answers.
    pub answers: u64,
    /// Sessions that went.
    pub sessions: u64,
    /// Changes of rights that went.
    pub changes: u64,
    /// Whether more is due: call again.
    pub more: bool,
}
