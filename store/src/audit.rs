//! The audit log: who did what to whom, what was before and what after.
//!
//! An entry is written in the transaction of what it tells, so neither is there without the other. It says in words of the program
//! what happened; it never holds what somebody felt, earned or is called. Entries are sealed into batches behind the writes: what was
//! before and after becomes ciphertext under the key of the person whom the entry is about, so that the chain holds when that key is
//! destroyed and nobody can read it any more. How batches are chained is told in [`crate::chain`].

use std::fmt::Display;

use async_trait::async_trait;
use ecs_domain::consent::Purpose;
use ecs_domain::permission::Access;
use ecs_domain::review::Review;
use ecs_domain::{BacktestId, ExportId, Month, Timestamp, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

pub use crate::chain::{Batch, Digest, FIRST, Totals, digest};
use crate::chain::{Chained, Hasher};
use crate::{LetterId, RightsChange, StoreError};

/// Entries and the batches that they are sealed in.
#[async_trait]
pub trait Audit: Send + Sync + 'static {
    /// Writes an entry by itself, about what is no write of the store.
    async fn note(&self, entry: NewEntry) -> Result<(), StoreError>;

    /// Seals the oldest entries that are not sealed yet, at most `most`, as the next batch. `None` when there are none. Of several at the
    /// same time one seals.
    async fn seal(&self, now: Timestamp, most: usize) -> Result<Option<Batch>, StoreError>;

    /// How much there is. Of what is written meanwhile, some may be told and some not.
    async fn audit_totals(&self) -> Result<Totals, StoreError>;

    /// Batches in their order, from number `from` on, at most `most`.
    async fn batches(&self, from: u64, most: usize) -> Result<Vec<Batch>, StoreError>;

    /// The entries of a batch in the order of their numbers, or those that are not sealed yet.
    async fn entries_of(&self, batch: Option<u64>) -> Result<Vec<Entry>, StoreError>;

    /// Entries that match, the newest first, with numbers below `before`, at most `most`.
    async fn entries(
        &self,
        filter: &EntryFilter,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError>;
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    /// Somebody's rights were replaced.
    AccessChanged,
    /// A user gave or withdrew consent.
    ConsentChanged,
    /// A user's password was replaced, and all their sessions ended.
    PasswordChanged,
    /// All sessions of a user ended.
    SessionsEnded,
    /// A refresh token came a second time, and its session ended.
    TokenReused,
    /// A dead letter was replayed.
    LetterReplayed,
    /// A dead letter was dropped.
    LetterDropped,
    /// What a dead letter holds was shown.
    LetterShown,
    /// Somebody is to be erased.
    ErasureRequested,
    /// A month was exported for research.
    ResearchExported,
    /// Somebody asked for an archive of what is held on a person.
    ExportRequested,
    /// Somebody fetched such an archive.
    ExportFetched,
    /// Somebody read decisions with all that they were made from, to compute them again.
    DecisionsReplayed,
    /// A policy was drafted.
    PolicyDrafted,
    /// A second person approved a policy.
    PolicyApproved,
    /// A policy was taken back before it was active.
    PolicyWithdrawn,
    /// Somebody had a policy asked of past decisions.
    PolicyBacktested,
    /// Somebody read which decisions flip in a backtest.
    FlipsRead,
    /// Somebody wants a decision about them reviewed.
    ReviewRequested,
    /// An officer has taken a review on.
    ReviewClaimed,
    /// An officer has concluded a review.
    ReviewConcluded,
    /// Rows went for their age.
    RowsDropped,
}

impl Act {
    /// Every act there is.
    pub const ALL: [Self; 22] = [
        Self::AccessChanged,
        Self::ConsentChanged,
        Self::PasswordChanged,
        Self::SessionsEnded,
        Self::TokenReused,
        Self::LetterReplayed,
        Self::LetterDropped,
        Self::LetterShown,
        Self::ErasureRequested,
        Self::ResearchExported,
        Self::ExportRequested,
        Self::ExportFetched,
        Self::DecisionsReplayed,
        Self::PolicyDrafted,
        Self::PolicyApproved,
        Self::PolicyWithdrawn,
        Self::PolicyBacktested,
        Self::FlipsRead,
        Self::ReviewRequested,
        Self::ReviewClaimed,
        Self::ReviewConcluded,
        Self::RowsDropped,
    ];

    /// Its name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessChanged => "access.changed",
            Self::ConsentChanged => "consent.changed",
            Self::PasswordChanged => "password.changed",
            Self::SessionsEnded => "sessions.ended",
            Self::TokenReused => "token.reused",
            Self::LetterReplayed => "dead-letter.replayed",
            Self::LetterDropped => "dead-letter.dropped",
            Self::LetterShown => "dead-letter.shown",
            Self::ErasureRequested => "erasure.requested",
            Self::ResearchExported => "research.exported",
            Self::ExportRequested => "export.requested",
            Self::ExportFetched => "export.fetched",
            Self::DecisionsReplayed => "decisions.replayed",
            Self::PolicyDrafted => "policy.drafted",
            Self::PolicyApproved => "policy.approved",
            Self::PolicyWithdrawn => "policy.withdrawn",
            Self::PolicyBacktested => "policy.backtested",
            Self::FlipsRead => "backtest.flips-read",
            Self::ReviewRequested => "review.requested",
            Self::ReviewClaimed => "review.claimed",
            Self::ReviewConcluded => "review.concluded",
            Self::RowsDropped => "retention.dropped",
        }
    }
}

