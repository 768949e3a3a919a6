//! What the events of a window show of a person: the same quantities that the platform's features are made of.

use serde::Serialize;

use super::super::population::{Content, Event, Window};

/// From which stress on an emotion is a stress event, as the platform has it by default.
pub(super) const STRESS_EVENT: f64 = 0.7;
/// How far back transactions and stress events are looked at, in days.
pub(crate) const OBSERVED_DAYS: u32 = 30;
/// How far back means of emotions are taken, in days.
pub(super) const RECENT_DAYS: u32 = 7;

/// What was seen of somebody in the last 30 days of a window. Where nothing was felt in the last 7 days, the means stand
/// in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Observed {
    /// How many transactions.
    pub transactions_30d: f64,
    /// Their mean amount; 0 without any.
    pub mean_amount_30d: f64,
    /// Days from the last one to the end of the window; 30 without any.
    pub days_since_last_transaction: f64,
    /// Mean positivity of the last 7 days.
    pub positivity_7d: f64,
    /// Mean intensity of the last 7 days.
    pub intensity_7d: f64,
    /// Mean stress of the last 7 days.
    pub stress_7d: f64,
    /// How many emotions had a stress of 0.7 or more.
    pub stress_events_30d: f64,
}

/// A mean being made.
#[derive(Default)]
struct Mean(f64, f64);

impl Mean {
    fn add(&mut self, value: f64) {
        self.0 += value;
        self.1 += 1.0;
    }

    fn or(&self, nothing: f64) -> f64 {
        if self.1 > 0.0 { self.0 / self.1 } else { nothing }
    }
}

impl Observed {
    /// Looks at somebody's events of the last 30 days of `window`.
    pub(super) fn of(events: &[Event], window: Window) -> Self {
        let end = window.over_at();
        let days_before_end = |at| f64::from(end.duration_since(at).as_secs_f32()) / 86_400.0;
        let (mut amounts, mut stress_events) = (Mean::default(), 0.0);
        let (mut positivity, mut intensity, mut stress_level) =
            (Mean::default(), Mean::default(), Mean::default());
        let mut last = f64::from(OBSERVED_DAYS);
        for event in events {
            let ago = days_before_end(event.at);
            match event.content {
                Content::Transaction { amount, .. } => {
                    amounts.add(amount.minor_units() as f64 / 100.0);
                    last = last.min(ago);
                }
                Content::Emotion { positivity: pleasant, intensity: strong, stress, .. } => {
                    stress_events += f64::from(stress >= STRESS_EVENT);
                    if ago <= f64::from(RECENT_DAYS) {
                        positivity.add(pleasant);
                        intensity.add(strong);
                        stress_level.add(stress);
                    }
                }
            }
        }
        Self {
            transactions_30d: amounts.1,
            mean_amount_30d: amounts.or(0.0),
            days_since_last_transaction: last,
            positivity_7d: positivity.or(0.60),
            intensity_7d: intensity.or(0.45),
            stress_7d: stress_level.or(0.35),
            stress_events_30d: stress_events,
        }
    }
}
