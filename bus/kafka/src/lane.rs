//! One producer of the library, and with it one connection to each broker.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ecs_bus::BusError;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use crate::client::{self, unavailable};
use crate::fates::{Failure, Ticket};
use crate::producer::Outgoing;

/// A producer that can be replaced.
pub(crate) struct Lane {
    config: ClientConfig,
    inner: RwLock<Usable>,
}

/// The library's producer, as long as it sends.
#[derive(Clone)]
pub(crate) struct Usable(Arc<ThreadedProducer<Deliveries>>);

impl Lane {
    pub(crate) fn open(config: ClientConfig) -> Result<Self, BusError> {
        let inner = RwLock::new(make(&config)?);
        Ok(Self { config, inner })
    }

    /// The producer, or a new one where that can send nothing more: an idempotent producer that has lost count of what
    /// the broker has refuses everything from then on.
    pub(crate) fn usable(&self) -> Result<Usable, BusError> {
        let producer = self.inner.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((code, _)) = producer.0.client().fatal_error() else { return Ok(producer) };
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&inner.0, &producer.0) {
            tracing::warn!(%code, "the producer can send nothing more, another takes its place");
            *inner = make(&self.config)?;
        }
        Ok(inner.clone())
    }

    /// Waits until all that was sent has its fate.
    pub(crate) fn flush(&self, limit: Duration) -> Result<(), BusError> {
        let producer = self.inner.read().unwrap_or_else(PoisonError::into_inner).clone();
        producer.0.flush(limit).map_err(|error| unavailable(&error))
    }
}

impl Usable {
    /// Hands a record to the library, which tells the ticket what becomes of it.
    pub(crate) fn send(&self, record: Outgoing, ticket: Ticket) {
        let Outgoing { topic, place: _, partition, key, payload, headers } = record;
        let mut record = BaseRecord::with_opaque_to(&topic, Box::new(ticket))
            .key(&key)
            .payload(payload.as_ref())
            .headers(headers);
        record.partition = partition;
        if let Err((error, record)) = self.0.send(record) {
            record.delivery_opaque.tell(Err(failure(&error)));
        }
    }
}

fn make(config: &ClientConfig) -> Result<Usable, BusError> {
    let made = config.create_with_context(Deliveries);
    made.map(|made| Usable(Arc::new(made))).map_err(|error| unavailable(&error))
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
pub(crate) struct Deliveries;

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
