//! Emotion events: what a person felt, how strongly, and when.

use std::borrow::Cow;

use crate::{EventId, Timestamp, UserId, redacted};

/// A number between 0 and 1, kept as an integer of billionths.
///
/// Sums of integers don't depend on the order of arrival, so aggregates come out the same to the last bit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(u32);

redacted!(Unit => "Unit", Metrics => "Metrics", EmotionKind => "EmotionKind");

impl Unit {
    /// How many parts make one.
    pub const SCALE: u32 = 1_000_000_000;

    /// From a fraction; `None` outside 0..=1 and for what is not a number.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was just checked")]
    pub fn new(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then(|| Self((fraction * f64::from(Self::SCALE)).round() as u32))
    }

    /// From billionths; `None` above one.
    #[must_use]
    pub fn from_billionths(parts: u32) -> Option<Self> {
        (parts <= Self::SCALE).then_some(Self(parts))
    }

    /// Billionths.
    #[must_use]
    pub fn billionths(self) -> u32 {
        self.0
    }

    /// As a fraction.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(Self::SCALE)
    }
}

/// How positive, how intense and how stressful the emotion was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// 0 is wholly negative, 1 wholly positive.
    pub positivity: Unit,
    /// 0 is faint, 1 overwhelming.
    pub intensity: Unit,
    /// 0 is calm, 1 the highest stress.
    pub stress: Unit,
}

/// One emotion event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmotionEvent {
    /// The event's id, unique within its user and UTC day.
    pub id: EventId,
    /// Whose emotion it was.
    pub user: UserId,
    /// When it was felt, by the sender's clock.
    pub occurred_at: Timestamp,
    /// The sender's word for it, such as `calm`.
    pub kind: EmotionKind,
    /// Its measurements.
    pub metrics: Metrics,
}

/// The sender's word for an emotion: 1 to 64 printable characters.
#[derive(Clone, PartialEq, Eq)]
pub struct EmotionKind(String);

impl EmotionKind {
    /// Takes the word, or says why not.
    pub fn new(word: String) -> Result<Self, Cow<'static, str>> {
        if word.is_empty() || word.chars().count() > 64 || word.chars().any(char::is_control) {
            return Err("must be 1 to 64 printable characters".into());
        }
        Ok(Self(word))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// From which stress level on an event counts as a stress event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StressThreshold(pub Unit);

impl StressThreshold {
    /// Whether an emotion with these metrics is a stress event.
    #[must_use]
    pub fn is_met_by(self, metrics: &Metrics) -> bool {
        metrics.stress >= self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_a_number_between_0_and_1() {
        let check = |input: f64, expect: Option<u32>| {
            assert_eq!(Unit::new(input).map(Unit::billionths), expect, "{input}");
        };
        check(0.0, Some(0));
        check(1.0, Some(1_000_000_000));
        check(0.1, Some(100_000_000));
        check(-0.000_001, None);
        check(1.000_001, None);
        check(f64::NAN, None);
        check(f64::INFINITY, None);
    }
}
