//! Reading a subject's log page by page.

use ecs_bus::{Bus, BusError, Frontier, LogRecord, Subject};
use ecs_domain::Timestamp;

/// Enough to make the calls cheap, few enough to hold their payloads in memory.
const PAGE: usize = 5_000;

/// Walks a log from a frontier to where it ended when the last page was read. The end moves while events come in: were
/// it chased until nothing new is there, a trickle of events would keep the walk going for ever.
pub(super) struct LogReader<'a> {
    bus: &'a dyn Bus,
    subject: Subject,
    after: Frontier,
    at_end: bool,
    pruned_at: Option<Timestamp>,
}

impl<'a> LogReader<'a> {
    pub(super) fn new(bus: &'a dyn Bus, subject: Subject, after: Frontier) -> Self {
        Self { bus, subject, after, at_end: false, pruned_at: None }
    }

    /// The next page; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<LogRecord>>, BusError> {
        if self.at_end {
            return Ok(None);
        }
        let page = self.bus.log(self.subject, &self.after, PAGE).await?;
        self.pruned_at = self.pruned_at.max(page.pruned_at);
        self.after.extend(page.records.iter().map(|record| record.position));
        self.at_end = page.records.len() < PAGE;
        Ok(Some(page.records))
    }

    /// How far it has read.
    pub(super) fn end(&self) -> &Frontier {
        &self.after
    }

    /// Until when events were forgotten, as far as the pages read so far tell.
    pub(super) fn pruned_at(&self) -> Option<Timestamp> {
        self.pruned_at
    }
}
