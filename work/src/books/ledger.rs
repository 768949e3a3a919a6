//! The books of one ledger: accepted = counted + discarded + dead-lettered + erased + pending.

use std::collections::HashSet;

use ecs_bus::{Bus, Frontier};
use ecs_domain::{Day, Timestamp};
use ecs_store::{Books, EventKey, Fate, Ledger};
use jiff::SignedDuration;

use super::log::LogReader;
use super::replays::Replays;
use super::report::{EXAMPLES, Key, LedgerReport};
use super::{BooksError, key, subject};

/// How many counted events are read at once.
const PAGE: usize = 10_000;
/// An event that arrived so long after the log's beginning is looked for in the log. The log forgets by the time of
/// publication, the store tells the time of arrival, and [`crate::arrival`] keeps the two within half of this.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);
/// How many summaries that are off are named.
const MISMATCHES: u32 = 20;

pub(super) async fn balance(
    bus: &dyn Bus,
    store: &dyn Books,
    ledger: Ledger,
    now: Timestamp,
    floor: Day,
) -> Result<LedgerReport, BooksError> {
    let subject = subject(ledger);
    let settled_through = bus.backlog(subject, subject.group()).await?.settled_through;
    let mut report = LedgerReport::default();
    let mut replays = Replays::default();
    let mut accepted = HashSet::new();
    let mut log = LogReader::new(bus, subject, Frontier::default());
    let mut begins = None;
    while let Some(records) = log.next().await? {
        begins = records.iter().map(|record| record.published_at).chain(begins).min();
        let mut keys = Vec::with_capacity(records.len());
        let mut positions = Vec::with_capacity(records.len());
        let mut unsettled = Vec::new();
        for record in records {
            if !settled_through.covers(record.position) {
                unsettled.push(record.event.id);
            }
            let key = key(ledger, &record.event, record.published_at);
            // An event that was published twice is one event; its first place in the log is the one that counts.
            if accepted.insert(identity(ledger, key)) {
                keys.push(key);
                positions.push(record.position);
            }
        }
        let fates = store.fates(ledger, &keys).await?;
        for ((key, position), fate) in keys.into_iter().zip(positions).zip(fates) {
            match fate {
                Fate::Replayed { .. } => replays.add(key),
                fate => enter(&mut report, key, settled_through.covers(position), fate),
            }
        }
        report.pending += unsettled.into_iter().map(|id| replays.found(id)).sum::<u64>();
    }
    report.accepted = accepted.len() as u64;
    replays.settle(bus, store, ledger, log.end().clone(), &mut report).await?;
    let since = remembers_since(log.pruned_at(), begins);
    never_accepted(store, ledger, now, since, &accepted, &mut report).await?;
    totals(store, ledger, floor, &mut report).await?;
    Ok(report)
}

pub(super) fn enter(report: &mut LedgerReport, key: EventKey, settled: bool, fate: Fate) {
    match fate {
        Fate::Counted => report.counted += 1,
        Fate::Discarded => report.discarded += 1,
        Fate::DeadLettered => report.dead_lettered += 1,
        Fate::Erased => report.erased += 1,
        Fate::Unknown | Fate::Replayed { .. } if settled => {
            report.missing += 1;
            note(&mut report.missing_examples, key);
        }
        Fate::Unknown | Fate::Replayed { .. } => report.pending += 1,
    }
}

/// From which arrival on the log must know an event. One that has forgotten its oldest events says until when. One that never forgot
/// may still be younger than the store, when the platform has moved to another bus: it can't speak of the time before the first
/// event that it has. One without any event has nothing to excuse it.
fn remembers_since(pruned_at: Option<Timestamp>, begins: Option<Timestamp>) -> Option<Timestamp> {
    match pruned_at {
        Some(at) => Some(at.checked_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX)),
        None => begins,
    }
}

/// Looks for counted events that nobody accepted. Only those are looked at that were counted before `now`, so their
/// acceptance came before the log was read, and late enough for the log to remember them.
async fn never_accepted(
    store: &dyn Books,
    ledger: Ledger,
    now: Timestamp,
    since: Option<Timestamp>,
    accepted: &HashSet<EventKey>,
    report: &mut LedgerReport,
) -> Result<(), BooksError> {
    let mut after = None;
    loop {
        let page = store.counted(ledger, after, PAGE).await?;
        after = page.events.last().map(|(key, _)| *key);
        // What comes in after the last page was read is none of this balance's business.
        let at_end = page.events.len() < PAGE;
        for (key, arrived_at) in page.events {
            let remembered = since.is_none_or(|since| arrived_at >= since);
            if remembered && arrived_at < now && !accepted.contains(&identity(ledger, key)) {
                report.never_accepted += 1;
                note(&mut report.never_accepted_examples, key);
            }
        }
        if at_end {
            return Ok(());
        }
    }
}

async fn totals(
    store: &dyn Books,
    ledger: Ledger,
    floor: Day,
    report: &mut LedgerReport,
) -> Result<(), BooksError> {
    let totals = store.ledger_totals(ledger).await?;
    report.in_aggregates = totals.in_aggregates;
    report.named = totals.named;
    if ledger == Ledger::Emotions {
        let mismatches = store.summary_mismatches(floor, MISMATCHES).await?;
        report.summary_mismatches = mismatches.into_iter().map(Into::into).collect();
    }
    Ok(())
}

/// What makes two events of a ledger the same: a repeated transaction may come under another day.
fn identity(ledger: Ledger, key: EventKey) -> EventKey {
    match ledger {
        Ledger::Emotions => key,
        Ledger::Transactions => EventKey { day: Day::ZERO, ..key },
    }
}

fn note(examples: &mut Vec<Key>, key: EventKey) {
    if examples.len() < EXAMPLES {
        examples.push(key.into());
    }
}
