//! Partitions that come to this process and go to others.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::client;
use crate::engine::{Engine, GroupConsumer};
use crate::state::Part;
use crate::track::Progress;

/// How long a partition stays here although another process shall have it, so that members can settle what they hold of it.
/// What they haven't settled by then is delivered there, too.
const PATIENCE: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(20);
/// How long to wait for Kafka's word on how far the group has come.
const LIMIT: Duration = Duration::from_secs(5);
const TRIES: usize = 3;

/// Follows what Kafka says about the group's partitions.
pub(crate) struct Rebalancing(pub(crate) Arc<Engine>);

impl ClientContext for Rebalancing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, _: &str) {
        tracing::warn!(group = %self.0.group, %error, "Kafka");
    }
}

impl ConsumerContext for Rebalancing {
    fn rebalance(&self, consumer: &GroupConsumer, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        };
        if let Err(error) = done {
            tracing::warn!(group = %self.0.group, %error, "partitions can't be taken or given");
        }
    }
}

impl Rebalancing {
    fn assign(&self, consumer: &GroupConsumer, list: &TopicPartitionList) -> KafkaResult<()> {
        let known = self.progress(consumer, list);
        let mut from = TopicPartitionList::new();
        let mut state = self.0.state();
        for (part, progress) in self.parts(list).into_iter().zip(known) {
            let offset = match &progress {
                Known::Nothing => Offset::Beginning,
                Known::Untold => Offset::Stored,
                Known::Progress(progress) => Offset::Offset(progress.next),
            };
            from.add_partition_offset(self.0.names.of(part.0), part.1, offset)?;
            state.own(part, progress.into());
        }
        drop(state);
        tracing::debug!(group = %self.0.group, partitions = list.count(), "partitions come");
        consumer.incremental_assign(&from)
    }

    /// How far the group has come in each partition.
    fn progress(&self, consumer: &GroupConsumer, list: &TopicPartitionList) -> Vec<Known> {
        if list.count() == 0 {
            return Vec::new();
        }
        for _ in 0..TRIES {
            match consumer.committed_offsets(list.clone(), LIMIT) {
                Ok(told) => {
                    let ends = self.ends(consumer, list);
                    let elements = told.elements();
                    return elements
                        .iter()
                        .zip(ends)
                        .map(|(told, end)| known(told.offset(), told.metadata(), end))
                        .collect();
                }
                Err(error) => {
                    tracing::warn!(group = %self.0.group, %error, "Kafka doesn't say how far a group has come")
                }
            }
        }
        list.elements().iter().map(|_| Known::Untold).collect()
    }

    /// Where each partition ends, as far as that is told.
    fn ends(&self, consumer: &GroupConsumer, list: &TopicPartitionList) -> Vec<Option<i64>> {
        let mut ends = list.clone();
        let asked = ends.set_all_offsets(Offset::End);
        match asked.and_then(|()| consumer.offsets_for_times(ends, LIMIT)) {
            Ok(told) => told.elements().iter().map(|end| end.offset().to_raw()).collect(),
            Err(_) => vec![None; list.count()],
        }
    }

    fn revoke(&self, consumer: &GroupConsumer, list: &TopicPartitionList) -> KafkaResult<()> {
        let parts = self.parts(list);
        let is_lost = consumer.assignment_lost();
        if !is_lost {
            self.wait_for_members(&parts);
            if let Err(error) = self.0.commit_with(consumer) {
                tracing::warn!(group = %self.0.group, %error, "what was settled last will be delivered again elsewhere");
            }
        }
        self.0.state().disown(&parts);
        tracing::debug!(group = %self.0.group, partitions = list.count(), is_lost, "partitions go");
        consumer.incremental_unassign(list)
    }

    /// Waits until nobody holds anything of partitions that will be others'.
    fn wait_for_members(&self, parts: &[Part]) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0.state();
        loop {
            // What members hand back meanwhile is for others, too.
            state.drop_idle(parts);
            if state.closing || !state.is_held(parts) || Instant::now() >= deadline {
                return;
            }
            let waited = self.0.room.wait_timeout(state, GLANCE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn parts(&self, list: &TopicPartitionList) -> Vec<Part> {
        let elements = list.elements();
        elements.iter().map(|part| (self.0.names.topic(part.topic()), part.partition())).collect()
    }
}

/// What Kafka says about a group's progress in a partition.
enum Known {
    /// There is none yet.
    Nothing,
    /// Kafka did not answer. It will start where it knows, and what was settled behind that comes again.
    Untold,
    Progress(Progress),
}

impl From<Known> for Option<Progress> {
    fn from(known: Known) -> Self {
        match known {
            Known::Nothing | Known::Untold => None,
            Known::Progress(progress) => Some(progress),
        }
    }
}

/// A group that is further than its partition is long has seen another topic of that name; this one is new to it.
fn known(committed: Offset, text: &str, end: Option<i64>) -> Known {
    match committed {
        Offset::Offset(next) if end.is_none_or(|end| next <= end) => {
            Known::Progress(Progress::parse(next, text))
        }
        Offset::Offset(_) => {
            tracing::warn!("a topic was made anew; the group begins at its start");
            Known::Nothing
        }
        _ => Known::Nothing,
    }
}
