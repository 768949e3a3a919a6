//! Versions of the credit policy: drafted by one person, approved by another, active from an instant on.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use serde_json::{Value, json};

use crate::audit::{Act, NewEntry};
use crate::{PageRequest, StoreError};

/// How long before a policy is active it must be approved, and can't be withdrawn any more: in that time every process has heard of
/// it, so all of them change over at the same instant, and which policy was active when never changes afterwards.
pub const POLICY_LEAD: Duration = Duration::from_secs(10);

/// Versions of the policy. None is ever removed, and what it says never changes. Each change has its entry in the audit log, in the
/// same transaction.
#[async_trait]
pub trait PolicyVersions: Send + Sync + 'static {
    /// Keeps a draft. [`PolicyChanged::Taken`] when there is one of this version or with this digest.
    async fn draft_policy(&self, draft: PolicyDraft) -> Result<PolicyChanged, StoreError>;

    /// Approves a draft, if [`PolicyVersion::approved`] lets it. Of several calls at the same time each is judged by what the one
    /// before it left.
    async fn approve_policy(&self, change: PolicyChange) -> Result<PolicyChanged, StoreError>;

    /// Withdraws a draft, or an approved policy before its time, if [`PolicyVersion::withdrawn`] lets it.
    async fn withdraw_policy(&self, change: PolicyChange) -> Result<PolicyChanged, StoreError>;

    /// A page of all versions, the newest first.
    async fn policy_versions(&self, page: PageRequest) -> Result<PolicyPage, StoreError>;

    /// The version of this name.
    async fn policy_version(&self, version: &str) -> Result<Option<PolicyVersion>, StoreError>;

    /// The version whose text has this digest, whatever its state.
    async fn policy_of_digest(&self, digest: &str) -> Result<Option<PolicyVersion>, StoreError>;

    /// Every approved policy, by the instant from which on it is active; of those with the same, what was approved first comes first.
    async fn scheduled_policies(&self) -> Result<Vec<ScheduledPolicy>, StoreError>;
}

/// Where a version stands: `Draft → Approved`, and from both to `Withdrawn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// Written, and seen by one person.
    Draft,
    /// Another person agrees: it is active from its instant on, until the next one is.
    Approved,
    /// Taken back; it was never active, and never will be.
    Withdrawn,
}

impl PolicyState {
    /// Every state there is.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Approved, Self::Withdrawn];

    /// Its name in tables and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Approved => "approved",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl std::str::FromStr for PolicyState {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or(())
    }
}

/// A version of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its name.
    pub version: String,
    /// SHA-256 of its text in hexadecimal.
    pub digest: String,
    /// Its file, to the byte.
    pub text: String,
    /// Who drafted it.
    pub author: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: PolicyState,
    /// Who approved it.
    pub approver: Option<UserId>,
    /// When.
    pub approved_at: Option<Timestamp>,
    /// Who withdrew it.
    pub withdrawn_by: Option<UserId>,
    /// When.
    pub withdrawn_at: Option<Timestamp>,
    /// From when on it is active: what its author wished for, and once it is approved what holds.
    pub active_from: Timestamp,
}

/// An approved policy's place in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledPolicy {
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// From when on it is active.
    pub active_from: Timestamp,
}

/// A draft to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDraft {
    /// Its name.
    pub version: String,
    /// SHA-256 of its text in hexadecimal.
    pub digest: String,
    /// Its file.
    pub text: String,
    /// Who drafted it.
    pub author: UserId,
    /// From when on it is to be active.
    pub active_from: Timestamp,
    /// How it differs from what is active.
    pub compared: Compared,
    /// The time of the request.
    pub now: Timestamp,
}

/// What somebody wants done about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChange {
    /// Which one.
    pub version: String,
    /// Who says so.
    pub by: UserId,
    /// How it differs from what is active.
    pub compared: Compared,
    /// The time of the request.
    pub now: Timestamp,
}

/// How a policy differs from the one that is active: it goes into the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The version that is active.
    pub against: String,
    /// Lines that go and lines that come, as [`ecs_domain::policy::diff`] tells them.
    pub diff: Vec<String>,
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPage {
    /// How many there are in all.
    pub total: u64,
    /// The page's versions.
    pub items: Vec<PolicyVersion>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyChanged {
    /// It is done, and this is how the version stands.
    Done(Box<PolicyVersion>),
    /// There is one of this version or with this text.
    Taken,
    /// There is no such version.
    Unknown,
    /// Nothing was changed, for this reason.
    Refused(PolicyRefusal),
}

/// Why a version may not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// Two people make a policy active.
    #[error("somebody else than its author approves a policy")]
    Author,
    /// It stands where this can't be done any more.
    #[error("the policy is {}", .0.as_str())]
    State(PolicyState),
    /// It is active, or about to be: every process counts on it.
    #[error("the policy is active, or will be within seconds: approve another one instead")]
    TooLate,
}

