//! How the engine is opened.

use std::time::Duration;

use ecs_metrics::Metrics;

/// How to open a [`SqliteStore`](crate::SqliteStore).
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of a VFS that is registered with SQLite, in place of its own: tests fail writes with one.
    pub vfs: Option<String>,
    /// How hard a commit is pressed to disk.
    pub synchronous: Synchronous,
    /// How many connections read. At least one is opened; with more, a long read of the books holds nobody up.
    pub readers: usize,
    /// How long a lock that another process holds is waited for.
    pub busy_timeout: Duration,
    /// How many pages of 4 KiB the write-ahead log may grow to before a commit moves them into the database.
    pub checkpoint_pages: u32,
    /// Where queries are timed.
    pub metrics: Metrics,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vfs: None,
            synchronous: Synchronous::Full,
            readers: 3,
            busy_timeout: Duration::from_secs(5),
            checkpoint_pages: 8192,
            metrics: Metrics::default(),
        }
    }
}

/// How hard a commit is pressed to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Each commit is flushed before it is answered. What the store's contract asks for.
    #[default]
    Full,
    /// Flushed at checkpoints only: a power cut may take back answered writes. For measuring what flushing costs.
    Normal,
    /// Nothing is ever flushed on purpose: a power cut may also leave a file that can't be read. For experiments.
    Off,
}

impl Synchronous {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
            Self::Off => "off",
        }
    }
}
