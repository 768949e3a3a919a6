//! What users may do beyond their own affairs, and the list of what changed for whom, which every process follows.

use std::collections::BTreeSet;

use async_trait::async_trait;
use ecs_domain::permission::{Access, Permission, Refusal};
use ecs_domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::StoreError;

/// Rights of users, and changes that end what their tokens say.
///
/// A change has a number, above those of all changes that were committed before it, and no lower than the microseconds of its time:
/// so a store that was set back to an older state still gives out higher numbers than any token has seen. A user's version is the
/// number of their newest change. A change is about a user, when their rights were replaced, all their sessions ended or their
/// password became another, or about a session that ended alone.
#[async_trait]
pub trait RightsOfUsers: Send + Sync + 'static {
    /// What a user may do. `None` for an unknown user.
    async fn rights(&self, user: UserId) -> Result<Option<Rights>, StoreError>;

    /// Replaces what a user may do, if [`Access::may_become`] lets it. Of several changes at the same time each is judged by what the
    /// one before it left. Nothing happens when it is what it was. Names of roles and permissions that this version doesn't know
    /// stay: a newer one granted them, runs beside it during an update, and alone can tell what taking them would mean.
    async fn change_rights(&self, change: RightsChange) -> Result<RightsChanged, StoreError>;

    /// Changes in the order of their numbers, at most `most`: those after `after`, or without it all since `since`. What is told once
    /// is complete up to its last number: nothing is committed below it later.
    async fn changes(&self, after: Option<u64>, since: Timestamp, most: usize)
    -> Result<Changes, StoreError>;
}

/// What a user may do, and since which change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// What was granted.
    pub access: Access,
    /// The number of the user's newest change; 0 before the first.
    pub version: u64,
}

/// What a user shall be allowed to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsChange {
    /// Whose rights they are.
    pub user: UserId,
    /// What replaces them.
    pub access: Access,
    /// Who says so.
    pub granter: UserId,
    /// What they hold themselves.
    pub held: BTreeSet<Permission>,
    /// The time of the request.
    pub now: Timestamp,
}

/// What came of a [`RightsChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RightsChanged {
    /// What holds now, and what held before.
    Done {
        /// After the change.
        rights: Rights,
        /// Before it.
        before: Access,
    },
    /// Nothing was changed, for this reason.
    Refused(Refusal),
    /// There is no such user.
    Unknown,
}

/// A piece of the list of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// In the order of their numbers.
    pub changes: Vec<Change>,
    /// The number of the newest change there is; 0 when there never was one. It is lower than what was told before only when the
    /// store was set back.
    pub newest: u64,
}

/// Tokens of this user or session that don't know of this change hold no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The change's number.
    pub number: u64,
    /// A user's id, or a session's.
    pub subject: Uuid,
}

/// The number of a change at `now`, after the newest one.
#[must_use]
pub fn next_change(newest: u64, now: Timestamp) -> u64 {
    newest.saturating_add(1).max(u64::try_from(now.as_microsecond()).unwrap_or(0))
}
