//! Why a decision was denied, or couldn't be asked again.

use crate::decision::Denial;
use crate::reason::Reason;

/// Which part of a policy denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A denial not long before.
    CoolDown,
    /// A rule that denies whatever the score says.
    KnockOut,
    /// The score is above the cut-off.
    CutOff,
    /// Too little is left of what one person may owe.
    Exposure,
    /// A stored denial that doesn't tell whether it was a knock-out or the cut-off.
    KnockOutOrCutOff,
}

/// What denied: the rule, and the weightiest reason that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cause {
    /// Which part of the policy.
    pub rule: Rule,
    /// The code of the first reason; `None` in decisions from before they were kept.
    pub reason: Option<&'static str>,
}

/// Why a decision isn't in a backtest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// It went with its person.
    Erased,
    /// It went for its age.
    Aged,
    /// It isn't there, and nothing says why.
    Gone,
    /// It can't be read although the key is there.
    Unreadable,
    /// It is from before it was kept what the policy read besides the score.
    FactsUnknown,
    /// The draft isn't made for the scores of its model.
    OtherModel,
}

impl Rule {
    /// Every rule there is.
    pub const ALL: [Self; 5] =
        [Self::CoolDown, Self::KnockOut, Self::CutOff, Self::Exposure, Self::KnockOutOrCutOff];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CoolDown => "cool-down",
            Self::KnockOut => "knock-out",
            Self::CutOff => "cut-off",
            Self::Exposure => "exposure",
            Self::KnockOutOrCutOff => "knock-out-or-cut-off",
        }
    }
}

impl Cause {
    /// Of a denial by a rule of a policy: those of one rule alone have reasons of their own.
    pub(super) fn of_rule(reasons: &[Reason]) -> Self {
        Self::by(reasons, Rule::KnockOut)
    }

    pub(super) fn of_risk(denial: &Denial) -> Self {
        Self { rule: Rule::CutOff, reason: denial.reasons.first().map(|reason| reason.code()) }
    }

    /// Of a denial as it was kept, which doesn't say by which rule it came.
    pub(super) fn recorded(denial: &Denial) -> Self {
        Self::by(&denial.reasons, Rule::KnockOutOrCutOff)
    }

    fn by(reasons: &[Reason], otherwise: Rule) -> Self {
        let rule = match reasons.first() {
            Some(Reason::DeniedRecently) => Rule::CoolDown,
            Some(Reason::ExistingCredit) => Rule::Exposure,
            _ => otherwise,
        };
        Self { rule, reason: reasons.first().map(|reason| reason.code()) }
    }
}

impl Skip {
    /// Every reason there is.
    pub const ALL: [Self; 6] =
        [Self::Erased, Self::Aged, Self::Gone, Self::Unreadable, Self::FactsUnknown, Self::OtherModel];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Aged => "aged",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
            Self::FactsUnknown => "facts-unknown",
            Self::OtherModel => "other-model",
        }
    }
}
