//! How far groups have come, and what of a topic is gone, by what Kafka keeps of both.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use ecs_bus::{Backlog, BusError, Frontier, Position};
use ecs_domain::Timestamp;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::Options;
use crate::client::{self, Quiet, unavailable};
use crate::engine::Names;
use crate::message;
use crate::patience::patiently;
use crate::reader::{LIMIT, Offsets, Reader, Then};
use crate::track::Progress;

/// How many waiting retries are looked at. With more, nothing is told to be settled for good.
const MOST_RETRIES: usize = 100_000;
/// The group under whose name we note until when events were forgotten.
const PRUNED: &str = "ecs.pruned";

/// Asks Kafka about groups. One client per group, made when it is first asked about: Kafka tells a group's progress to those who
/// bear its name.
pub(crate) struct Observers {
    options: Arc<Options>,
    clients: Mutex<HashMap<String, Arc<BaseConsumer<Quiet>>>>,
}

impl Observers {
    pub(crate) fn new(options: &Arc<Options>) -> Self {
        Self { options: Arc::clone(options), clients: Mutex::default() }
    }

    fn client(&self, group: &str) -> Result<Arc<BaseConsumer<Quiet>>, BusError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(group) {
            return Ok(Arc::clone(client));
        }
        let config = client::consumer(&client::config(&self.options)?, group);
        let client = Arc::new(config.create_with_context(Quiet).map_err(|error| unavailable(&error))?);
        clients.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    /// What Kafka keeps of a group for each of these partitions.
    fn committed(&self, group: &str, list: &TopicPartitionList) -> Result<TopicPartitionList, BusError> {
        let client = self.client(group)?;
        let told = patiently(LIMIT, || {
            let told = client.committed_offsets(list.clone(), LIMIT)?;
            told.elements().iter().try_for_each(TopicPartitionListElem::error)?;
            Ok(told)
        });
        told.map_err(|error| unavailable(&error))
    }

    /// A group's progress in each partition of a topic.
    fn progress(&self, group: &str, topic: &str, partitions: i32) -> Result<Vec<Progress>, BusError> {
        if partitions == 0 {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let told = self.committed(group, &list)?;
        let of_part = |part: &TopicPartitionListElem<'_>| match part.offset() {
            Offset::Offset(next) => Progress::parse(next, part.metadata()),
            _ => Progress::default(),
        };
        Ok(told.elements().iter().map(of_part).collect())
    }

    /// Until when events of a topic were forgotten, as far as we have noted that.
    pub(crate) fn pruned_at(&self, topic: &str) -> Result<Option<Timestamp>, BusError> {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, 0);
        let group = format!("{}{PRUNED}", self.options.prefix);
        let told = self.committed(&group, &list)?;
        Ok(told.elements().first().and_then(|part| part.metadata().parse().ok()))
    }

    /// Notes until when events of a topic are forgotten.
    pub(crate) fn note_pruned(&self, topic: &str, until: Timestamp) -> Result<(), BusError> {
        let until = self.pruned_at(topic)?.map_or(until, |noted| noted.max(until));
        let mut list = TopicPartitionList::new();
        let mut part = list.add_partition(topic, 0);
        part.set_offset(Offset::Offset(0)).map_err(|error| unavailable(&error))?;
        part.set_metadata(until.to_string());
        let group = format!("{}{PRUNED}", self.options.prefix);
        let client = self.client(&group)?;
        let noted = patiently(LIMIT, || client.commit(&list, CommitMode::Sync));
        noted.map_err(|error| unavailable(&error))
    }
}

/// What waits for a retry.
struct Waiting {
    /// The first place of each of the subject's partitions that a waiting event comes from.
    origins: Offsets,
    oldest: Option<Timestamp>,
    /// Whether there are more than were looked at.
    more: bool,
}

/// How far a group has come.
pub(crate) fn of_group(
    observers: &Observers,
    reader: &Reader,
    group: &str,
    names: &Names,
) -> Result<Backlog, BusError> {
    let (partitions, retries) = (reader.partitions(&names.subject)?, reader.partitions(&names.retries)?);
    // In this order: an event that goes from its topic to the retries meanwhile is counted twice rather than not at all.
    let progress = observers.progress(group, &names.subject, partitions)?;
    let spans = reader.spans(&names.subject, partitions)?;
    let again = observers.progress(group, &names.retries, retries)?;
    let again_spans = reader.spans(&names.retries, retries)?;
    let waiting = waiting(reader, &names.retries, &again, &again_spans)?;
    let open = |progress: &[Progress], spans: &[Range<i64>]| -> u64 {
        progress.iter().zip(spans).map(|(progress, span)| progress.open(span)).sum()
    };
    let pending = open(&progress, &spans) + open(&again, &again_spans);
    let oldest = match pending {
        0 => None,
        _ => [waiting.oldest, oldest(reader, &names.subject, &progress, &spans)?].into_iter().flatten().min(),
    };
    Ok(Backlog { settled_through: frontier(&progress, &spans, &waiting), pending, oldest })
}

