//! Sending records and hearing of each whether it is durable.
//!
//! A broker works off the requests of one connection one after the other, and the library puts records of one partition only
//! into a request. Where each request is a flush, partitions would wait for each other's flushes. So such a broker gets several
//! producers, each with a connection and partitions of its own, and flushes side by side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ecs_bus::{BusError, Event};
use rdkafka::ClientConfig;
use rdkafka::message::OwnedHeaders;

use crate::fates::{Batch, Failure, Fate, Ticket};
use crate::lane::{Lane, Usable};
use crate::{Options, client, message};

/// How many producers a process has at most. A broker has eight threads for requests unless told otherwise.
const MOST_LANES: i32 = 6;

/// A record on its way out.
pub(crate) struct Outgoing {
    pub(crate) topic: Arc<str>,
    /// The partition that it is expected in: it decides which producer sends it, and nothing else.
    pub(crate) place: i32,
    /// `None` where the key decides.
    pub(crate) partition: Option<i32>,
    pub(crate) key: String,
    pub(crate) payload: Bytes,
    pub(crate) headers: OwnedHeaders,
}

impl Outgoing {
    /// An event for its subject's topic.
    pub(crate) fn event(topic: Arc<str>, place: i32, event: &Event) -> Self {
        let (key, payload) = (event.key.to_string(), event.payload.clone());
        Self { topic, place, partition: None, key, payload, headers: message::headers(event) }
    }
}

/// Sends records. One that is `Ok` is on the disks that have to have it.
pub(crate) struct Producer {
    lanes: Vec<Lane>,
}

impl Producer {
    /// `partitions` is what the largest topic has.
    pub(crate) fn open(options: &Options, partitions: i32) -> Result<Self, BusError> {
        let config = config(options)?;
        let lanes = (0..lanes(options.replicas, partitions)).map(|_| Lane::open(config.clone()));
        Ok(Self { lanes: lanes.collect::<Result<_, _>>()? })
    }

    /// Sends records and returns what became of each, in their order. It ends: what isn't acknowledged in time is given up.
    pub(crate) async fn send(&self, records: Vec<Outgoing>) -> Vec<Fate> {
        if records.is_empty() {
            return Vec::new();
        }
        let count = records.len();
        let (batch, results) = Batch::new(count);
        // Looked at once per batch: whether a producer is usable takes a lock.
        let mut usable: Vec<Option<Result<Usable, Failure>>> = self.lanes.iter().map(|_| None).collect();
        for (place, record) in records.into_iter().enumerate() {
            let ticket = Ticket { batch: Arc::clone(&batch), place };
            let lane = usize::try_from(record.place).unwrap_or_default() % self.lanes.len().max(1);
            let (Some(lane), Some(usable)) = (self.lanes.get(lane), usable.get_mut(lane)) else { continue };
            let look = || lane.usable().map_err(|error| Failure::Unheard(error.to_string()));
            match usable.get_or_insert_with(look) {
                Ok(usable) => usable.send(record, ticket),
                Err(failure) => ticket.tell(Err(failure.clone())),
            }
        }
        drop((batch, usable));
        results.await.unwrap_or_else(|_| vec![Err(Failure::Unheard("nothing was heard of it".into())); count])
    }

    /// Waits until all that was sent has its fate.
    pub(crate) fn flush(&self, limit: Duration) -> Result<(), BusError> {
        let end = Instant::now() + limit;
        let left = || end.saturating_duration_since(Instant::now());
        // All of them, so that one that can't flush keeps no other from it.
        let flushed: Vec<_> = self.lanes.iter().map(|lane| lane.flush(left())).collect();
        flushed.into_iter().collect()
    }
}

/// How many producers there are. Brokers of a cluster don't flush, so one is enough there.
fn lanes(replicas: i32, partitions: i32) -> i32 {
    if replicas > 1 { 1 } else { partitions.clamp(1, MOST_LANES) }
}

fn config(options: &Options) -> Result<ClientConfig, BusError> {
    let mut config = client::config(options)?;
    let largest = client::largest_batch(options.max_payload).to_string();
    // Retries of deliveries travel besides what the window admits.
    let queue = options.window_events.saturating_mul(2).max(100_000).to_string();
    let kilobytes = (options.window_bytes / 1024).saturating_mul(2).max(64 << 10).to_string();
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("delivery.timeout.ms", client::millis(options.publish_timeout))
        .set("request.timeout.ms", client::millis(options.publish_timeout))
        .set("message.max.bytes", &largest)
        .set("batch.num.messages", "10000")
        .set("queue.buffering.max.messages", queue)
        .set("queue.buffering.max.kbytes", kilobytes)
        .set("partitioner", "murmur2_random");
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_flushes_gets_a_producer_per_partition_and_a_cluster_one() {
        let check = |replicas, partitions, expect| assert_eq!(lanes(replicas, partitions), expect);
        check(1, 0, 1);
        check(1, 1, 1);
        check(1, 2, 2);
        check(1, 100, MOST_LANES);
        check(3, 6, 1);
    }
}
