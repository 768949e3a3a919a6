//! What a backtest tells.

use std::collections::BTreeMap;

use super::{Backtest, Cause, Groups, Limits, LossGivenDefault, Share, Skip, Sum};
use crate::backtest::side::Side;
use crate::{Money, Rate};

/// What a draft would have said of the decisions of some days.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The draft's version.
    pub policy: String,
    /// SHA-256 of its file in hexadecimal.
    pub digest: String,
    /// What is taken to be lost when somebody doesn't pay.
    pub loss_given_default: LossGivenDefault,
    /// How many decisions there were, with those that were skipped.
    pub decisions: u64,
    /// How many were skipped, and why.
    pub skipped: Vec<(Skip, u64)>,
    /// What was recorded.
    pub recorded: Answers,
    /// What the draft says.
    pub drafted: Answers,
    /// Why the draft denies, whatever was recorded.
    pub denied_by: Vec<(Cause, u64)>,
    /// Denied then, and approved by the draft.
    pub gained: Flips,
    /// Approved then, and denied by the draft.
    pub lost: Flips,
    /// Those whom both approve.
    pub both: Both,
    /// By the draft's bands, and what is above its cut-off last.
    pub bands: Vec<BandReport>,
    /// By groups of people; `None` where nobody looked at what they told.
    pub groups: Option<Groups>,
}

/// One side's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// How many are approved, of those that were looked at.
    pub approved: Share,
    /// Their limits; `None` without any.
    pub limits: Option<Limits>,
    /// Their mean rate, rounded down to a hundredth of a percent.
    pub mean_rate: Option<Rate>,
    /// Risk × limit × loss given default, summed. It means something only where scores are calibrated.
    pub expected_loss: Sum,
}

/// Decisions that flip one way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flips {
    /// How many.
    pub count: u64,
    /// By what denied them, the most frequent first.
    pub causes: Vec<(Cause, u64)>,
}

/// Limits of those whom both approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Both {
    /// How many the draft gives more.
    pub raised: u64,
    /// How many it gives less.
    pub lowered: u64,
    /// How many it gives the same.
    pub same: u64,
    /// What it gives more in all.
    pub change: Sum,
    /// Each on average, rounded down to the cent; `None` where there are none.
    pub mean_change: Option<Money>,
}

/// Scores of one of the draft's bands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandReport {
    /// The highest risk of the band; `None` above the cut-off.
    pub max_risk: Option<f64>,
    /// Approved then.
    pub recorded: Share,
    /// Approved by the draft.
    pub drafted: Share,
}

impl Report {
    /// How many decisions were asked again.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.recorded.approved.of
    }
}

impl Backtest {
    /// What there is so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let skipped: Vec<(Skip, u64)> = self.skipped.iter().map(|(why, count)| (*why, *count)).collect();
        let answers = |side: &Side| Answers {
            approved: Share { count: side.approved, of: side.decisions },
            limits: side.limits(),
            mean_rate: side.mean_rate(),
            expected_loss: side.expected_loss(self.loss_given_default),
        };
        Report {
            policy: self.draft.version.clone(),
            digest: self.draft.digest.clone(),
            loss_given_default: self.loss_given_default,
            decisions: self.recorded.decisions + skipped.iter().map(|(_, count)| count).sum::<u64>(),
            skipped,
            recorded: answers(&self.recorded),
            drafted: answers(&self.drafted),
            denied_by: frequent(&self.denied),
            gained: flips(&self.gained),
            lost: flips(&self.lost),
            both: self.both(),
            bands: self.bands(),
            groups: self.groups.as_ref().map(super::GroupTallies::report),
        }
    }

    fn both(&self) -> Both {
        let super::BothTally { raised, lowered, same, change } = self.both;
        Both { raised, lowered, same, change, mean_change: change.among(raised + lowered + same) }
    }

    fn bands(&self) -> Vec<BandReport> {
        let report = |place: Option<usize>, max_risk: Option<f64>| {
            let tally = self.bands.get(&place).copied().unwrap_or_default();
            let share = |count| Share { count, of: tally.decisions };
            BandReport { max_risk, recorded: share(tally.recorded), drafted: share(tally.drafted) }
        };
        let bands = self.draft.bands.iter().enumerate();
        bands.map(|(at, band)| report(Some(at), Some(band.max_risk))).chain([report(None, None)]).collect()
    }
}

fn flips(causes: &BTreeMap<Cause, u64>) -> Flips {
    Flips { count: causes.values().sum(), causes: frequent(causes) }
}

/// The most frequent first; of the same frequency in the order of the rules.
fn frequent(causes: &BTreeMap<Cause, u64>) -> Vec<(Cause, u64)> {
    let mut causes: Vec<(Cause, u64)> = causes.iter().map(|(cause, count)| (*cause, *count)).collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    causes
}
