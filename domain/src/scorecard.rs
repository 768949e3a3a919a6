//! A logistic scorecard: a weighted sum of named terms, squashed into a risk between 0 and 1.

use std::fmt;

use crate::features::Features;
use crate::redacted;

/// A scorecard. Its version names the file it came from and goes into every decision made with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorecard {
    /// Such as `scorecard-1`.
    pub version: String,
    /// SHA-256 of its file in hexadecimal: a version is a name, this is what was meant by it.
    pub digest: String,
    /// Log-odds of default when every term is at its reference.
    pub intercept: f64,
    /// The terms, in the order in which explanations list ties.
    pub terms: Vec<Term>,
}

/// One term: `weight × (transform(value) − reference)`, in log-odds.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What it looks at.
    pub input: Input,
    /// How the raw value is shaped before it is weighed.
    pub transform: Transform,
    /// Where the term contributes nothing: also the neutral value for a feature that is missing.
    pub reference: f64,
    /// Log-odds per unit of the transformed value; positive weights raise the risk.
    pub weight: f64,
}

/// A feature that a term may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// [`Features::transaction_count_30d`].
    TransactionCount30d,
    /// [`Features::avg_transaction_value_30d`].
    AvgTransactionValue30d,
    /// [`Features::days_since_last_transaction`].
    DaysSinceLastTransaction,
    /// [`Features::account_age_days`].
    AccountAgeDays,
    /// Mean positivity over 7 days.
    AvgPositivity7d,
    /// Mean intensity over 7 days.
    AvgIntensity7d,
    /// Mean stress over 7 days.
    AvgStress7d,
    /// Stress events over 7 days.
    StressEvents7d,
    /// Stress events over 30 days.
    StressEvents30d,
}

/// The shape of a term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// The value, held within `0..=cap`.
    Capped {
        /// The largest value that still makes a difference.
        cap: f64,
    },
    /// `ln(1 + value)`, with the value held within `0..=cap`.
    Log {
        /// The largest value that still makes a difference.
        cap: f64,
    },
}

/// What a scorecard says of one feature vector.
#[derive(Clone, PartialEq)]
pub struct Assessment {
    /// Probability of default by this scorecard, in 0..=1.
    pub risk_score: f64,
    /// The scorecard's version.
    pub model_version: String,
    /// SHA-256 of its artefact in hexadecimal; empty in decisions from before it was kept.
    pub model_digest: String,
    /// Where every score starts: the log-odds of whoever the contributions compare with.
    pub base_log_odds: f64,
    /// What each input added, in log-odds. Together with the base they sum to the score's log-odds.
    pub contributions: Vec<Contribution>,
    /// What is said of the same person without their emotions; `None` where none were looked at.
    pub without_emotions: Option<Second>,
    /// What a challenger says, which is kept and never used.
    pub challenger: Option<Second>,
}

/// What another model says of the same person.
#[derive(Clone, PartialEq)]
pub struct Second {
    /// Probability of default by this model, in 0..=1.
    pub risk_score: f64,
    /// The model's version.
    pub model_version: String,
    /// SHA-256 of its artefact in hexadecimal.
    pub model_digest: String,
}

/// What one term added to the risk.
#[derive(Clone, PartialEq)]
pub struct Contribution {
    /// The term's feature.
    pub input: Input,
    /// In log-odds; positive raised the risk.
    pub log_odds: f64,
}

redacted!(Contribution => "Contribution", Second => "Second");

/// Tells who has judged, and not how.
impl fmt::Debug for Assessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assessment").field("model_version", &self.model_version).finish_non_exhaustive()
    }
}

impl Assessment {
    /// A risk that nothing explains.
    #[must_use]
    pub fn unexplained(model_version: &str, risk_score: f64) -> Self {
        Self {
            risk_score,
            model_version: model_version.to_owned(),
            model_digest: String::new(),
            base_log_odds: (risk_score / (1.0 - risk_score)).ln(),
            contributions: Vec::new(),
            without_emotions: None,
            challenger: None,
        }
    }

    /// Whether it is one: a risk that is a probability, and reasons that are numbers.
    #[must_use]
    pub fn makes_sense(&self) -> bool {
        let reasons = self.contributions.iter().all(|contribution| contribution.log_odds.is_finite());
        let seconds = self.without_emotions.iter().chain(&self.challenger).map(|second| second.risk_score);
        // NaN is within no range.
        let mut scores = seconds.chain([self.risk_score]);
        reasons && self.base_log_odds.is_finite() && scores.all(|score| (0.0..=1.0).contains(&score))
    }
}