impl std::str::FromStr for Act {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|act| act.as_str() == text).ok_or(())
    }
}

/// Who acts when nobody does: the platform itself, by its settings. Nobody's account has this id.
pub const PLATFORM: UserId = UserId::new(Uuid::max());

/// An entry to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: UserId,
    /// What.
    pub act: Act,
    /// To whom or what: a user's id, a dead letter's number, a policy's version, an exported month, or a class of data.
    pub subject: String,
    /// What was before; null where there is nothing to say.
    pub before: Value,
    /// What is now.
    pub after: Value,
}

impl NewEntry {
    /// What a user did about themselves.
    #[must_use]
    pub fn of_oneself(user: UserId, act: Act, before: Value, after: Value, now: Timestamp) -> Self {
        Self { at: now, actor: user, act, subject: user.to_string(), before, after }
    }

    /// Somebody's rights were replaced.
    #[must_use]
    pub fn of_rights(change: &RightsChange, before: &Access) -> Self {
        let said = |access: &Access| {
            let roles: Vec<_> = access.roles.iter().map(|role| role.as_str()).collect();
            let permissions: Vec<_> =
                access.permissions.iter().map(|permission| permission.as_str()).collect();
            json!({"roles": roles, "permissions": permissions})
        };
        let (before, after) = (said(before), said(&change.access));
        let (actor, subject) = (change.granter, change.user.to_string());
        Self { at: change.now, actor, act: Act::AccessChanged, subject, before, after }
    }

    /// A user gave or withdrew consent.
    #[must_use]
    pub fn of_consent(
        user: UserId,
        purpose: Purpose,
        before: Option<bool>,
        granted: bool,
        now: Timestamp,
    ) -> Self {
        let said = |granted: Option<bool>| json!({"purpose": purpose.as_str(), "granted": granted});
        Self::of_oneself(user, Act::ConsentChanged, said(before), said(Some(granted)), now)
    }

    /// Somebody exported a month for research.
    #[must_use]
    pub fn of_research(actor: UserId, exported: Exported, now: Timestamp) -> Self {
        let Exported { month, k, rows, groups, suppressed_people } = exported;
        let after = json!({"k": k, "rows": rows, "groups": groups, "suppressed_people": suppressed_people});
        let subject = format!("research {month}");
        Self { at: now, actor, act: Act::ResearchExported, subject, before: Value::Null, after }
    }

    /// What somebody did about an archive of what is held on a person.
    #[must_use]
    pub fn of_export(actor: UserId, act: Act, user: UserId, export: ExportId, now: Timestamp) -> Self {
        let after = json!({"export": export.to_string()});
        Self { at: now, actor, act, subject: user.to_string(), before: Value::Null, after }
    }

    /// Somebody read decisions about this person, or about everybody, with all that they were made from.
    #[must_use]
    pub fn of_replay(actor: UserId, about: Option<UserId>, decisions: usize, now: Timestamp) -> Self {
        let subject = about.map_or_else(|| "decisions".to_owned(), |user| user.to_string());
        let (act, after) = (Act::DecisionsReplayed, json!({"decisions": decisions}));
        Self { at: now, actor, act, subject, before: Value::Null, after }
    }

    /// Somebody read which decisions flip in a backtest.
    #[must_use]
    pub fn of_flips(actor: UserId, backtest: BacktestId, decisions: usize, now: Timestamp) -> Self {
        let (subject, after) = (format!("backtest {backtest}"), json!({"decisions": decisions}));
        Self { at: now, actor, act: Act::FlipsRead, subject, before: Value::Null, after }
    }

