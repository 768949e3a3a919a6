//! What the platform would look at if somebody applied at the end of a window: the features of a decision, made of the
//! same events as the outcome.

use ecs_domain::emotion::Unit;
use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features, days_between};
use ecs_domain::{Day, Timestamp, utc_day};
use jiff::{SignedDuration, ToSpan};

use super::super::population::{Content, Event, Population, Window};
use super::observe::{OBSERVED_DAYS, RECENT_DAYS, STRESS_EVENT};

/// When the application comes: within the last day, so that the 7 and 30 days up to it are those of the window.
#[must_use]
pub fn asked_at(window: Window) -> Timestamp {
    let over = window.over_at();
    over.checked_sub(SignedDuration::from_micros(1)).unwrap_or(over)
}

/// When the person's account was made, taking them for customers since they came: at the beginning of their first day.
#[must_use]
pub fn joined_at(tenure_days: f64, window: Window) -> Timestamp {
    let tenure = SignedDuration::try_from_secs_f64(tenure_days * 86_400.0);
    tenure.and_then(|tenure| window.over_at().checked_sub(tenure)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The features of person `user`, whose events of the last 30 days are `recent`.
pub(super) fn of(population: &Population, user: usize, window: Window, recent: &[Event]) -> Option<Features> {
    let now = asked_at(window);
    let joined = joined_at(population.people().get(user)?.tenure_days, window);
    let mut tally = Tally::new(now);
    recent.iter().for_each(|event| tally.add(event));
    // The time of the last transaction has no window on the platform.
    let last = tally.last.or_else(|| {
        let paid = population.events_of(user, window).filter(is_transaction);
        paid.map(|event| event.at).max()
    });
    Some(Features {
        transaction_count_30d: tally.transactions,
        avg_transaction_value_30d: tally.mean_amount(),
        days_since_last_transaction: last.map(|last| days_between(last, now)),
        account_age_days: days_between(joined, now),
        emotions: Some(EmotionFeatures {
            means_7d: EmotionMeans::of_sums(tally.emotions_7d, tally.sums_7d),
            stress_events_7d: tally.stress_events_7d,
            stress_events_30d: tally.stress_events_30d,
        }),
    })
}

fn is_transaction(event: &Event) -> bool {
    matches!(event.content, Content::Transaction { .. })
}

/// The aggregates that the platform keeps, over the events of the last 30 days.
struct Tally {
    week: Day,
    transactions: u64,
    cents: i64,
    last: Option<Timestamp>,
    emotions_7d: i64,
    sums_7d: [i64; 3],
    stress_events_7d: u64,
    stress_events_30d: u64,
}

impl Tally {
    fn new(now: Timestamp) -> Self {
        let week = utc_day(now).saturating_sub((i64::from(RECENT_DAYS) - 1).days());
        Self {
            week,
            transactions: 0,
            cents: 0,
            last: None,
            emotions_7d: 0,
            sums_7d: [0; 3],
            stress_events_7d: 0,
            stress_events_30d: 0,
        }
    }

    fn add(&mut self, event: &Event) {
        match event.content {
            Content::Transaction { amount, .. } => {
                self.transactions += 1;
                self.cents += amount.minor_units();
                self.last = self.last.max(Some(event.at));
            }
            Content::Emotion { positivity, intensity, stress, .. } => {
                let is_stress = stress >= STRESS_EVENT;
                self.stress_events_30d += u64::from(is_stress);
                if utc_day(event.at) >= self.week {
                    self.stress_events_7d += u64::from(is_stress);
                    self.emotions_7d += 1;
                    let sums = self.sums_7d.iter_mut().zip([positivity, intensity, stress]);
                    sums.for_each(|(sum, value)| *sum += billionths(value));
                }
            }
        }
    }

    fn mean_amount(&self) -> f64 {
        if self.transactions == 0 {
            return 0.0;
        }
        ((self.cents / 100) as f64 + (self.cents % 100) as f64 / 100.0) / self.transactions as f64
    }
}

/// As the platform sums metrics; the simulator's lie between 0 and 1.
fn billionths(fraction: f64) -> i64 {
    Unit::new(fraction).map_or(0, |unit| i64::from(unit.billionths()))
}

const _: () = assert!(OBSERVED_DAYS == 30 && RECENT_DAYS == 7, "the platform's windows");
