//! Events whose dead letters were replayed: the log has them at their old place, settled, and somewhere behind it again.
//!
//! Such an event is pending until the store says more. It is lost only when it has left the outbox, doesn't stand behind
//! what the bus has settled, and the store still has not heard what became of it. The order of looking makes that
//! certain: the store first, then what the log got meanwhile. What has left the outbox by the first look is in the log by
//! the second.

use std::collections::HashMap;

use ecs_bus::{Bus, Frontier};
use ecs_domain::EventId;
use ecs_store::{Books, EventKey, Fate, Ledger};

use super::log::LogReader;
use super::report::LedgerReport;
use super::{BooksError, ledger};

/// Replayed events that no page of the log has shown to be on their way.
#[derive(Default)]
pub(super) struct Replays {
    open: HashMap<EventId, Vec<EventKey>>,
}

impl Replays {
    /// Notes an event that was replayed and isn't known to be on its way.
    pub(super) fn add(&mut self, key: EventKey) {
        self.open.entry(key.id).or_default().push(key);
    }

    /// Takes out what was noted under an id that stands where nothing is settled yet: it is on its way. Returns how many
    /// events that were.
    pub(super) fn found(&mut self, id: EventId) -> u64 {
        self.open.remove(&id).map_or(0, |keys| keys.len() as u64)
    }

    /// Looks a second time for what is still open, and enters what comes of it. `end` is how far the log
    /// was read.
    pub(super) async fn settle(
        mut self,
        bus: &dyn Bus,
        store: &dyn Books,
        which: Ledger,
        end: Frontier,
        report: &mut LedgerReport,
    ) -> Result<(), BooksError> {
        let keys: Vec<EventKey> = self.open.drain().flat_map(|(_, keys)| keys).collect();
        if keys.is_empty() {
            return Ok(());
        }
        for (key, fate) in keys.iter().zip(store.fates(which, &keys).await?) {
            match fate {
                Fate::Replayed { in_outbox: true } => report.pending += 1,
                Fate::Replayed { in_outbox: false } => self.add(*key),
                fate => ledger::enter(report, *key, true, fate),
            }
        }
        let mut log = LogReader::new(bus, super::subject(which), end);
        while let Some(records) = log.next().await? {
            report.pending += records.iter().map(|record| self.found(record.event.id)).sum::<u64>();
        }
        for key in self.open.into_values().flatten() {
            ledger::enter(report, key, true, Fate::Unknown);
        }
        Ok(())
    }
}
