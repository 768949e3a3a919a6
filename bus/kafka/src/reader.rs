//! Looks into topics without being a member of any group.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use ecs_bus::BusError;
use ecs_domain::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::Options;
use crate::client::{self, Quiet, unavailable};
use crate::patience::patiently;

/// How long Kafka may take for an answer, or for the next message.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<i32, i64>;

/// A consumer that reads where it is told to. Its calls block.
pub(crate) struct Reader {
    consumer: BaseConsumer<Quiet>,
}

/// Whether the reading goes on in a partition after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    On,
    /// This partition has shown enough.
    Enough,
    /// All of it is read.
    End,
}

impl Reader {
    pub(crate) fn open(options: &Options) -> Result<Self, BusError> {
        let mut config =
            client::consumer(&client::config(options)?, &format!("{}ecs.reader", options.prefix));
        config.set("enable.partition.eof", "true");
        let consumer = config.create_with_context(Quiet).map_err(|error| unavailable(&error))?;
        Ok(Self { consumer })
    }

    /// How many partitions a topic has; none where it isn't there.
    pub(crate) fn partitions(&self, topic: &str) -> Result<i32, BusError> {
        let told = self.consumer.fetch_metadata(Some(topic), LIMIT).map_err(|error| unavailable(&error))?;
        let count = told.topics().first().map_or(0, |topic| topic.partitions().len());
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// What there is in each partition of a topic.
    pub(crate) fn spans(&self, topic: &str, partitions: i32) -> Result<Vec<Range<i64>>, BusError> {
        let ends = self.offsets(topic, partitions, Offset::End)?;
        let begins = self.offsets(topic, partitions, Offset::Beginning)?;
        let spans = begins.into_iter().zip(ends);
        Ok(spans.map(|(begin, end)| begin.unwrap_or(0)..end.unwrap_or(0)).collect())
    }

    /// The first place of each partition whose record is not older than a time; `None` where all are older.
    pub(crate) fn first_since(
        &self,
        topic: &str,
        partitions: i32,
        since: Timestamp,
    ) -> Result<Vec<Option<i64>>, BusError> {
        // Kafka counts milliseconds: what was published within the one that `since` is in may be older.
        let millis = since.as_millisecond() + i64::from(since.as_nanosecond() % 1_000_000 != 0);
        self.offsets(topic, partitions, Offset::Offset(millis.max(0)))
    }

    fn offsets(&self, topic: &str, partitions: i32, at: Offset) -> Result<Vec<Option<i64>>, BusError> {
        if partitions == 0 {
            return Ok(Vec::new());
        }
        patiently(LIMIT, || self.ask(topic, partitions, at)).map_err(|error| unavailable(&error))
    }

    fn ask(&self, topic: &str, partitions: i32, at: Offset) -> KafkaResult<Vec<Option<i64>>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        list.set_all_offsets(at)?;
        let told = self.consumer.offsets_for_times(list, LIMIT)?;
        let offset = |part: &TopicPartitionListElem<'_>| {
            part.error()?;
            Ok(part.offset().to_raw().filter(|offset| *offset >= 0))
        };
        told.elements().iter().map(offset).collect()
    }

    /// Shows the messages of a topic from some places up to others, each partition's in their order.
    pub(crate) fn read(
        &self,
        topic: &str,
        from: &Offsets,
        to: &Offsets,
        mut show: impl FnMut(&BorrowedMessage<'_>) -> Result<Then, BusError>,
    ) -> Result<(), BusError> {
        let end = |partition: i32| to.get(&partition).copied().unwrap_or_default();
        let mut open: Offsets =
            from.iter().map(|(part, at)| (*part, *at)).filter(|(part, at)| *at < end(*part)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in &open {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            added.map_err(|error| unavailable(&error))?;
        }
        self.consumer.assign(&list).map_err(|error| unavailable(&error))?;
        let shown = self.show(&mut open, end, &mut show);
        // Whatever has arrived besides is of no use to the next one who reads.
        self.consumer.unassign().map_err(|error| unavailable(&error))?;
        shown
    }

    fn show(
        &self,
        open: &mut Offsets,
        end: impl Fn(i32) -> i64,
        show: &mut impl FnMut(&BorrowedMessage<'_>) -> Result<Then, BusError>,
    ) -> Result<(), BusError> {
        let mut heard = Instant::now();
        while !open.is_empty() {
            match self.consumer.poll(LOOK) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let partition = message.partition();
                    let is_wanted = message.offset() < end(partition) && open.contains_key(&partition);
                    let then = if is_wanted { show(&message)? } else { Then::Enough };
                    match then {
                        Then::End => return Ok(()),
                        Then::On if message.offset() + 1 < end(partition) => {}
                        Then::On | Then::Enough => drop(open.remove(&partition)),
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
                Some(Err(error)) => tracing::debug!(%error, "Kafka"),
                None => {}
            }
            if heard.elapsed() > LIMIT {
                return Err(BusError::Unavailable("Kafka does not send what it keeps".to_owned()));
            }
        }
        Ok(())
    }
}
