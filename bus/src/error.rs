//! What can go wrong on a bus.

use std::time::Duration;

/// Why one event was not made durable. It may be published again; the id keeps its effect single.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Too much is waiting to be made durable already. Nothing of this event was written.
    #[error("the publish window is full")]
    WindowFull {
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// The transport can't be reached or can't write. The event may or may not have been written.
    #[error("the bus is unavailable: {0}")]
    Unavailable(String),
    /// The event is larger than the transport takes; it never will be.
    #[error("the event has {bytes} bytes, the bus takes {limit}")]
    TooLarge {
        /// Its payload's size.
        bytes: usize,
        /// The largest payload that is taken.
        limit: usize,
    },
    /// The bus is draining: it was told to stop.
    #[error("the bus is closed")]
    Closed,
}

impl PublishError {
    /// Whether another try of the same event can succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::WindowFull { .. } | Self::Unavailable(_) | Self::Closed => true,
            Self::TooLarge { .. } => false,
        }
    }
}

/// Why the bus couldn't be opened, read or told of progress.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The transport can't be reached, read or written. Worth another try.
    #[error("the bus is unavailable: {0}")]
    Unavailable(String),
    /// The bus was told to stop.
    #[error("the bus is closed")]
    Closed,
    /// The transport can't do what was asked of it, and never will.
    #[error("the {transport} bus does not offer {capability}")]
    Unsupported {
        /// Which transport.
        transport: &'static str,
        /// What it lacks.
        capability: &'static str,
    },
    /// What is stored can't be understood.
    #[error("the bus holds what it should not: {0}")]
    Corrupt(String),
}