    /// What somebody did about a review.
    #[must_use]
    pub fn of_review(actor: UserId, act: Act, review: &Review, now: Timestamp) -> Self {
        let mut after = json!({"review": review.id.to_string(), "decision": review.decision.to_string()});
        if let Some(conclusion) = &review.conclusion {
            after["outcome"] = conclusion.outcome.as_str().into();
        }
        Self { at: now, actor, act, subject: review.user.to_string(), before: Value::Null, after }
    }

    /// So many rows of a class of data went, those from before a time. `None` when none did. It names no person.
    #[must_use]
    pub fn of_retention(class: &str, rows: u64, before: &impl Display, now: Timestamp) -> Option<Self> {
        let (actor, act, subject) = (PLATFORM, Act::RowsDropped, format!("retention {class}"));
        let after = json!({"rows": rows, "before": before.to_string()});
        (rows > 0).then_some(Self { at: now, actor, act, subject, before: Value::Null, after })
    }

    /// What an operator did about a dead letter.
    #[must_use]
    pub fn of_letter(operator: UserId, act: Act, letter: LetterId, now: Timestamp) -> Self {
        let subject = format!("dead-letter {letter}");
        Self { at: now, actor: operator, act, subject, before: Value::Null, after: Value::Null }
    }
}

/// What was exported for research.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Of which month.
    pub month: Month,
    /// How many people a group had at least.
    pub k: usize,
    /// How many rows got out.
    pub rows: usize,
    /// Of how many groups.
    pub groups: usize,
    /// How many people were left out.
    pub suppressed_people: usize,
}

/// An entry as it is kept. Its texts are kept to the byte, for they are what is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number. Numbers rise with the order of writing, and some are never used.
    pub number: u64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Who did it.
    pub actor: Uuid,
    /// What: the name of an [`Act`].
    pub act: String,
    /// To whom or what.
    pub subject: String,
    /// What was before, as JSON.
    pub before: String,
    /// What was after it, as JSON.
    pub after: String,
    /// The batch that it is sealed in.
    pub batch: Option<u64>,
}

/// What entries have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// Only those of this actor.
    pub actor: Option<UserId>,
    /// Only those about this subject.
    pub subject: Option<String>,
    /// Only those of this kind.
    pub act: Option<Act>,
}

impl Chained for Entry {
    const LABEL: &'static [u8] = b"ecs/audit/1";

    fn digest_into(&self, hasher: &mut Hasher) {
        let Self { number, at, actor, act, subject, before, after, batch: _ } = self;
        hasher.fixed(&number.to_be_bytes());
        hasher.fixed(&at.to_be_bytes());
        hasher.fixed(actor.as_bytes());
        for text in [act, subject, before, after] {
            hasher.text(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            number: 7,
            at: 1,
            actor: Uuid::from_u128(1),
            act: "access.changed".to_owned(),
            subject: "ana".to_owned(),
            before: "[]".to_owned(),
            after: "[1]".to_owned(),
            batch: None,
        }
    }

    #[test]
    fn a_digest_is_of_everything() {
        let sealed = digest(1, &FIRST, &[entry()]);
        assert_eq!(digest(1, &FIRST, &[Entry { batch: Some(1), ..entry() }]), sealed);
        let others: [(u64, Digest, Vec<Entry>); 11] = [
            (2, FIRST, vec![entry()]),
            (1, [1; 32], vec![entry()]),
            (1, FIRST, vec![]),
            (1, FIRST, vec![entry(), entry()]),
            (1, FIRST, vec![Entry { number: 8, ..entry() }]),
            (1, FIRST, vec![Entry { at: 2, ..entry() }]),
            (1, FIRST, vec![Entry { actor: Uuid::from_u128(2), ..entry() }]),
            (1, FIRST, vec![Entry { act: "x".to_owned(), ..entry() }]),
            (1, FIRST, vec![Entry { subject: "an".to_owned(), before: "a[]".to_owned(), ..entry() }]),
            (1, FIRST, vec![Entry { before: "[0]".to_owned(), ..entry() }]),
            (1, FIRST, vec![Entry { after: "[]".to_owned(), ..entry() }]),
        ];
        for (number, previous, entries) in others {
            assert_ne!(digest(number, &previous, &entries), sealed, "{number} {entries:?}");
        }
    }

    /// Chains that were sealed by older versions are computed again by this one.
    #[test]
    fn a_digest_is_what_it_always_was() {
        let golden = "ad0e793f53ef07cad23ab2b29d0160a63b255e0ab6fdc95a52233ce6096e5895";
        assert_eq!(hex::encode(digest(1, &FIRST, &[entry()])), golden);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for act in Act::ALL {
            assert_eq!(act.as_str().parse(), Ok(act));
        }
    }
}
