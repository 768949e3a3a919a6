//! Events that were given up.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::dead_letter::{DeadLetterKind, DeadLetterState};
use ecs_domain::{EventId, Timestamp, UserId};

use crate::StoreError;

/// The table `dead_letters`.
///
/// A letter's payload is in one place at a time: with the letter while it waits, in the outbox once it is replayed,
/// nowhere once it is dropped. The rest of the row stays, so that the books know what became of the event.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps dead letters. The same event of the same subject and group with the same bytes waits once. Letters of people who were
    /// erased MUST NOT be kept.
    ///
    /// An event that was replayed or dropped and is given up again MUST NOT get a second row: its letter waits again,
    /// under its old id, with the new reason and payload, and the new attempts behind the old ones in its history.
    async fn add_dead_letters(&self, letters: &[DeadLetterRow]) -> Result<(), StoreError>;

    /// Letters that match, highest id first, with ids below `before`, at most `limit`.
    async fn dead_letters(
        &self,
        filter: &LetterFilter,
        before: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError>;

    /// All of one letter.
    async fn dead_letter(&self, id: LetterId) -> Result<Option<FullLetter>, StoreError>;

    /// How many letters there are of each sort, in the order of their sorts.
    async fn count_dead_letters(&self) -> Result<Vec<LetterCount>, StoreError>;

    /// Publishes the events of those letters that wait, in the order of their ids: marks each as replayed and moves its
    /// payload into the outbox, in one transaction, so that no crash leaves one without the other. Returns those that
    /// were replayed; the others are unknown or don't wait. The audit log tells that `operator` did it.
    async fn replay_dead_letters(
        &self,
        ids: &[LetterId],
        operator: UserId,
        now: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError>;

    /// Drops those letters that wait, and their payloads. Returns those that were dropped.
    async fn drop_dead_letters(
        &self,
        ids: &[LetterId],
        operator: UserId,
        now: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError>;

    /// Forgets letters that were replayed or dropped before `before`, at most `limit`; those that wait stay. A replayed
    /// one whose event is still in the outbox stays too. Returns how many went.
    async fn forget_dead_letters(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}

/// A letter's number. A letter keeps it for ever, and a later letter's is higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId(pub i64);

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LetterId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A dead letter to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The subject's name.
    pub subject: String,
    /// The group that gave it up.
    pub group: String,
    /// The event's id.
    pub id: EventId,
    /// The event's key.
    pub key: UserId,
    /// What kind of trouble it was.
    pub kind: DeadLetterKind,
    /// Why, in words.
    pub reason: String,
    /// The failed attempts, oldest first: when, and why.
    pub history: Vec<(Timestamp, String)>,
    /// The original bytes.
    pub payload: Bytes,
    /// The payload's schema version.
    pub schema_version: u16,
    /// The request it came from.
    pub request_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// When it was given up.
    pub at: Timestamp,
}

/// Of the bytes only their number is told: they say what somebody felt or bought.
impl fmt::Debug for DeadLetterRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("DeadLetterRow");
        told.field("subject", &self.subject).field("group", &self.group).field("id", &self.id);
        told.field("key", &self.key).field("kind", &self.kind).field("reason", &self.reason);
        told.field("history", &self.history).field("bytes", &self.payload.len()).finish_non_exhaustive()
    }
}

/// A kept dead letter, as lists have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its number.
    pub id: LetterId,
    /// The subject's name.
    pub subject: String,
    /// The group that gave the event up.
    pub group: String,
    /// The event's id.
    pub event: EventId,
    /// The event's key.
    pub key: UserId,
    /// What kind of trouble it was, the last time.
    pub kind: DeadLetterKind,
    /// Why the event was given up the last time, in words.
    pub reason: String,
    /// When it was given up the last time.
    pub at: Timestamp,
    /// How many failed attempts its history holds.
    pub attempts: u64,
    /// What was done about it.
    pub state: DeadLetterState,
    /// When that was done, or when the letter came back; `None` while nothing was ever done.
    pub state_at: Option<Timestamp>,
    /// How often it was replayed.
    pub replays: u64,
}

/// All of a kept dead letter.
#[derive(Clone, PartialEq, Eq)]
pub struct FullLetter {
    /// What lists have.
    pub letter: Letter,
    /// The failed attempts, oldest first: when, and why. Of a letter that came back often, the newest ones.
    pub history: Vec<(Timestamp, String)>,
    /// The original bytes, while it waits.
    pub payload: Option<Bytes>,
    /// The payload's schema version.
    pub schema_version: u16,
    /// The request it came from.
    pub request_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

/// Of the bytes only their number is told.
impl fmt::Debug for FullLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.payload.as_ref().map(Bytes::len);
        let mut told = f.debug_struct("FullLetter");
        told.field("letter", &self.letter).field("history", &self.history);
        told.field("bytes", &bytes).finish_non_exhaustive()
    }
}

/// Which letters; what is `None` matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LetterFilter {
    /// Of this subject.
    pub subject: Option<String>,
    /// Of this group.
    pub group: Option<String>,
    /// In this state.
    pub state: Option<DeadLetterState>,
    /// With trouble of this kind.
    pub kind: Option<DeadLetterKind>,
    /// With this text somewhere in the reason, whatever the case of its ASCII letters.
    pub reason: Option<String>,
    /// Of this user.
    pub key: Option<UserId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Given up at or after this time.
    pub since: Option<Timestamp>,
    /// Given up before this time.
    pub until: Option<Timestamp>,
}

/// How many letters are of one sort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterCount {
    /// The subject's name.
    pub subject: String,
    /// The group that gave them up.
    pub group: String,
    /// What kind of trouble it was.
    pub kind: DeadLetterKind,
    /// What was done about them.
    pub state: DeadLetterState,
    /// How many.
    pub count: u64,
}
