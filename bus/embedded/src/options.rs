//! How an embedded bus is opened.

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::Clock;
use ecs_metrics::Metrics;

/// What an [`crate::EmbeddedBus`] is opened with. [`Options::new`] gives the settings that production uses.
#[derive(Clone)]
pub struct Options {
    /// Where "now" comes from: the times of events, retries and leases.
    pub clock: Arc<dyn Clock>,
    /// How many events may wait to be made durable; more are refused with `WindowFull`.
    pub window_events: usize,
    /// How many payload bytes may wait to be made durable.
    pub window_bytes: usize,
    /// The largest payload, in bytes.
    pub max_payload: usize,
    /// How many bytes of the newest events stay in memory, so that a consumer that keeps up needn't read them back.
    pub tail_bytes: usize,
    /// How long a commit waits at most for publishers that were answered together to come back together. It waits no
    /// longer than a quarter of what the last commit took, and only when that one answered several at once, so a lone
    /// publisher never pays for it.
    pub gather: Duration,
    /// How long an acknowledgement may stay unwritten. A crash within that time repeats its delivery.
    pub progress_interval: Duration,
    /// How large the file may grow, in bytes; then publishing answers `Unavailable` until events are forgotten.
    pub max_file_bytes: Option<u64>,
    /// How many pages of 8 KiB the write-ahead log may grow to before a commit moves them into the file.
    pub checkpoint_pages: u32,
    /// The SQLite VFS to open the file with, such as one that injects faults; the platform's own when `None`.
    pub vfs: Option<String>,
    /// How far a commit goes before it counts.
    pub synchronous: Synchronous,
    /// Where commits are measured.
    pub metrics: Metrics,
}

/// SQLite's `synchronous` setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Every commit is flushed to disk. The only setting that keeps the promise of [`ecs_bus::Bus::publish`].
    #[default]
    Full,
    /// A commit survives the death of the process but not of the machine. For experiments.
    Normal,
    /// Nothing is ever flushed on purpose. For experiments.
    Off,
}

impl Synchronous {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
            Self::Off => "OFF",
        }
    }
}

impl Options {
    /// The settings that production uses.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            window_events: 20_000,
            window_bytes: 32 << 20,
            max_payload: 1 << 20,
            tail_bytes: 8 << 20,
            gather: Duration::from_millis(2),
            progress_interval: Duration::from_millis(50),
            max_file_bytes: None,
            checkpoint_pages: 4096,
            vfs: None,
            synchronous: Synchronous::Full,
            metrics: Metrics::default(),
        }
    }
}
