//! Which credit policy is active when, and where an earlier one is found.
//!
//! Policies that two people made active are in the store. Every process asks for their list each second, and a policy is in that list
//! for [`POLICY_LEAD`](ecs_store::POLICY_LEAD) before it is active: so all processes change over at the same instant of their clocks, and a decision is made
//! with the policy that is active at its own. Until the first of them is active it is the first policy: the one that is built in, or
//! an operator's file.

mod file;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ecs_domain::Timestamp;
use ecs_domain::policy::{Policy, diff};
use ecs_store::{Compared, PolicyVersions, ScheduledPolicy, StoreError};
use tokio::time::Instant;

pub use file::{PolicyError, parse};

use crate::{OnFailure, OnStop, Supervisor, periodic};

/// The policy that decides where no other does.
const DEFAULT: &str = include_str!("../../policies/policy-3.toml");

/// The policies that are built in, the oldest first.
const BUILT_IN: [&str; 3] =
    [include_str!("../../policies/policy-1.toml"), include_str!("../../policies/policy-2.toml"), DEFAULT];

/// How often the list is asked for.
const EVERY: Duration = Duration::from_secs(1);
/// How old the list may be: with what clocks differ by, still less than a policy's lead.
const MOST_AGE: Duration = Duration::from_secs(5);

/// A policy and the file that it was read from. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// What it says.
    pub policy: Arc<Policy>,
    /// Its file, to the byte.
    pub text: Arc<str>,
}

impl Written {
    /// Reads a policy's file.
    pub fn read(text: impl Into<Arc<str>>) -> Result<Self, PolicyError> {
        let text = text.into();
        Ok(Self { policy: Arc::new(parse(&text)?), text })
    }
}

/// The policies that are built into the binary, the oldest first.
pub fn built_in() -> Result<Vec<Written>, PolicyError> {
    BUILT_IN.into_iter().map(Written::read).collect()
}

/// The one of them that decides where no other does.
pub fn default_policy() -> Result<Written, PolicyError> {
    Written::read(DEFAULT)
}

/// Why a policy can't be told.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A newer version of the program wrote it, or nobody did.
    #[error("the policy {version} can't be read by this version of the program: {error}")]
    Unreadable {
        /// Which one.
        version: String,
        /// What is wrong with it.
        error: PolicyError,
    },
}

/// The policies as one process knows them.
pub struct Policies {
    store: Arc<dyn PolicyVersions>,
    first: Written,
    built_in: Vec<Written>,
    schedule: RwLock<Option<Schedule>>,
    /// What was read from the store, by digest: it never changes there.
    read: RwLock<HashMap<String, Written>>,
    failing: AtomicBool,
}

#[derive(Clone)]
struct Schedule {
    policies: Arc<[ScheduledPolicy]>,
    asked: Instant,
}

impl Policies {
    /// Those in the store, behind `first`, or behind the one that is built in.
    pub fn new(store: Arc<dyn PolicyVersions>, first: Option<Written>) -> Result<Self, PolicyError> {
        let built_in = built_in()?;
        let first = first.map_or_else(default_policy, Ok)?;
        tell_of(&first.policy);
        let (schedule, read, failing) = (RwLock::default(), RwLock::default(), AtomicBool::new(false));
        Ok(Self { store, first, built_in, schedule, read, failing })
    }

    /// Asks for the list again and again, until the supervisor stops it.
    pub fn follow(self: &Arc<Self>, supervisor: &Supervisor) {
        let (policies, token) = (Arc::clone(self), supervisor.token());
        supervisor.spawn("policies", OnFailure::StopProcess, OnStop::Abort, async move {
            periodic("policies", EVERY, token, || policies.ask()).await;
            Ok::<(), Infallible>(())
        });
    }

    /// The policy that is active at `now`.
    pub async fn at(&self, now: Timestamp) -> Result<Written, PoliciesError> {
        let schedule = match self.known() {
            Some(schedule) => schedule,
            None => self.refresh().await?,
        };
        let Some(active) = schedule.iter().rfind(|policy| policy.active_from <= now) else {
            return Ok(self.first.clone());
        };
        let missing = || StoreError::Corrupt(format!("the policy {} is not there", active.version));
        Ok(self.find(&active.digest).await?.ok_or_else(missing)?)
    }

