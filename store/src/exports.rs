//! Archives of what is held on a person: who asked for one, how far it came, and its bytes.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::{ExportId, Timestamp, UserId};

use crate::StoreError;

/// How many bytes of an archive stand in one row at most.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Exports, and the chunks of their archives.
///
/// **One worker at a time builds an archive.** A claim lasts until its lease ends, which [`Exports::advance_export`] puts off; whoever
/// holds one writes under the number of the attempt, and an engine MUST refuse whatever comes under any other number, for that attempt
/// was taken for dead and another was begun. A claim begins from the beginning: what an earlier attempt wrote is gone.
///
/// **At most one export of a user is under way**, however many ask at the same time. An archive is whole or not there: its chunks are
/// read only once it is [`ExportState::Ready`].
#[async_trait]
pub trait Exports: Send + Sync + 'static {
    /// Asks for an archive, with an entry in the audit log. One that is under way is returned instead, and nothing is written. Of the
    /// user's exports `keep` stay, the new one among them; older ones go with their archives.
    async fn request_export(&self, request: NewExport) -> Result<RequestedExport, StoreError>;

    /// The user's exports, the newest first.
    async fn exports(&self, user: UserId) -> Result<Vec<Export>, StoreError>;

    /// One export. `None` when it isn't this user's.
    async fn export(&self, user: UserId, id: ExportId) -> Result<Option<Export>, StoreError>;

    /// Begins an attempt at the export that is due the longest: one that nobody has begun, or whose worker's lease has ended. Several
    /// claimers MUST never begin the same attempt.
    async fn claim_export(&self, now: Timestamp, lease: Duration) -> Result<Option<ExportHold>, StoreError>;

    /// Notes how far an attempt came, and holds it until `until`. Returns whether it still was the one.
    async fn advance_export(
        &self,
        hold: ExportHold,
        progress: Progress,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Writes a chunk of at most [`CHUNK_BYTES`]; they are numbered from 0. One that is written twice stands as it was written last.
    /// Returns whether the attempt still was the one.
    async fn write_export_chunk(
        &self,
        hold: ExportHold,
        number: u32,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError>;

    /// Ends an attempt. Returns whether it still was the one.
    async fn end_export(&self, hold: ExportHold, end: ExportEnd) -> Result<bool, StoreError>;

    /// A chunk. `None` when the archive has none of this number, or isn't this user's.
    async fn export_chunk(
        &self,
        user: UserId,
        id: ExportId,
        number: u32,
    ) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes an export with its archive, also one that is being built. Returns whether it was there.
    async fn remove_export(&self, user: UserId, id: ExportId) -> Result<bool, StoreError>;

    /// Drops archives whose time has come, at most `most`; that they were there stays known. Returns how many.
    async fn expire_exports(&self, now: Timestamp, most: usize) -> Result<u64, StoreError>;
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewExport {
    /// Its id, if it is made.
    pub id: ExportId,
    /// On whom.
    pub user: UserId,
    /// Who asks.
    pub actor: UserId,
    /// How many of the user's exports are kept.
    pub keep: usize,
    /// Now.
    pub now: Timestamp,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedExport {
    /// It waits for a worker.
    Made(Export),
    /// Another one is under way.
    UnderWay(Export),
    /// There is no such user.
    UnknownUser,
}

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportState {
    /// It waits for a worker.
    Pending,
    /// A worker builds it.
    Running,
    /// Its archive can be fetched.
    Ready,
    /// It was given up.
    Failed,
    /// Its archive was dropped.
    Expired,
}

impl ExportState {
    /// Every state there is.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Ready, Self::Failed, Self::Expired];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for ExportState {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or(())
    }
}

/// How far an export came, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows that are in the archive.
    pub done: u64,
    /// Rows that there were when it was begun; more may come meanwhile.
    pub total: u64,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// On whom.
    pub user: UserId,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub state: ExportState,
    /// How far it came.
    pub progress: Progress,
    /// When it came to an end.
    pub finished_at: Option<Timestamp>,
    /// When its archive is dropped.
    pub expires_at: Option<Timestamp>,
    /// How large its archive is.
    pub bytes: Option<u64>,
    /// Why it was given up: a word of the program.
    pub failure: Option<String>,
}

/// An attempt, for as long as its lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportHold {
    /// At which export.
    pub id: ExportId,
    /// On whom that is.
    pub user: UserId,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Its number, from 1.
    pub attempt: u32,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportEnd {
    /// The archive is whole.
    Ready {
        /// What is in it.
        progress: Progress,
        /// How large it is.
        bytes: u64,
        /// When.
        at: Timestamp,
        /// When it is dropped.
        expires_at: Timestamp,
    },
    /// There will be none.
    Failed {
        /// Why: a word of the program.
        failure: &'static str,
        /// When.
        at: Timestamp,
    },
    /// Another attempt is to be made, from this time on.
    Again(Timestamp),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in ExportState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("done".parse::<ExportState>(), Err(()));
    }
}