impl PolicyVersion {
    /// A new draft.
    #[must_use]
    pub fn draft(draft: &PolicyDraft) -> Self {
        let PolicyDraft { version, digest, text, author, active_from, now, compared: _ } = draft.clone();
        Self {
            version,
            digest,
            text,
            author,
            created_at: now,
            state: PolicyState::Draft,
            approver: None,
            approved_at: None,
            withdrawn_by: None,
            withdrawn_at: None,
            active_from,
        }
    }

    /// The same, approved: active from the instant that was wished for, and no earlier than everybody can have heard of it.
    pub fn approved(&self, by: UserId, now: Timestamp) -> Result<Self, PolicyRefusal> {
        if self.state != PolicyState::Draft {
            return Err(PolicyRefusal::State(self.state));
        }
        if self.author == by {
            return Err(PolicyRefusal::Author);
        }
        let active_from = self.active_from.max(heard_by(now));
        let (state, approver, approved_at) = (PolicyState::Approved, Some(by), Some(now));
        Ok(Self { state, approver, approved_at, active_from, ..self.clone() })
    }

    /// The same, taken back.
    pub fn withdrawn(&self, by: UserId, now: Timestamp) -> Result<Self, PolicyRefusal> {
        match self.state {
            PolicyState::Withdrawn => return Err(PolicyRefusal::State(self.state)),
            PolicyState::Approved if self.active_from < heard_by(now) => return Err(PolicyRefusal::TooLate),
            PolicyState::Draft | PolicyState::Approved => {}
        }
        let (state, withdrawn_by, withdrawn_at) = (PolicyState::Withdrawn, Some(by), Some(now));
        Ok(Self { state, withdrawn_by, withdrawn_at, ..self.clone() })
    }

    /// What the audit log says of a change that left this.
    #[must_use]
    pub fn entry(&self, before: Option<PolicyState>, compared: &Compared) -> NewEntry {
        let (act, actor, at) = match self.state {
            PolicyState::Draft => (Act::PolicyDrafted, self.author, self.created_at),
            PolicyState::Approved => {
                (Act::PolicyApproved, self.approver.unwrap_or(self.author), self.last_change())
            }
            PolicyState::Withdrawn => {
                (Act::PolicyWithdrawn, self.withdrawn_by.unwrap_or(self.author), self.last_change())
            }
        };
        let before = before.map_or(Value::Null, |state| json!({"state": state.as_str()}));
        let after = json!({
            "state": self.state.as_str(),
            "digest": self.digest,
            "active_from": self.active_from,
            "against": compared.against,
            "diff": compared.diff,
        });
        NewEntry { at, actor, act, subject: format!("policy {}", self.version), before, after }
    }

    fn last_change(&self) -> Timestamp {
        self.withdrawn_at.or(self.approved_at).unwrap_or(self.created_at)
    }
}

/// When everybody has heard of what is approved now.
fn heard_by(now: Timestamp) -> Timestamp {
    now.saturating_add(POLICY_LEAD).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn draft(active_from: i64) -> PolicyVersion {
        PolicyVersion::draft(&PolicyDraft {
            version: "policy-7".to_owned(),
            digest: "ab".to_owned(),
            text: String::new(),
            author: user(1),
            active_from: at(active_from),
            compared: Compared { against: "policy-1".to_owned(), diff: Vec::new() },
            now: at(0),
        })
    }

    #[test]
    fn a_second_person_approves_and_everybody_hears_of_it_in_time() {
        let check = |wished: i64, by: u128, now: i64, expect: Result<i64, PolicyRefusal>| {
            let approved = draft(wished).approved(user(by), at(now));
            assert_eq!(
                approved.map(|version| version.active_from.as_second()),
                expect,
                "{wished} {by} {now}"
            );
        };
        check(100, 2, 50, Ok(100));
        check(100, 2, 90, Ok(100));
        check(100, 2, 91, Ok(101));
        check(100, 2, 500, Ok(510));
        check(100, 1, 50, Err(PolicyRefusal::Author));
        let approved = draft(100).approved(user(2), at(1)).unwrap();
        assert_eq!(approved.approved(user(3), at(2)), Err(PolicyRefusal::State(PolicyState::Approved)));
    }

    #[test]
    fn what_is_about_to_be_active_stays() {
        let approved = draft(100).approved(user(2), at(1)).unwrap();
        let check = |version: &PolicyVersion, now: i64, expect: Result<PolicyState, PolicyRefusal>| {
            assert_eq!(version.withdrawn(user(1), at(now)).map(|version| version.state), expect, "{now}");
        };
        check(&approved, 90, Ok(PolicyState::Withdrawn));
        check(&approved, 91, Err(PolicyRefusal::TooLate));
        check(&approved, 1_000, Err(PolicyRefusal::TooLate));
        check(&draft(100), 1_000, Ok(PolicyState::Withdrawn));
        let withdrawn = draft(100).withdrawn(user(2), at(1)).unwrap();
        check(&withdrawn, 2, Err(PolicyRefusal::State(PolicyState::Withdrawn)));
        assert_eq!(withdrawn.approved(user(2), at(2)), Err(PolicyRefusal::State(PolicyState::Withdrawn)));
    }
}
