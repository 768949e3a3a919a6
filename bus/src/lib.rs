//! The contract of the event bus: what every transport MUST do, and what its users may count on.
//!
//! Effects happen once, deliveries don't: redelivery, duplicates and reordering are normal on every transport, so
//! everything that consumes is idempotent by event id and indifferent to order. [`ecs-bus-conformance`] stamps one
//! test per behaviour over every transport.
//!
//! [`ecs-bus-conformance`]: ../ecs_bus_conformance/index.html

mod consumer;
mod error;
mod event;
mod failures;
pub mod payload;
mod position;
mod subject;
mod transport;
mod window;

pub use consumer::{Consumer, DEFAULT_DELIVERY_LIMIT, DeadLetter, DeadLetterSink, Outcome, SinkError};
pub use error::{BusError, PublishError};
pub use event::{Event, Headers, unnamed_id};
pub use failures::Failures;
pub use position::{Frontier, Position};
pub use subject::{Group, Subject};
pub use transport::{
    Backlog, Bus, Capabilities, Delivery, FailedAttempt, LogPage, LogRecord, Needs, Settlement,
    SubscribeOptions, Subscription, Tag, Verdict,
};
pub use window::{RETRY_AFTER, Window};
