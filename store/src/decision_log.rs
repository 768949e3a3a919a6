//! The decision log: that each decision was made, and what it was, to the last bit.
//!
//! An entry is written in the transaction that writes the decision and its offer. It holds the digest of the row as it stands there,
//! sealed, and no part of it: so nothing of the person is in the chain, and it can be checked when their key is destroyed and their rows
//! are gone. So does the conclusion of a review, which may offer something, too. A decision or a review that goes for its age leaves an
//! entry of its own. Entries are chained like those of the audit log ([`crate::chain`]).

use std::collections::BTreeMap;

use async_trait::async_trait;
use ecs_domain::decision::Decision;
use ecs_domain::{DecisionId, Timestamp, UserId};
use ecs_vault::{Kept, Keyring, PersonKey};
use uuid::Uuid;

use crate::chain::{Batch, Chained, Digest, Hasher, Totals};
use crate::{DecisionRow, StoreError};

/// What an entry is called that tells that a decision was made.
pub const MADE: &str = "made";
/// What an entry is called that tells that a review was concluded.
pub const REVIEWED: &str = "reviewed";
/// What an entry is called that tells that a decision, or a review, went for its age.
pub const AGED: &str = "aged";

/// Entries, and the batches that they are sealed in. [`Credit::record_decision`](crate::Credit::record_decision) and
/// [`Reviews::conclude_review`](crate::Reviews::conclude_review) write the entries.
#[async_trait]
pub trait DecisionLog: Send + Sync + 'static {
    /// Seals the oldest entries that are not sealed yet, at most `most`, as the next batch. `None` when there are none. Of several at the
    /// same time one seals.
    async fn seal_decisions(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError>;

    /// How much there is, and what is not in it and should be.
    async fn decision_totals(&self) -> Result<DecisionTotals, StoreError>;

    /// Batches in their order, from number `from` on, at most `most`.
    async fn decision_batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError>;

    /// The entries of a batch in the order of their numbers, or those that are not sealed yet, and what has become of each decision.
    async fn logged(&self, batch: Option<u64>) -> Result<Vec<Logged>, StoreError>;

    /// Decisions that were made, in the order of their entries, with numbers above `after`, at most `most`.
    async fn logged_decisions(
        &self,
        wanted: &WantedDecisions,
        after: u64,
        most: usize,
    ) -> Result<Vec<LoggedDecision>, StoreError>;
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number. Numbers rise with the order of writing, and some are never used.
    pub number: u64,
    /// When it happened, in microseconds since 1970.
    pub at: i64,
    /// What happened: [`MADE`], [`REVIEWED`] or [`AGED`].
    pub act: String,
    /// To which decision; of [`REVIEWED`], and where it went for its age, which review.
    pub decision: Uuid,
    /// About whom that was.
    pub user: Uuid,
    /// Of the row as it was written, where it was; until its seal also of none from before there was a log.
    pub digest: Option<Digest>,
    /// The batch that it is sealed in.
    pub batch: Option<u64>,
}

impl Chained for LogEntry {
    const LABEL: &'static [u8] = b"ecs/decisions/1";

    fn digest_into(&self, hasher: &mut Hasher) {
        let Self { number, at, act, decision, user, digest, batch: _ } = self;
        hasher.fixed(&number.to_be_bytes());
        hasher.fixed(&at.to_be_bytes());
        hasher.text(act);
        hasher.fixed(decision.as_bytes());
        hasher.fixed(user.as_bytes());
        hasher.maybe(digest.as_ref());
    }
}

/// An entry, and what has become of its decision or review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The entry.
    pub entry: LogEntry,
    /// Of an entry that tells that a decision was made, or reviewed.
    pub standing: Option<Standing>,
}

/// What has become of a decision, or of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its row is there, and has this digest.
    There(Digest),
    /// It went for its age, which an entry tells.
    Aged,
    /// It went with its person, of whom the vault has a tombstone.
    Erased,
    /// It isn't there, and nothing says why.
    Gone,
}

/// How much is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecisionTotals {
    /// Its entries and batches.
    pub log: Totals,
    /// Decisions, and conclusions of reviews, that no entry tells of.
    pub unlogged: u64,
    /// Offers that no decision and no review has made, but for those of people who are being erased.
    pub undecided: u64,
}

/// What decisions have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WantedDecisions {
    /// Only those made at this time or later.
    pub from: Option<Timestamp>,
    /// Only those made before this time.
    pub until: Option<Timestamp>,
    /// Only those about this person.
    pub user: Option<UserId>,
}

/// A decision that was made, as far as it can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedDecision {
    /// The number of its entry.
    pub number: u64,
    /// Its id.
    pub id: DecisionId,
    /// About whom.
    pub user: UserId,
    /// When it was made.
    pub at: Timestamp,
    /// What is left of it.
    pub left: Left,
}

