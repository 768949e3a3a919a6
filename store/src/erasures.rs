//! People who want to be forgotten.
//!
//! The order is what makes it hold: first the request, with which nobody logs in as them any more; then their key is destroyed and a
//! tombstone left, outside of the store; then the rows go, piece by piece; then they are looked for once more, when every write that
//! was under way has ended; and it is closed when the bus has forgotten, too. A store that is older than a tombstone erases again
//! before it is used.

use async_trait::async_trait;
use ecs_domain::{Timestamp, Tombstone, UserId};
use uuid::Uuid;

use crate::StoreError;

/// The table `erasures`, and the deletion itself.
#[async_trait]
pub trait Erasures: Send + Sync + 'static {
    /// Notes that a person is to be erased, and ends their sessions, their password, what they are found by, their rights, their
    /// consents and what they were offered, in one transaction, with the change of rights and the entry of the audit log that tell so.
    /// From then on nothing is decided about them, and nobody gives them rights. The last admin stays.
    async fn request_erasure(&self, request: ErasureRequest) -> Result<ErasureAsked, StoreError>;

    /// The erasure with this receipt.
    async fn erasure(&self, receipt: Uuid) -> Result<Option<Erasure>, StoreError>;

    /// The erasure of this person.
    async fn erasure_of(&self, user: UserId) -> Result<Option<Erasure>, StoreError>;

    /// Erasures of which something is due, the oldest first, at most `most`.
    async fn erasures_due(&self, due: ErasureDue, most: usize) -> Result<Vec<Erasure>, StoreError>;

    /// Deletes a bounded piece of what is kept about whoever this tombstone is of, and returns how much it was. The tombstone is noted
    /// with the first piece, also where nobody asked: from then on no event, notification or dead letter of theirs is taken in. The
    /// account itself goes last; entries of the audit log stay, and can't be read without the key.
    async fn erase(&self, tombstone: Tombstone) -> Result<Erased, StoreError>;

    /// Notes how far an erasure has come.
    async fn note_erasure(&self, user: UserId, reached: Reached, now: Timestamp) -> Result<(), StoreError>;

    /// Whom of these people nothing was left of, in the order of their ids.
    async fn erased_among(&self, users: &[UserId]) -> Result<Vec<UserId>, StoreError>;

    /// People of whom nothing was left, with ids above `after`, in their order, at most `most`.
    async fn erased_people(&self, after: Option<UserId>, most: usize) -> Result<Vec<UserId>, StoreError>;

    /// Whether what is sealed here was sealed with the keys of the vault that bears this mark. The first mark that is asked about
    /// is kept for good.
    async fn is_sealed_with(&self, mark: [u8; 32]) -> Result<bool, StoreError>;

    /// Seals what was written before there were keys, a bounded piece of it. Returns how many rows.
    async fn seal_plain(&self) -> Result<u64, StoreError>;
}

/// Somebody is to be erased.
#[derive(Debug, Clone, Copy)]
pub struct ErasureRequest {
    /// Who.
    pub user: UserId,
    /// Who asks for it: themselves, or somebody who may.
    pub by: UserId,
    /// Whether credit that was accepted goes with them. Otherwise it stands in the way.
    pub with_credit: bool,
    /// The time of the request.
    pub now: Timestamp,
}

/// What came of an [`ErasureRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureAsked {
    /// It is under way, or was done, since this request or an earlier one.
    UnderWay(Erasure),
    /// They have credit that was accepted or is active.
    HasCredit,
    /// Nobody would be left who may do everything.
    LastAdmin,
    /// There is no such user.
    Unknown,
}

/// An erasure and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose.
    pub user: UserId,
    /// By what whoever asked finds it; nobody guesses it.
    pub receipt: Uuid,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// The tombstone's number, once the key is destroyed and the first rows are gone.
    pub tombstone: Option<u64>,
    /// When no row was left.
    pub swept_at: Option<Timestamp>,
    /// When none was left again, after every write that was under way had ended.
    pub erased_at: Option<Timestamp>,
    /// When the bus had forgotten, too.
    pub closed_at: Option<Timestamp>,
    /// How many rows went.
    pub rows: u64,
}

/// What is due of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureDue {
    /// Rows are still to be deleted, or are to be looked for once more, since none was left at this time or before.
    Deletion {
        /// That time.
        swept_by: Timestamp,
    },
    /// The rows went at or before this time, and it is to be looked whether the bus has forgotten.
    Closing(Timestamp),
}

/// How far an erasure has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// No row was left.
    Swept,
    /// None was left the second time.
    Erased,
    /// The bus has forgotten.
    Closed,
}

/// A piece of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// How many rows went.
    pub rows: u64,
    /// Whether there may be more.
    pub more: bool,
}
