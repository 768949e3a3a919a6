//! The books of the offers: accepted = active + pending, every pending one is on its way to its activation, and every
//! active one has its notification or is on its way to it. What became a dead letter on that way is accounted for too,
//! until it is replayed and on its way again.

use std::collections::{HashMap, HashSet};

use ecs_bus::{Bus, Frontier, Position, Subject};
use ecs_domain::{EventId, NotificationId, OfferId};
use ecs_store::{Books, Fate, OfferBooks};

use super::BooksError;
use super::log::LogReader;
use super::report::OffersReport;

pub(super) async fn balance(bus: &dyn Bus, store: &dyn Books) -> Result<OffersReport, BooksError> {
    let acceptances = settled_through(bus, Subject::OffersApproved).await?;
    let notifications = settled_through(bus, Subject::Notifications).await?;
    let books = store.offer_books().await?;
    let told = Told::of(store, &books).await?;
    let on_bus = unsettled(bus, Subject::OffersApproved, acceptances).await?;
    let published = if told.nobody_asks() { HashMap::new() } else { published_notifications(bus).await? };

    // A pending offer's acceptance is in the outbox, or on the bus behind what was settled at the first look.
    let stuck =
        books.pending.saturating_sub(on_bus.saturating_add(books.outbox).saturating_add(books.given_up));
    let lost = told.lost(&published, &notifications, books.outbox);
    let OfferBooks { accepted, pending, given_up, active, notified, outbox, .. } = books;
    Ok(OffersReport {
        accepted,
        pending,
        dead_lettered: given_up,
        active,
        notified,
        outbox,
        stuck,
        lost_notifications: lost,
    })
}

async fn settled_through(bus: &dyn Bus, subject: Subject) -> Result<Frontier, BooksError> {
    Ok(bus.backlog(subject, subject.group()).await?.settled_through)
}

/// How many distinct events of a subject stand in the log ahead of `settled`.
async fn unsettled(bus: &dyn Bus, subject: Subject, settled: Frontier) -> Result<u64, BooksError> {
    let mut log = LogReader::new(bus, subject, settled);
    let mut ids = HashSet::new();
    while let Some(records) = log.next().await? {
        ids.extend(records.into_iter().map(|record| record.event.id));
    }
    Ok(ids.len() as u64)
}

/// Where each notification stands last in the log: one that was replayed stands there again.
async fn published_notifications(bus: &dyn Bus) -> Result<HashMap<EventId, Position>, BooksError> {
    let mut log = LogReader::new(bus, Subject::Notifications, Frontier::default());
    let mut last = HashMap::new();
    while let Some(records) = log.next().await? {
        last.extend(records.into_iter().map(|record| (record.event.id, record.position)));
    }
    Ok(last)
}

/// The active offers without a notification that no dead letter accounts for.
struct Told {
    unnotified: Vec<(OfferId, EventId)>,
}

impl Told {
    /// Asks the dead letters, before the log is read: a replayed notification that has left the outbox by now is in the
    /// log by then.
    async fn of(store: &dyn Books, books: &OfferBooks) -> Result<Self, BooksError> {
        let notification = |offer| EventId::new(NotificationId::of_activation(offer).uuid());
        let mut unnotified: Vec<_> =
            books.unnotified.iter().map(|offer| (*offer, notification(*offer))).collect();
        let events: Vec<EventId> = unnotified.iter().map(|(_, event)| *event).collect();
        let mut fates = store.letter_fates(Subject::Notifications.as_str(), &events).await?.into_iter();
        unnotified.retain(|_| match fates.next() {
            Some(Fate::DeadLettered | Fate::Replayed { in_outbox: true }) => false,
            Some(
                Fate::Counted
                | Fate::Discarded
                | Fate::Erased
                | Fate::Unknown
                | Fate::Replayed { in_outbox: false },
            )
            | None => true,
        });
        Ok(Self { unnotified })
    }

    fn nobody_asks(&self) -> bool {
        self.unnotified.is_empty()
    }

    /// Offers whose notification is nowhere any more. One that isn't in the log may be in the outbox, whose rows the
    /// books only count: as many as it has rows get the benefit of the doubt.
    fn lost(
        self,
        published: &HashMap<EventId, Position>,
        settled_through: &Frontier,
        outbox: u64,
    ) -> Vec<OfferId> {
        let mut lost = Vec::new();
        let mut nowhere = Vec::new();
        for (offer, event) in self.unnotified {
            match published.get(&event) {
                Some(position) if settled_through.covers(*position) => lost.push(offer),
                Some(_) => {}
                None => nowhere.push(offer),
            }
        }
        lost.extend(nowhere.into_iter().skip(usize::try_from(outbox).unwrap_or(usize::MAX)));
        lost
    }
}
