//! What one listener allows its clients.

use std::time::Duration;

/// The limits of a listener. A body is bounded where it is read: see [`crate::body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a request may take until its answer is there.
    pub request_timeout: Duration,
    /// The same for an upload of NDJSON, which may be large and come over a slow line, and for the balance of the
    /// books, which reads the whole log.
    pub stream_timeout: Duration,
    /// How long a client may take to send a request's headers, and so how long a connection may stay idle.
    pub header_read_timeout: Duration,
    /// How long a client may take no byte of an answer that waits for it, or acknowledge none of what was sent.
    pub write_timeout: Duration,
    /// How many connections are served at once. Those beyond wait in the kernel's queue.
    pub max_connections: usize,
    /// How many requests may wait for their answers at once. One more is refused with 503 before anything of it is
    /// read; health and metrics are answered all the same.
    pub max_in_flight: usize,
    /// How many streams of events may be open at once. They don't count as requests in flight.
    pub max_streams: usize,
    /// How long requests in flight may go on once the process was told to stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(15 * 60),
            header_read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            max_in_flight: 2_048,
            max_streams: 5_000,
            drain_timeout: Duration::from_secs(10),
        }
    }
}
