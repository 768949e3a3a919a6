//! Sending records and hearing of each whether it is durable.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use ecs_bus::{BusError, Event};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use crate::client::{self, unavailable};
use crate::{Options, message};

/// A record on its way out.
pub(crate) struct Outgoing {
    pub(crate) topic: Arc<str>,
    /// `None` where the key decides.
    pub(crate) partition: Option<i32>,
    pub(crate) key: String,
    pub(crate) payload: Bytes,
    pub(crate) headers: OwnedHeaders,
}

impl Outgoing {
    /// An event for its subject's topic.
    pub(crate) fn event(topic: Arc<str>, event: &Event) -> Self {
        let (key, payload) = (event.key.to_string(), event.payload.clone());
        Self { topic, partition: None, key, payload, headers: message::headers(event) }
    }
}

/// Why a record is not known to be durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The library has no room for it. It was not sent.
    Full,
    /// The broker said no.
    Refused(String),
    /// Nothing was heard. It may be durable or not.
    Unheard(String),
}

/// What became of a record.
pub(crate) type Fate = Result<(), Failure>;

/// Sends records. One that is `Ok` is on the disks that have to have it.
pub(crate) struct Producer {
    config: ClientConfig,
    inner: RwLock<Arc<ThreadedProducer<Deliveries>>>,
}

impl Producer {
    pub(crate) fn open(options: &Options) -> Result<Self, BusError> {
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
        let inner = RwLock::new(make(&config)?);
        Ok(Self { config, inner })
    }

    /// Sends records and returns what became of each, in their order. It ends: what isn't acknowledged in time is given up.
    pub(crate) async fn send(&self, records: Vec<Outgoing>) -> Vec<Fate> {
        if records.is_empty() {
            return Vec::new();
        }
        let producer = match self.usable() {
            Ok(producer) => producer,
            Err(error) => return vec![Err(Failure::Unheard(error.to_string())); records.len()],
        };
        let count = records.len();
        let (batch, results) = Batch::new(count);
        for (place, record) in records.into_iter().enumerate() {
            let ticket = Box::new(Ticket { batch: Arc::clone(&batch), place });
            let Outgoing { topic, partition, key, payload, headers } = record;
            let mut record = BaseRecord::with_opaque_to(&topic, ticket)
                .key(&key)
                .payload(payload.as_ref())
                .headers(headers);
            record.partition = partition;
            if let Err((error, record)) = producer.send(record) {
                record.delivery_opaque.tell(Err(failure(&error)));
            }
        }
        drop(batch);
        results.await.unwrap_or_else(|_| vec![Err(Failure::Unheard("nothing was heard of it".into())); count])
    }

    /// The producer, or a new one where that can send nothing more: an idempotent producer that has lost count of what
    /// the broker has refuses everything from then on.
    fn usable(&self) -> Result<Arc<ThreadedProducer<Deliveries>>, BusError> {
        let producer = Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner));
        let Some((code, _)) = producer.client().fatal_error() else { return Ok(producer) };
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&inner, &producer) {
            tracing::warn!(%code, "the producer can send nothing more, another takes its place");
            *inner = make(&self.config)?;
        }
        Ok(Arc::clone(&inner))
    }

    /// Waits until all that was sent has its fate.
    pub(crate) fn flush(&self, limit: Duration) -> Result<(), BusError> {
        let producer = Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner));
        producer.flush(limit).map_err(|error| unavailable(&error))
    }
}

fn make(config: &ClientConfig) -> Result<Arc<ThreadedProducer<Deliveries>>, BusError> {
    let made: Result<ThreadedProducer<Deliveries>, _> = config.create_with_context(Deliveries);
    made.map(Arc::new).map_err(|error| unavailable(&error))
}

fn failure(error: &KafkaError) -> Failure {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => Failure::Full,
        Some(
            code @ (RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::InvalidRecord),
        ) => Failure::Refused(code.to_string()),
        Some(code) => Failure::Unheard(code.to_string()),
        None => Failure::Unheard(error.to_string()),
    }
}

/// Hears what became of records.
struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, _: &str) {
        tracing::warn!(%error, "the producer for Kafka");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        ticket.tell(match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(failure(error)),
        });
    }
}

/// A record's place among those that were sent together.
struct Ticket {
    batch: Arc<Batch>,
    place: usize,
}

impl Ticket {
    fn tell(&self, fate: Fate) {
        self.batch.tell(self.place, fate);
    }
}

/// Records that were sent together, and whom to tell.
struct Batch(Mutex<Fates>);

struct Fates {
    known: Vec<Option<Fate>>,
    unknown: usize,
    reply: Option<oneshot::Sender<Vec<Fate>>>,
}

impl Batch {
    fn new(count: usize) -> (Arc<Self>, oneshot::Receiver<Vec<Fate>>) {
        let (reply, results) = oneshot::channel();
        let fates = Fates { known: vec![None; count], unknown: count, reply: Some(reply) };
        (Arc::new(Self(Mutex::new(fates))), results)
    }

    fn tell(&self, place: usize, fate: Fate) {
        let mut fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = fates.known.get_mut(place).filter(|known| known.is_none()) else { return };
        *known = Some(fate);
        fates.unknown -= 1;
        if fates.unknown == 0
            && let Some(reply) = fates.reply.take()
        {
            let all = std::mem::take(&mut fates.known).into_iter().flatten().collect();
            // Who asked may have gone away; the records are durable all the same.
            let _ = reply.send(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_hears_of_itself_and_the_last_word_ends_the_wait() {
        let (batch, mut results) = Batch::new(3);
        batch.tell(2, Err(Failure::Full));
        batch.tell(0, Ok(()));
        batch.tell(0, Err(Failure::Full));
        assert!(results.try_recv().is_err());
        batch.tell(1, Ok(()));
        assert_eq!(results.try_recv().unwrap(), [Ok(()), Ok(()), Err(Failure::Full)]);
    }
}
