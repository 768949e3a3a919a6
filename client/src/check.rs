//! Holds a sender's journal against the platform's books.
//!
//! What must be true: every event that got its 202 is counted (or was discarded for lack of consent, or is a dead
//! letter that somebody can read), an event whose answer never came is counted or not, and nothing is counted that was
//! never sent or that was refused. The last part needs a journal that holds all that its users ever sent, so senders
//! for the same users go on with the same journal.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use ecs_domain::UserId;
use serde::Serialize;
use tokio::time::Instant;

use crate::journal::{Entry, State};
use crate::operations::MAX_KEYS;
use crate::{Client, EventKey, Fate, Ledger};

/// Examples that a report lists of each complaint.
const EXAMPLES: usize = 10;
/// How long to wait before asking again about events that are on their way.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Who knows what became of events: the platform over HTTP, or its store.
#[async_trait]
pub trait FateSource: Send + Sync {
    /// What became of each of these events, at most [`MAX_KEYS`]; `result[i]` belongs to `keys[i]`.
    async fn fates(&self, ledger: Ledger, keys: &[EventKey]) -> anyhow::Result<Vec<Fate>>;

    /// Up to `limit` counted events after `after`, in an order that stays the same from page to page.
    async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        limit: usize,
    ) -> anyhow::Result<Vec<EventKey>>;
}

#[async_trait]
impl FateSource for Client {
    async fn fates(&self, ledger: Ledger, keys: &[EventKey]) -> anyhow::Result<Vec<Fate>> {
        Self::fates(self, ledger, keys).await.context("can't read the fates of events")
    }

    async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        limit: usize,
    ) -> anyhow::Result<Vec<EventKey>> {
        let events =
            Self::counted(self, ledger, after, limit).await.context("can't list the counted events")?;
        Ok(events.iter().map(crate::operations::CountedEvent::key).collect())
    }
}

/// What holding a journal against the books came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JournalReport {
    /// Distinct events in the journal.
    pub sent: u64,
    /// Those that got their 202.
    pub accepted: Accepted,
    /// Those that were refused for good.
    pub refused: u64,
    /// Those whose answer never came, and which of them arrived all the same.
    pub unanswered: Unanswered,
    /// Counted events of the journal's users that the books list.
    pub counted_of_users: u64,
    /// Events that got their 202 and are not in the books: the promise was broken, or they are still on their way.
    pub missing: Complaint,
    /// Events that were refused and counted all the same.
    pub refused_but_counted: Complaint,
    /// Events of the journal's users that are counted and were never sent.
    pub never_sent: Complaint,
    /// Events that the books list twice.
    pub counted_twice: Complaint,
}

/// The fates of the events that got their 202.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Accepted {
    /// All of them: the sum of the others and of those that are missing.
    pub total: u64,
    /// In the aggregates.
    pub counted: u64,
    /// Not kept, for lack of consent.
    pub discarded: u64,
    /// Given up, and kept as dead letters.
    pub dead_lettered: u64,
    /// Gone with whoever they were about.
    pub erased: u64,
    /// Known to be on their way.
    pub pending: u64,
}

/// The events whose answer never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Unanswered {
    /// All of them.
    pub total: u64,
    /// Those that arrived: in the aggregates, discarded, dead-lettered or on their way.
    pub arrived: u64,
}

/// Events that should not be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Complaint {
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Example {
    /// In which ledger.
    pub ledger: Ledger,
    /// Which event.
    #[serde(flatten)]
    pub key: EventKey,
}

impl Complaint {
    fn add(&mut self, ledger: Ledger, key: EventKey) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(Example { ledger, key });
        }
    }
}

impl JournalReport {
    /// Whether every promise was kept and nothing was made up. Events that are known to be on their way are fine.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complaints().is_empty()
    }

    /// What is off, in words.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        [
            (&self.missing, "accepted and not in the books"),
            (&self.refused_but_counted, "refused and counted all the same"),
            (&self.never_sent, "counted and never sent"),
            (&self.counted_twice, "counted twice"),
        ]
        .into_iter()
        .filter(|(complaint, _)| complaint.count > 0)
        .map(|(complaint, what)| {
            let examples: Vec<String> =
                complaint.examples.iter().map(|e| format!("{} {}", e.ledger, e.key.event_id)).collect();
            format!("{} events were {what}, such as {}", complaint.count, examples.join(", "))
        })
        .collect()
    }
}

