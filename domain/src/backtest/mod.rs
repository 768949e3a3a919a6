//! What a draft of the policy would have said of decisions that were really made.
//!
//! Each decision is asked again with its stored score, features and facts, by the same function that decides
//! ([`Policy::terms`]), at the instant of the decision. What came of it is folded into counts and exact sums: one decision
//! after the other, in any order, or in parts that are merged.
//!
//! Nothing that follows from other offers is simulated. What somebody could owe and when they were last denied is what was
//! true then, and whoever was denied never showed whether they would have paid.

mod groups;
mod interval;
mod report;
mod side;
#[cfg(test)]
mod tests;
mod why;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::groups::GroupTallies;
use self::side::Side;
use crate::attributes::Attributes;
use crate::decision::{Decision, Denial, Outcome};
use crate::offer::Terms;
use crate::policy::{Policy, Refusal};
use crate::{DecisionId, UserId};

pub use groups::{Group, GroupReport, Groups, LEAST_PEOPLE, Suppressed};
pub use interval::Share;
pub use report::{Answers, BandReport, Both, Flips, Report};
pub use side::{Limits, LossGivenDefault, Sum};
pub use why::{Cause, Rule, Skip};

/// What a draft would have said of the decisions that were taken so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    draft: Arc<Policy>,
    loss_given_default: LossGivenDefault,
    skipped: BTreeMap<Skip, u64>,
    recorded: Side,
    drafted: Side,
    /// Why the draft denies, whatever was recorded.
    denied: BTreeMap<Cause, u64>,
    gained: BTreeMap<Cause, u64>,
    lost: BTreeMap<Cause, u64>,
    both: BothTally,
    /// By the place of the draft's band that the score falls into; `None` is above the cut-off.
    bands: BTreeMap<Option<usize>, BandTally>,
    groups: Option<GroupTallies>,
}

/// Which way a decision flips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It was denied, and the draft approves.
    Gained,
    /// It was approved, and the draft denies.
    Lost,
}

/// A decision that would have been the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// Which.
    pub decision: DecisionId,
    /// About whom.
    pub user: UserId,
    /// Which way.
    pub direction: Direction,
    /// What denied it: then when it is gained, in the draft when it is lost.
    pub cause: Cause,
}

/// Limits of those whom both approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct BothTally {
    raised: u64,
    lowered: u64,
    same: u64,
    change: Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct BandTally {
    decisions: u64,
    recorded: u64,
    drafted: u64,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gained, Self::Lost];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Lost => "lost",
        }
    }
}

impl std::str::FromStr for Direction {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|direction| direction.as_str() == name).ok_or(())
    }
}

impl Backtest {
    /// Nothing yet. `groups` says whether attributes are handed in.
    #[must_use]
    pub fn new(draft: Arc<Policy>, loss_given_default: LossGivenDefault, groups: bool) -> Self {
        Self {
            draft,
            loss_given_default,
            skipped: BTreeMap::new(),
            recorded: Side::default(),
            drafted: Side::default(),
            denied: BTreeMap::new(),
            gained: BTreeMap::new(),
            lost: BTreeMap::new(),
            both: BothTally::default(),
            bands: BTreeMap::new(),
            groups: groups.then(GroupTallies::default),
        }
    }

    /// One that can't be asked again.
    pub fn skip(&mut self, why: Skip) {
        *self.skipped.entry(why).or_default() += 1;
    }

    /// Asks the draft of one decision, about somebody who told this of themselves. Tells when the answer is the other one.
    pub fn take(&mut self, decision: &Decision, attributes: Attributes) -> Option<Flip> {
        let Decision { id, user, decided_at, features, assessment, facts, outcome, .. } = decision;
        // Those are from before it was kept what somebody owed.
        if decision.policy_digest.is_empty() {
            self.skip(Skip::FactsUnknown);
            return None;
        }
        if self.draft.stranger(assessment).is_some() {
            self.skip(Skip::OtherModel);
            return None;
        }
        let risk = assessment.risk_score;
        let recorded = match outcome {
            Outcome::Approved(offer) => Ok(offer.terms),
            Outcome::Denied(denial) => Err(Cause::recorded(denial)),
        };
        let drafted =
            self.draft.terms(features, risk, *facts, *decided_at).map_err(|refusal| match refusal {
                Refusal::Rules(reasons) => Cause::of_rule(&reasons),
                Refusal::Risk => Cause::of_risk(&Denial::for_risk(assessment)),
            });
        self.recorded.take(risk, recorded.as_ref().ok());
        self.drafted.take(risk, drafted.as_ref().ok());
        self.note_band(risk, recorded.is_ok(), drafted.is_ok());
        if let Some(groups) = &mut self.groups {
            groups.take(*user, attributes, recorded.is_ok(), drafted.is_ok());
        }
        let (direction, cause) = self.compare(recorded, drafted)?;
        Some(Flip { decision: *id, user: *user, direction, cause })
    }

    fn compare(
        &mut self,
        recorded: Result<Terms, Cause>,
        drafted: Result<Terms, Cause>,
    ) -> Option<(Direction, Cause)> {
        if let Err(cause) = drafted {
            *self.denied.entry(cause).or_default() += 1;
        }
        match (recorded, drafted) {
            (Ok(then), Ok(now)) => {
                self.both.take(then, now);
                None
            }
            (Err(_), Err(_)) => None,
            (Err(cause), Ok(_)) => {
                *self.gained.entry(cause).or_default() += 1;
                Some((Direction::Gained, cause))
            }
            (Ok(_), Err(cause)) => {
                *self.lost.entry(cause).or_default() += 1;
                Some((Direction::Lost, cause))
            }
        }
    }

    fn note_band(&mut self, risk: f64, recorded: bool, drafted: bool) {
        let bands = &self.draft.bands;
        let place = bands.iter().position(|band| risk <= band.max_risk);
        let band = self.bands.entry(place.filter(|_| risk <= self.draft.cut_off)).or_default();
        band.decisions += 1;
        band.recorded += u64::from(recorded);
        band.drafted += u64::from(drafted);
    }

    /// Adds what another part of the same backtest has found.
    pub fn merge(&mut self, other: Self) {
        let add = |sums: &mut BTreeMap<Cause, u64>, more: BTreeMap<Cause, u64>| {
            more.into_iter().for_each(|(cause, count)| *sums.entry(cause).or_default() += count);
        };
        for (why, count) in other.skipped {
            *self.skipped.entry(why).or_default() += count;
        }
        self.recorded.merge(other.recorded);
        self.drafted.merge(other.drafted);
        add(&mut self.denied, other.denied);
        add(&mut self.gained, other.gained);
        add(&mut self.lost, other.lost);
        self.both.merge(other.both);
        for (place, more) in other.bands {
            let band = self.bands.entry(place).or_default();
            band.decisions += more.decisions;
            band.recorded += more.recorded;
            band.drafted += more.drafted;
        }
        if let (Some(groups), Some(more)) = (&mut self.groups, other.groups) {
            groups.merge(more);
        }
    }
}

impl BothTally {
    fn take(&mut self, then: Terms, now: Terms) {
        match now.credit_limit.cmp(&then.credit_limit) {
            std::cmp::Ordering::Greater => self.raised += 1,
            std::cmp::Ordering::Less => self.lowered += 1,
            std::cmp::Ordering::Equal => self.same += 1,
        }
        self.change = self.change.plus(now.credit_limit).minus(then.credit_limit);
    }

    fn merge(&mut self, other: Self) {
        self.raised += other.raised;
        self.lowered += other.lowered;
        self.same += other.same;
        self.change = self.change.and(other.change);
    }
}
