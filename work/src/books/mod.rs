//! The books: what the bus accepted, what became of it in the store, and whether the two agree.
//!
//! They can be balanced while the platform works at full load, and raise no false alarm, because of the order of
//! reading: first how far the bus is settled, then the bus's log, then the store. What was settled before the first
//! look must be known to the store at the last one; what was not may be on its way. What was counted before the first
//! look must be in the log. The one thing that can't be read in one glance, an offer on its way from store to bus to
//! store, is looked for in every place where it may have gone meanwhile.

mod ledger;
mod log;
mod offers;
mod replays;
mod report;

use ecs_bus::{Bus, BusError, Event, Subject, payload};
use ecs_domain::{Day, EventId, Timestamp, utc_day};
use ecs_store::{Books, EventKey, Ledger, StoreError};

pub use report::{LedgerReport, OffersReport, Report};

/// Why the books couldn't be read. Says nothing about whether they balance.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The bus couldn't be read, or keeps no log.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The store couldn't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Balances the books. `now` is the time of the call, by the clock that the workers use; `raw_floor` is the first day
/// whose raw emotion rows are kept, see [`crate::retention::raw_floor`].
pub async fn balance(
    bus: &dyn Bus,
    store: &dyn Books,
    now: Timestamp,
    raw_floor: Day,
) -> Result<Report, BooksError> {
    // Retention may move on while the books are read, so the oldest day is left alone.
    let floor = raw_floor.tomorrow().unwrap_or(raw_floor);
    let emotions = ledger::balance(bus, store, Ledger::Emotions, now, floor).await?;
    let transactions = ledger::balance(bus, store, Ledger::Transactions, now, floor).await?;
    let offers = offers::balance(bus, store).await?;
    Ok(Report { at: now, emotions, transactions, offers })
}

/// The subject that a ledger's events come from.
#[must_use]
pub fn subject(ledger: Ledger) -> Subject {
    match ledger {
        Ledger::Emotions => Subject::Emotions,
        Ledger::Transactions => Subject::Transactions,
    }
}

/// The name of a ledger in requests: `emotions` or `transactions`.
#[must_use]
pub fn parse_ledger(name: &str) -> Option<Ledger> {
    match name {
        "emotions" => Some(Ledger::Emotions),
        "transactions" => Some(Ledger::Transactions),
        _ => None,
    }
}

/// Under which key the store knows an event of the log. What can't be understood is known by its envelope alone.
fn key(ledger: Ledger, event: &Event, published_at: Timestamp) -> EventKey {
    let key = match ledger {
        Ledger::Emotions => payload::EmotionPayload::decode(event).map(|emotion| EventKey {
            day: utc_day(emotion.occurred_at),
            user: emotion.user,
            id: emotion.id,
        }),
        Ledger::Transactions => payload::TransactionPayload::decode(event).map(|transaction| EventKey {
            day: utc_day(transaction.occurred_at),
            user: transaction.user,
            id: EventId::from(transaction.id),
        }),
    };
    key.unwrap_or(EventKey { day: utc_day(published_at), user: event.key, id: event.id })
}