impl Input {
    /// Every input there is.
    pub const ALL: [Self; 9] = [
        Self::TransactionCount30d,
        Self::AvgTransactionValue30d,
        Self::DaysSinceLastTransaction,
        Self::AccountAgeDays,
        Self::AvgPositivity7d,
        Self::AvgIntensity7d,
        Self::AvgStress7d,
        Self::StressEvents7d,
        Self::StressEvents30d,
    ];

    /// Its name in the scorecard's file, in `POST /v1/predict` and in explanations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransactionCount30d => "transaction_count_30d",
            Self::AvgTransactionValue30d => "avg_transaction_value_30d",
            Self::DaysSinceLastTransaction => "days_since_last_transaction",
            Self::AccountAgeDays => "account_age_days",
            Self::AvgPositivity7d => "avg_positivity_7d",
            Self::AvgIntensity7d => "avg_intensity_7d",
            Self::AvgStress7d => "avg_stress_7d",
            Self::StressEvents7d => "stress_events_7d",
            Self::StressEvents30d => "stress_events_30d",
        }
    }

    /// Whether it is about emotions, and so needs consent.
    #[must_use]
    pub fn is_emotional(self) -> bool {
        match self {
            Self::TransactionCount30d
            | Self::AvgTransactionValue30d
            | Self::DaysSinceLastTransaction
            | Self::AccountAgeDays => false,
            Self::AvgPositivity7d
            | Self::AvgIntensity7d
            | Self::AvgStress7d
            | Self::StressEvents7d
            | Self::StressEvents30d => true,
        }
    }

    /// The largest value that is taken for one; the least is 0. Whatever lies beyond makes no difference to any model.
    #[must_use]
    pub fn most(self) -> f64 {
        match self {
            Self::TransactionCount30d | Self::StressEvents7d | Self::StressEvents30d => 1e9,
            Self::AvgTransactionValue30d | Self::DaysSinceLastTransaction | Self::AccountAgeDays => 1e12,
            Self::AvgPositivity7d | Self::AvgIntensity7d | Self::AvgStress7d => 1.0,
        }
    }

    /// The feature's value, or `None` where it is missing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn of(self, features: &Features) -> Option<f64> {
        let emotions = features.emotions.as_ref();
        let means = emotions.and_then(|emotions| emotions.means_7d.as_ref());
        match self {
            Self::TransactionCount30d => Some(features.transaction_count_30d as f64),
            Self::AvgTransactionValue30d => Some(features.avg_transaction_value_30d),
            Self::DaysSinceLastTransaction => features.days_since_last_transaction,
            Self::AccountAgeDays => Some(features.account_age_days),
            Self::AvgPositivity7d => means.map(|means| means.positivity),
            Self::AvgIntensity7d => means.map(|means| means.intensity),
            Self::AvgStress7d => means.map(|means| means.stress),
            Self::StressEvents7d => emotions.map(|emotions| emotions.stress_events_7d as f64),
            Self::StressEvents30d => emotions.map(|emotions| emotions.stress_events_30d as f64),
        }
    }
}

impl Transform {
    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Capped { cap } => value.clamp(0.0, cap),
            Self::Log { cap } => value.clamp(0.0, cap).ln_1p(),
        }
    }
}

impl Scorecard {
    /// Scores one feature vector. A missing feature contributes nothing: it stands at its term's reference.
    #[must_use]
    pub fn assess(&self, features: &Features) -> Assessment {
        let contributions: Vec<_> = self.terms.iter().map(|term| term.contribution(features)).collect();
        let log_odds = self.intercept + contributions.iter().map(|term| term.log_odds).sum::<f64>();
        Assessment {
            risk_score: 1.0 / (1.0 + (-log_odds).exp()),
            model_version: self.version.clone(),
            model_digest: self.digest.clone(),
            base_log_odds: self.intercept,
            contributions,
            without_emotions: None,
            challenger: None,
        }
    }

    /// The value of a feature at which its term adds nothing; `None` where none looks at it.
    #[must_use]
    pub fn neutral(&self, input: Input) -> Option<f64> {
        let term = self.terms.iter().find(|term| term.input == input)?;
        Some(match term.transform {
            Transform::Capped { .. } => term.reference,
            Transform::Log { .. } => term.reference.exp_m1(),
        })
    }
}

impl Term {
    fn contribution(&self, features: &Features) -> Contribution {
        let shaped = self.input.of(features).map_or(self.reference, |value| self.transform.apply(value));
        // Adding zero turns a negative zero into a plain one; a reader would wonder about "-0.0".
        Contribution { input: self.input, log_odds: self.weight * (shaped - self.reference) + 0.0 }
    }
}
