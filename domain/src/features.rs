//! What a credit decision looks at.

use crate::emotion::Unit;
use crate::{Timestamp, redacted};

const SECONDS_PER_DAY: f64 = 86_400.0;

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

/// Days from one instant to another, with their fraction; 0 for one that comes later.
#[must_use]
pub fn days_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.duration_since(from).as_secs_f64() / SECONDS_PER_DAY).max(0.0)
}

impl EmotionMeans {
    /// Of `events` emotions whose positivity, intensity and stress add up to so many billionths; `None` of no event.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean of numbers between 0 and 1 needs no more than 15 digits"
    )]
    pub fn of_sums(events: i64, [positivity, intensity, stress]: [i64; 3]) -> Option<Self> {
        let mean = |sum: i64| sum as f64 / f64::from(Unit::SCALE) / events as f64;
        (events > 0).then(|| Self {
            positivity: mean(positivity),
            intensity: mean(intensity),
            stress: mean(stress),
        })
    }
}

impl Features {
    /// Whether anything is known of what they feel: consent alone tells nothing of somebody who felt nothing.
    #[must_use]
    pub fn hold_emotions(&self) -> bool {
        self.emotions.is_some_and(|emotions| {
            emotions.means_7d.is_some() || emotions.stress_events_7d > 0 || emotions.stress_events_30d > 0
        })
    }

    /// The same features with the emotions left out, as a decision without consent sees them.
    #[must_use]
    pub fn without_emotions(self) -> Self {
        Self { emotions: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_fractions_and_are_never_negative() {
        let check = |from: &str, to: &str, expect: f64| {
            let days = days_between(from.parse().unwrap(), to.parse().unwrap());
            assert!((days - expect).abs() < 1e-12, "{from} to {to}: {days}");
        };
        check("2026-11-20T00:00:00Z", "2026-11-21T12:00:00Z", 1.5);
        check("2026-11-20T00:00:00Z", "2026-11-20T00:00:00.000001Z", 1e-6 / 86_400.0);
        check("2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z", 0.0);
    }

    #[test]
    fn emotions_are_there_when_an_event_was() {
        let check = |emotions: Option<(bool, u64, u64)>, expect: bool| {
            let means = EmotionMeans { positivity: 0.0, intensity: 0.0, stress: 0.0 };
            let emotions = emotions.map(|(felt, stress_events_7d, stress_events_30d)| EmotionFeatures {
                means_7d: felt.then_some(means),
                stress_events_7d,
                stress_events_30d,
            });
            let features = Features {
                transaction_count_30d: 0,
                avg_transaction_value_30d: 0.0,
                days_since_last_transaction: None,
                account_age_days: 0.0,
                emotions,
            };
            assert_eq!(features.hold_emotions(), expect, "{emotions:?}");
            assert!(!features.without_emotions().hold_emotions());
        };
        check(None, false);
        check(Some((false, 0, 0)), false);
        check(Some((true, 0, 0)), true);
        check(Some((false, 0, 1)), true);
        check(Some((false, 1, 1)), true);
    }

    #[test]
    fn nothing_has_no_mean() {
        assert!(EmotionMeans::of_sums(0, [0; 3]).is_none());
        let means = EmotionMeans::of_sums(2, [1_000_000_000, 500_000_000, 0]).unwrap();
        assert_eq!([means.positivity, means.intensity, means.stress], [0.5, 0.25, 0.0]);
    }
}