    /// The policy whose file has this digest, whenever it was active or whether it never was; `None` when nobody knows it.
    pub async fn find(&self, digest: &str) -> Result<Option<Written>, PoliciesError> {
        if let Some(known) = self.here().find(|known| known.policy.digest == digest) {
            return Ok(Some(known.clone()));
        }
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        if read.is_some() {
            return Ok(read);
        }
        let Some(kept) = self.store.policy_of_digest(digest).await? else { return Ok(None) };
        let unreadable = |error| PoliciesError::Unreadable { version: kept.version.clone(), error };
        let written = Written::read(kept.text.as_str()).map_err(unreadable)?;
        tell_of(&written.policy);
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        read.insert(digest.to_owned(), written.clone());
        Ok(Some(written))
    }

    /// The policy of this version that is here without the store: one that is built in, or the operator's file.
    #[must_use]
    pub fn without_store(&self, version: &str) -> Option<&Written> {
        self.here().find(|known| known.policy.version == version)
    }

    /// How a text differs from the policy that is active at `now`.
    pub async fn compared(&self, text: &str, now: Timestamp) -> Result<Compared, PoliciesError> {
        let active = self.at(now).await?;
        Ok(Compared { against: active.policy.version.clone(), diff: diff(&active.text, text) })
    }

    /// Asks for the list now.
    pub async fn refresh(&self) -> Result<Arc<[ScheduledPolicy]>, StoreError> {
        let asked = Instant::now();
        let policies: Arc<[ScheduledPolicy]> = self.store.scheduled_policies().await?.into();
        let heard = Schedule { policies: Arc::clone(&policies), asked };
        let mut schedule = self.schedule.write().unwrap_or_else(PoisonError::into_inner);
        if schedule.as_ref().is_none_or(|known| known.asked <= asked) {
            *schedule = Some(heard);
        }
        Ok(policies)
    }

    fn here(&self) -> impl Iterator<Item = &Written> {
        std::iter::once(&self.first).chain(&self.built_in)
    }

    /// The list, unless it is too old.
    fn known(&self) -> Option<Arc<[ScheduledPolicy]>> {
        let schedule = self.schedule.read().unwrap_or_else(PoisonError::into_inner);
        let current = schedule.as_ref().filter(|known| known.asked.elapsed() <= MOST_AGE);
        current.map(|known| Arc::clone(&known.policies))
    }

    /// Tells of a failure once, until there is an answer again: a store that is away is away for many seconds.
    async fn ask(&self) -> Result<(), Infallible> {
        match self.refresh().await {
            Ok(_) => self.failing.store(false, Ordering::Relaxed),
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "the list of policies can't be had");
            }
            Err(_) => {}
        }
        Ok(())
    }
}

/// Says of a policy, when it is first met, that it takes the scores of any model: one model's 0.3 is not another's.
fn tell_of(policy: &Policy) {
    if policy.made_for.is_empty() {
        let policy = policy.version.as_str();
        tracing::warn!(policy, "this policy has no made_for: it decides by the scores of any model");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was decided with it must be found by its digest for ever.
    #[test]
    fn the_built_in_policies_hold_and_stay_as_they_are() {
        let built_in = built_in().unwrap();
        let told: Vec<_> =
            built_in.iter().map(|it| (it.policy.version.as_str(), it.policy.digest.as_str())).collect();
        let first = ("policy-1", "6300eb8f6b017aee5af2b5849fdc01418858a7b51e2f247bfc1aa44e5e2a7857");
        let second = ("policy-2", "ea3154917edd9e9fa51d5de9318b53f770f3a7c32ed3278de6264c4a96436d2d");
        let third = ("policy-3", "7468b2d49aa4c0628e04f636d3e84f25dde79baa65826c2e6c306b2e65f4ac2c");
        assert_eq!(told, [first, second, third]);
        assert_eq!(default_policy().unwrap(), built_in[2]);
        for Written { policy, .. } in built_in {
            assert!(policy.terms_for(policy.cut_off).is_some());
        }
    }
}