/// What is left of a decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Left {
    /// All of it.
    Whole(Box<Decision>),
    /// Nothing: it went for its age.
    Aged,
    /// Nothing that can be read: its person's key is destroyed.
    Erased,
    /// Nothing, and nothing says why.
    Gone,
    /// A row that can't be read although the key is there.
    Unreadable,
}

/// What an engine has found of an entry.
#[derive(Debug, Clone)]
pub struct Found {
    /// The entry.
    pub entry: LogEntry,
    /// The decision's row, of an entry that tells that it was made.
    pub row: Option<DecisionRow>,
    /// The digest of the review's row, of an entry that tells that it was concluded.
    pub review: Option<Digest>,
    /// Whether there is an entry that tells that it went for its age.
    pub aged: bool,
}

impl Found {
    /// Of what is there, as it stands.
    fn digest(&self) -> Option<Digest> {
        self.row.as_ref().map(DecisionRow::digest).or(self.review)
    }
}

/// What has become of the decisions and reviews of these entries.
pub async fn standings(found: Vec<Found>, keyring: &Keyring) -> Result<Vec<Logged>, StoreError> {
    let missing = found.iter().filter(|found| found.digest().is_none() && !found.aged);
    let kept = kept_of(missing.map(|found| found.entry.user), keyring).await?;
    let stand = |found: Found| {
        let standing = match found.digest() {
            Some(digest) => Standing::There(digest),
            None if found.aged => Standing::Aged,
            None if kept.get(&found.entry.user) == Some(&Kept::Tombstone) => Standing::Erased,
            None => Standing::Gone,
        };
        Logged { standing: (found.entry.act != AGED).then_some(standing), entry: found.entry }
    };
    Ok(found.into_iter().map(stand).collect())
}

/// The decisions of these entries, opened as far as their people have keys.
pub async fn decisions_left(found: Vec<Found>, keyring: &Keyring) -> Result<Vec<LoggedDecision>, StoreError> {
    let kept = kept_of(found.iter().map(|found| found.entry.user), keyring).await?;
    let people: Vec<UserId> = kept.keys().copied().map(UserId::new).collect();
    let keys: BTreeMap<UserId, PersonKey> = people
        .iter()
        .zip(keyring.known(&people).await?)
        .filter_map(|(user, key)| Some((*user, key?)))
        .collect();
    let left = |Found { entry, row, aged, review: _ }: Found| {
        let user = UserId::new(entry.user);
        let erased = kept.get(&entry.user) == Some(&Kept::Tombstone);
        LoggedDecision {
            number: entry.number,
            id: DecisionId::new(entry.decision),
            user,
            at: Timestamp::from_microsecond(entry.at).unwrap_or(Timestamp::MIN),
            left: match row {
                None if aged => Left::Aged,
                _ if erased => Left::Erased,
                None => Left::Gone,
                Some(row) => match row.open(keys.get(&user)) {
                    Ok(decision) => Left::Whole(Box::new(decision)),
                    Err(_) => Left::Unreadable,
                },
            },
        }
    };
    Ok(found.into_iter().map(left).collect())
}

/// What the vault keeps of these people.
async fn kept_of(
    users: impl Iterator<Item = Uuid>,
    keyring: &Keyring,
) -> Result<BTreeMap<Uuid, Kept>, StoreError> {
    let mut users: Vec<UserId> = users.map(UserId::new).collect();
    users.sort_unstable();
    users.dedup();
    let kept = keyring.vault().kept(&users).await?;
    Ok(users.into_iter().map(|user| user.uuid()).zip(kept).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{FIRST, digest};

    fn entry() -> LogEntry {
        LogEntry {
            number: 7,
            at: 1,
            act: MADE.to_owned(),
            decision: Uuid::from_u128(1),
            user: Uuid::from_u128(2),
            digest: Some([3; 32]),
            batch: None,
        }
    }

    #[test]
    fn a_digest_is_of_everything() {
        let sealed = digest(1, &FIRST, &[entry()]);
        assert_eq!(digest(1, &FIRST, &[LogEntry { batch: Some(1), ..entry() }]), sealed);
        let others: [(u64, Digest, Vec<LogEntry>); 11] = [
            (2, FIRST, vec![entry()]),
            (1, [1; 32], vec![entry()]),
            (1, FIRST, vec![]),
            (1, FIRST, vec![entry(), entry()]),
            (1, FIRST, vec![LogEntry { number: 8, ..entry() }]),
            (1, FIRST, vec![LogEntry { at: 2, ..entry() }]),
            (1, FIRST, vec![LogEntry { act: AGED.to_owned(), ..entry() }]),
            (1, FIRST, vec![LogEntry { decision: Uuid::from_u128(2), ..entry() }]),
            (1, FIRST, vec![LogEntry { user: Uuid::from_u128(1), ..entry() }]),
            (1, FIRST, vec![LogEntry { digest: Some([4; 32]), ..entry() }]),
            (1, FIRST, vec![LogEntry { digest: None, ..entry() }]),
        ];
        for (number, previous, entries) in others {
            assert_ne!(digest(number, &previous, &entries), sealed, "{number} {entries:?}");
        }
    }
}
