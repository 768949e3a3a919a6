//! When somebody is worth another look: once what a decision reads of them has changed materially.

use crate::features::Features;
use crate::scorecard::Input;

/// How much must have changed: a share of what there was before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Materiality(f64);

impl Materiality {
    /// From a share above 0, such as 0.25; `None` for what is none.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (share.is_finite() && share > 0.0).then_some(Self(share))
    }

    /// Whether one feature at least has changed by the share. What changes as time passes by doesn't count, and a feature that appears
    /// or goes (consent was given or withdrawn) always does.
    #[must_use]
    pub fn is_met(self, before: &Features, now: &Features) -> bool {
        Input::ALL.into_iter().any(|input| {
            let Some(ordinary) = ordinary(input) else { return false };
            match (input.of(before), input.of(now)) {
                (Some(before), Some(now)) => (now - before).abs() >= self.0 * before.abs().max(ordinary),
                (before, now) => before.is_some() != now.is_some(),
            }
        })
    }
}

/// An ordinary value of the feature: a share of less than it would be met by next to nothing. `None` for those that only follow the
/// calendar.
fn ordinary(input: Input) -> Option<f64> {
    match input {
        Input::TransactionCount30d => Some(8.0),
        Input::AvgTransactionValue30d => Some(100.0),
        Input::AvgPositivity7d | Input::AvgIntensity7d | Input::AvgStress7d => Some(0.5),
        Input::StressEvents7d | Input::StressEvents30d => Some(4.0),
        Input::DaysSinceLastTransaction | Input::AccountAgeDays => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{EmotionFeatures, EmotionMeans};

    const BEFORE: Features = Features {
        transaction_count_30d: 20,
        avg_transaction_value_30d: 50.0,
        days_since_last_transaction: Some(1.0),
        account_age_days: 10.0,
        emotions: Some(EmotionFeatures {
            means_7d: Some(EmotionMeans { positivity: 0.5, intensity: 0.5, stress: 0.2 }),
            stress_events_7d: 0,
            stress_events_30d: 0,
        }),
    };

    #[test]
    fn a_change_counts_from_the_share_on() {
        let rule = Materiality::new(0.25).unwrap();
        let check =
            |what: &str, now: Features, expect| assert_eq!(rule.is_met(&BEFORE, &now), expect, "{what}");
        check("nothing", BEFORE, false);
        check("16 transactions", Features { transaction_count_30d: 16, ..BEFORE }, false);
        check("25 transactions", Features { transaction_count_30d: 25, ..BEFORE }, true);
        check("15 transactions", Features { transaction_count_30d: 15, ..BEFORE }, true);
        check("small change", Features { avg_transaction_value_30d: 70.0, ..BEFORE }, false);
        check("larger change", Features { avg_transaction_value_30d: 76.0, ..BEFORE }, true);
        let later = Features { days_since_last_transaction: None, account_age_days: 900.0, ..BEFORE };
        check("time", later, false);
        check("consent withdrawn", BEFORE.without_emotions(), true);
        let means = EmotionMeans { positivity: 0.5, intensity: 0.5, stress: 0.2 };
        let feels = |means, stress_events_7d| Features {
            emotions: Some(EmotionFeatures { means_7d: Some(means), stress_events_7d, stress_events_30d: 0 }),
            ..BEFORE
        };
        check("calmer", feels(EmotionMeans { stress: 0.1, ..means }, 0), false);
        check("stressed", feels(EmotionMeans { stress: 0.4, ..means }, 0), true);
        check("an event of stress", feels(means, 1), true);
    }

    #[test]
    fn a_share_is_a_number_above_nothing() {
        for no in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Materiality::new(no), None, "{no}");
        }
    }
}