/// Holds a journal against the books. Accepted events that are on their way or that the books have not heard of yet are
/// asked about again until `settle` is over.
pub async fn journal(
    entries: &[Entry],
    source: &dyn FateSource,
    settle: Duration,
) -> anyhow::Result<JournalReport> {
    let deadline = Instant::now() + settle;
    let mut report = JournalReport::default();
    for ledger in Ledger::ALL {
        let states = last_word(entries, ledger);
        if states.is_empty() {
            continue;
        }
        report.sent += states.len() as u64;
        for state in [State::Accepted, State::Refused, State::Sent] {
            let keys: Vec<EventKey> =
                states.values().filter(|fact| fact.state == state).map(|fact| fact.key).collect();
            let until = if state == State::Accepted { deadline } else { Instant::now() };
            let fates = settled_fates(source, ledger, &keys, until).await?;
            for (key, fate) in keys.into_iter().zip(fates) {
                enter(&mut report, ledger, state, key, fate);
            }
        }
        compare_counted(&mut report, source, ledger, &states).await?;
    }
    Ok(report)
}

/// The strongest word about each event: a 202 outweighs a refusal, which outweighs having been sent. Keyed as the
/// ledger tells events apart.
fn last_word(entries: &[Entry], ledger: Ledger) -> HashMap<EventKey, Entry> {
    let mut states: HashMap<EventKey, Entry> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.ledger == ledger) {
        states
            .entry(entry.key.within(ledger))
            .and_modify(|known| known.state = known.state.max(entry.state))
            .or_insert(*entry);
    }
    states
}

/// Asks about the keys, and again about those that are not settled, until `deadline`.
async fn settled_fates(
    source: &dyn FateSource,
    ledger: Ledger,
    keys: &[EventKey],
    deadline: Instant,
) -> anyhow::Result<Vec<Fate>> {
    let mut fates = vec![Fate::Unknown; keys.len()];
    let mut open: Vec<usize> = (0..keys.len()).collect();
    loop {
        for chunk in open.chunks(MAX_KEYS) {
            let asked: Vec<EventKey> = chunk.iter().filter_map(|index| keys.get(*index).copied()).collect();
            let answers = source.fates(ledger, &asked).await?;
            ensure!(answers.len() == asked.len(), "the books answered about another number of events");
            for (index, fate) in chunk.iter().zip(answers) {
                if let Some(known) = fates.get_mut(*index) {
                    *known = fate;
                }
            }
        }
        open.retain(|index| matches!(fates.get(*index), Some(Fate::Unknown | Fate::Pending)));
        if open.is_empty() || Instant::now() >= deadline {
            return Ok(fates);
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

fn enter(report: &mut JournalReport, ledger: Ledger, state: State, key: EventKey, fate: Fate) {
    match state {
        State::Accepted => {
            report.accepted.total += 1;
            match fate {
                Fate::Counted => report.accepted.counted += 1,
                Fate::Discarded => report.accepted.discarded += 1,
                Fate::DeadLettered => report.accepted.dead_lettered += 1,
                Fate::Erased => report.accepted.erased += 1,
                Fate::Pending => report.accepted.pending += 1,
                Fate::Unknown => report.missing.add(ledger, key),
            }
        }
        State::Refused => {
            report.refused += 1;
            if fate != Fate::Unknown {
                report.refused_but_counted.add(ledger, key);
            }
        }
        State::Sent => {
            report.unanswered.total += 1;
            report.unanswered.arrived += u64::from(fate != Fate::Unknown);
        }
    }
}

/// Walks the counted events and looks those of the journal's users up in the journal.
async fn compare_counted(
    report: &mut JournalReport,
    source: &dyn FateSource,
    ledger: Ledger,
    states: &HashMap<EventKey, Entry>,
) -> anyhow::Result<()> {
    let users: HashSet<UserId> = states.keys().map(|key| key.user_id).collect();
    let mut seen: HashSet<EventKey> = HashSet::new();
    let mut after = None;
    loop {
        let page = source.counted(ledger, after, MAX_KEYS).await?;
        let Some(last) = page.last().copied() else { return Ok(()) };
        ensure!(after != Some(last), "the books list the same page of counted events again and again");
        after = Some(last);
        for key in page.iter().filter(|key| users.contains(&key.user_id)) {
            let identity = key.within(ledger);
            report.counted_of_users += 1;
            if !seen.insert(identity) {
                report.counted_twice.add(ledger, *key);
            }
            if !states.contains_key(&identity) {
                report.never_sent.add(ledger, *key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
