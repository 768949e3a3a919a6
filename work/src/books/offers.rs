//! The books of the offers: accepted = active + pending, every pending one is on its way to its activation, and every
//! active one has its notification or is on its way to it.

use std::collections::{HashMap, HashSet};

use ecs_bus::{Bus, Position, Subject};
use ecs_domain::{EventId, NotificationId, OfferId};
use ecs_store::{Books, OfferBooks};

use super::BooksError;
use super::log::LogReader;
use super::report::OffersReport;

pub(super) async fn balance(bus: &dyn Bus, store: &dyn Books) -> Result<OffersReport, BooksError> {
    let acceptances = settled_through(bus, Subject::OffersApproved).await?;
    let notifications = settled_through(bus, Subject::Notifications).await?;
    let books = store.offer_books().await?;
    let on_bus = unsettled(bus, Subject::OffersApproved, acceptances).await?;
    let published =
        if books.unnotified.is_empty() { HashMap::new() } else { published_notifications(bus).await? };

    // A pending offer's acceptance is in the outbox, or on the bus behind what was settled at the first look.
    let stuck = books.pending.saturating_sub(on_bus.saturating_add(books.outbox));
    let lost = lost_notifications(&books, &published, notifications);
    let OfferBooks { accepted, pending, active, notified, outbox, .. } = books;
    Ok(OffersReport { accepted, pending, active, notified, outbox, stuck, lost_notifications: lost })
}

async fn settled_through(bus: &dyn Bus, subject: Subject) -> Result<Position, BooksError> {
    Ok(bus.backlog(subject, subject.group()).await?.settled_through)
}

/// How many distinct events of a subject stand in the log after `position`.
async fn unsettled(bus: &dyn Bus, subject: Subject, position: Position) -> Result<u64, BooksError> {
    let mut log = LogReader::new(bus, subject, Some(position));
    let mut ids = HashSet::new();
    while let Some(records) = log.next().await? {
        ids.extend(records.into_iter().map(|record| record.event.id));
    }
    Ok(ids.len() as u64)
}

/// Where each notification first stands in the log.
async fn published_notifications(bus: &dyn Bus) -> Result<HashMap<EventId, Position>, BooksError> {
    let mut log = LogReader::new(bus, Subject::Notifications, None);
    let mut first = HashMap::new();
    while let Some(records) = log.next().await? {
        for record in records {
            first.entry(record.event.id).or_insert(record.position);
        }
    }
    Ok(first)
}

/// Active offers whose notification is nowhere any more. One that isn't in the log may be in the outbox, whose rows the
/// books only count: as many as it has rows get the benefit of the doubt.
fn lost_notifications(
    books: &OfferBooks,
    published: &HashMap<EventId, Position>,
    settled_through: Position,
) -> Vec<OfferId> {
    let mut lost = Vec::new();
    let mut nowhere = Vec::new();
    for offer in &books.unnotified {
        let event = EventId::new(NotificationId::of_activation(*offer).uuid());
        match published.get(&event) {
            Some(position) if *position <= settled_through => lost.push(*offer),
            Some(_) => {}
            None => nowhere.push(*offer),
        }
    }
    let in_outbox = usize::try_from(books.outbox).unwrap_or(usize::MAX);
    lost.extend(nowhere.into_iter().skip(in_outbox));
    lost
}