/// What is settled for good: what is gone is, and what waits for a retry isn't.
fn frontier(progress: &[Progress], spans: &[Range<i64>], waiting: &Waiting) -> Frontier {
    let mut frontier = Frontier::default();
    for ((progress, span), partition) in progress.iter().zip(spans).zip(0..) {
        let mut next = progress.next.min(span.end);
        if let Some(origin) = waiting.origins.get(&partition) {
            next = next.min(*origin);
        }
        if waiting.more {
            next = 0;
        }
        let through = u64::try_from(next.max(span.start) - 1);
        if let (Ok(offset), Ok(shard)) = (through, u16::try_from(partition)) {
            frontier.advance(Position { shard, offset });
        }
    }
    frontier
}

fn waiting(
    reader: &Reader,
    topic: &str,
    progress: &[Progress],
    spans: &[Range<i64>],
) -> Result<Waiting, BusError> {
    let mut waiting = Waiting { origins: Offsets::new(), oldest: None, more: false };
    let (from, to) = first_open(progress, spans);
    let mut seen = 0;
    reader.read(topic, &from, &to, |record| {
        let settled = usize::try_from(record.partition()).ok().and_then(|partition| progress.get(partition));
        if settled.is_some_and(|progress| progress.covers(record.offset())) {
            return Ok(Then::On);
        }
        if let Some(again) = message::again(record) {
            let (partition, offset) = again.origin;
            let first = waiting.origins.entry(partition).or_insert(offset);
            *first = offset.min(*first);
            waiting.oldest =
                Some(waiting.oldest.map_or(again.published_at, |old| old.min(again.published_at)));
        }
        seen += 1;
        waiting.more = seen >= MOST_RETRIES;
        Ok(if waiting.more { Then::End } else { Then::On })
    })?;
    Ok(waiting)
}

/// The time of the oldest event that isn't settled in its subject's topic.
fn oldest(
    reader: &Reader,
    topic: &str,
    progress: &[Progress],
    spans: &[Range<i64>],
) -> Result<Option<Timestamp>, BusError> {
    let (from, to) = first_open(progress, spans);
    first_time(reader, topic, &from, &to, Timestamp::min)
}

/// The time of the first message of each partition, and of these the one that `choose` wants.
pub(crate) fn first_time(
    reader: &Reader,
    topic: &str,
    from: &Offsets,
    to: &Offsets,
    choose: impl Fn(Timestamp, Timestamp) -> Timestamp,
) -> Result<Option<Timestamp>, BusError> {
    let mut chosen = None;
    reader.read(topic, from, to, |record| {
        let at = message::published_at(record);
        chosen = Some(chosen.map_or(at, |chosen| choose(chosen, at)));
        Ok(Then::Enough)
    })?;
    Ok(chosen)
}

/// Where what isn't settled begins in each partition, and where the partitions end.
fn first_open(progress: &[Progress], spans: &[Range<i64>]) -> (Offsets, Offsets) {
    let parts = || progress.iter().zip(spans).zip(0..);
    let from = parts().filter_map(|((progress, span), part)| Some((part, progress.first_open(span)?)));
    (from.collect(), parts().map(|((_, span), part)| (part, span.end)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_settled_and_what_waits_for_a_retry_is_not() {
        let check = |next: i64, span: Range<i64>, origin: Option<i64>, more: bool, expect: Option<u64>| {
            let origins = origin.map(|origin| (0, origin)).into_iter().collect();
            let waiting = Waiting { origins, oldest: None, more };
            let progress = [Progress { next, above: vec![] }];
            assert_eq!(frontier(&progress, &[span], &waiting).through(0), expect);
        };
        check(0, 0..0, None, false, None);
        check(0, 0..9, None, false, None);
        check(5, 0..9, None, false, Some(4));
        check(5, 0..9, Some(3), false, Some(2));
        check(5, 0..9, Some(0), false, None);
        check(5, 7..9, None, false, Some(6));
        check(5, 4..9, Some(2), false, Some(3));
        check(5, 0..9, None, true, None);
        check(12, 0..9, None, false, Some(8));
    }
}
