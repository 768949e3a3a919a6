//! When the power is cut, and what that interrupted.

use std::fmt;

/// What a cut interrupted, told by the file that was touched and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// A database was being made: it still has a rollback journal.
    Creation,
    /// A commit was being written to the write-ahead log.
    CommitWrite,
    /// The write-ahead log was being synced, or had just been.
    CommitSync,
    /// Pages were on their way from the log to the database, or the log was being cut down after that.
    Checkpoint,
    /// A file was being created or deleted.
    Naming,
    /// Nothing was under way.
    Idle,
}

impl Moment {
    /// Every moment, in the order in which they come in a database's life.
    pub const ALL: [Self; 6] =
        [Self::Creation, Self::CommitWrite, Self::CommitSync, Self::Checkpoint, Self::Naming, Self::Idle];
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creation => "creation",
            Self::CommitWrite => "commit write",
            Self::CommitSync => "commit sync",
            Self::Checkpoint => "checkpoint",
            Self::Naming => "naming",
            Self::Idle => "idle",
        })
    }
}

/// Cuts the power at an operation to come. Operations that read don't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Which operations count; all of them when `None`.
    pub moment: Option<Moment>,
    /// The operation that is hit: 1 is the next.
    pub nth: u64,
}

/// A cut that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What it interrupted.
    pub moment: Moment,
    /// The name of the file that was being touched; `None` when none was.
    pub file: Option<String>,
    /// How many operations this disk had seen.
    pub operation: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("no file");
        write!(f, "{} of {file} at operation {}", self.moment, self.operation)
    }
}

/// The kinds of file that SQLite tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// The database itself.
    Database,
    /// The write-ahead log.
    Log,
    /// A rollback journal.
    Journal,
    /// Anything that SQLite forgets when it closes it.
    Temporary,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Write,
    Truncate,
    Sync,
    Name,
}

/// What an action on a file means. `journaled` is whether the database has a rollback journal at the time.
pub(crate) fn moment(kind: FileKind, action: Action, journaled: bool) -> Moment {
    match (kind, action) {
        (_, Action::Name) => Moment::Naming,
        (FileKind::Log, Action::Write) => Moment::CommitWrite,
        (FileKind::Log, Action::Sync) => Moment::CommitSync,
        (FileKind::Database, _) if !journaled => Moment::Checkpoint,
        (FileKind::Log, Action::Truncate) => Moment::Checkpoint,
        (FileKind::Database | FileKind::Journal | FileKind::Temporary, _) => Moment::Creation,
    }
}
