//! What a learned model is given: one number per feature, or none.

use crate::features::Features;
use crate::redacted;
use crate::scorecard::Input;

/// How many features a model may look at.
pub const WIDTH: usize = Input::ALL.len();

/// One value per feature, in the order of a model's card. A missing one is not a number.
#[derive(Clone, Copy)]
pub struct Row([f64; WIDTH]);

redacted!(Row => "Row");

impl Row {
    /// These values. What isn't a finite number counts as missing, and so does what isn't there.
    pub fn new(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let mut row = [f64::NAN; WIDTH];
        for (place, value) in row.iter_mut().zip(values) {
            *place = value.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
        }
        Self(row)
    }

    /// The features that these inputs name, each within what is possible: a clock that was set back must not find a step of
    /// the model that nobody was meant to stand on.
    pub fn of(features: &Features, inputs: impl Iterator<Item = Input>) -> Self {
        Self::new(inputs.map(|input| Some(input.of(features)?.clamp(0.0, input.most()))))
    }

    /// The value of this feature; not a number where it is missing.
    pub(super) fn at(&self, feature: usize) -> f64 {
        // Models are checked when they are made: they ask for no other.
        self.0.get(feature).copied().unwrap_or(f64::NAN)
    }

    /// The same row with another value.
    #[must_use]
    pub fn with(mut self, feature: usize, value: Option<f64>) -> Self {
        if let Some(place) = self.0.get_mut(feature) {
            *place = value.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_finite_number_is_missing() {
        let row = Row::new([Some(f64::INFINITY), None, Some(f64::NAN), Some(2.0)]);
        let missing: Vec<bool> = (0..WIDTH).map(|feature| row.at(feature).is_nan()).collect();
        assert_eq!(missing, [true, true, true, false, true, true, true, true, true]);
        assert!(row.with(3, Some(f64::NEG_INFINITY)).at(3).is_nan());
        assert!(row.at(WIDTH).is_nan());
    }

    #[test]
    fn features_are_held_within_what_is_possible() {
        let features = Features {
            transaction_count_30d: u64::MAX,
            avg_transaction_value_30d: 1e13,
            days_since_last_transaction: Some(-0.5),
            account_age_days: f64::NAN,
            emotions: None,
        };
        let row = Row::of(&features, Input::ALL.into_iter());
        assert_eq!((row.at(0), row.at(1), row.at(2)), (1e9, 1e12, 0.0));
        assert!((3..WIDTH).all(|feature| row.at(feature).is_nan()));
    }
}
