//! A bus and pieces of a store in memory, whose failures a test chooses, under tokio's paused time.

mod bus;
mod notifications;
mod store;

use std::sync::Arc;
use std::time::Duration;

pub use bus::{MemoryBus, State};
use bytes::Bytes;
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::{Clock, EventId, Timestamp, UserId};
pub use notifications::MemoryNotifications;
pub use store::{Letters, MemoryOutbox};
use tokio::time::Instant;
use uuid::Uuid;

/// Follows tokio's clock, so that it moves when a test's time does.
pub struct TokioClock(Instant);

impl TokioClock {
    /// Starts at noon of 2026-11-20.
    #[must_use]
    pub fn start() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        "2026-11-20T12:00:00Z".parse::<Timestamp>().unwrap() + self.0.elapsed()
    }
}

/// The event of this number, without content.
#[must_use]
pub fn event(subject: Subject, number: u128) -> Event {
    Event {
        id: EventId::new(Uuid::from_u128(number)),
        subject,
        key: UserId::new(Uuid::from_u128(7)),
        payload: Bytes::from_static(b"{}"),
        headers: Headers::current(),
    }
}

/// Polls until `done`, at most an hour of the test's time.
pub async fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(3600);
    while !done() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
