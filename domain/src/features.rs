//! What a credit decision looks at.

use crate::redacted;

/// One user's features at one instant. Windows of emotions are whole UTC days: the last 7 days are today and the
/// six days before it. Windows of transactions end at the instant itself.
#[derive(Clone, Copy, PartialEq)]
pub struct Features {
    /// Transactions in the last 30 days.
    pub transaction_count_30d: u64,
    /// Their mean value in the base currency; 0 without any.
    pub avg_transaction_value_30d: f64,
    /// Days since the last transaction; `None` without any.
    pub days_since_last_transaction: Option<f64>,
    /// Days since the account was made.
    pub account_age_days: f64,
    /// What the emotions of the last 7 and 30 days say; `None` without consent. A model takes neutral values then.
    pub emotions: Option<EmotionFeatures>,
}

/// The part of the features that needs consent.
#[derive(Clone, Copy, PartialEq)]
pub struct EmotionFeatures {
    /// Means over the last 7 days; `None` when no event fell into them.
    pub means_7d: Option<EmotionMeans>,
    /// Events at or above the stress threshold in the last 7 days.
    pub stress_events_7d: u64,
    /// Events at or above the stress threshold in the last 30 days.
    pub stress_events_30d: u64,
}

/// Mean metrics, each between 0 and 1.
#[derive(Clone, Copy, PartialEq)]
pub struct EmotionMeans {
    /// 0 is wholly negative, 1 wholly positive.
    pub positivity: f64,
    /// 0 is faint, 1 overwhelming.
    pub intensity: f64,
    /// 0 is calm, 1 the highest stress.
    pub stress: f64,
}

redacted!(Features => "Features", EmotionFeatures => "EmotionFeatures", EmotionMeans => "EmotionMeans");

impl Features {
    /// The same features with the emotions left out, as a decision without consent sees them.
    #[must_use]
    pub fn without_emotions(self) -> Self {
        Self { emotions: None, ..self }
    }
}
