//! When people act: hours of the day and days of the week by their own clock, days of the month, months of the year.

use ecs_domain::{Day, Timestamp};

use super::noise::Dice;
use super::persona::{PerPersona, Persona};

/// The average month.
pub(super) const DAYS_IN_MONTH: f64 = 30.4;
pub(crate) const DAY_SECONDS: i64 = 86_400;
const HOUR_SECONDS: i64 = 3_600;
/// How a merchant's year goes, from January; 1 on average.
const SEASON: [f64; 12] = [0.70, 0.75, 0.85, 0.95, 1.15, 1.05, 0.85, 0.85, 0.90, 1.00, 1.35, 1.60];

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Feel something.
    Emotion,
    /// Buy or sell something.
    Transaction,
}

/// A zone of Brazil, in hours from UTC. None of them has summer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The islands, −2.
    Noronha,
    /// Most people's, −3.
    Brasilia,
    /// The Amazon, −4.
    Amazon,
    /// The far west, −5.
    Acre,
}

impl Zone {
    pub(crate) const ALL: [Self; 4] = [Self::Noronha, Self::Brasilia, Self::Amazon, Self::Acre];

    pub(super) fn pick(dice: &mut Dice) -> Self {
        match dice.unit() {
            part if part < 0.02 => Self::Noronha,
            part if part < 0.80 => Self::Brasilia,
            part if part < 0.95 => Self::Amazon,
            _ => Self::Acre,
        }
    }

    pub(super) fn offset_hours(self) -> i64 {
        match self {
            Self::Noronha => -2,
            Self::Brasilia => -3,
            Self::Amazon => -4,
            Self::Acre => -5,
        }
    }
}

/// An instant, taken apart once for all that depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    date: Day,
}

impl Moment {
    pub(crate) fn new(at: Timestamp) -> Self {
        Self { at, date: ecs_domain::utc_day(at) }
    }

    /// The calendar's day in UTC, which months and paydays go by.
    pub(super) fn date(&self) -> Day {
        self.date
    }

    /// Days since 1970, with their fraction.
    pub(super) fn days(&self) -> f64 {
        self.at.as_microsecond() as f64 / (DAY_SECONDS * 1_000_000) as f64
    }

    /// The hour of the week by a clock in this zone, from Monday's midnight.
    pub(super) fn hour_of_week(&self, zone: Zone) -> usize {
        let hours = self.at.as_second().div_euclid(HOUR_SECONDS) + zone.offset_hours();
        hour_of_week(hours)
    }

    /// The hour of the day by a clock in this zone, with its fraction.
    pub(super) fn hour_of_day(&self, zone: Zone) -> f64 {
        (self.days() * 24.0 + zone.offset_hours() as f64).rem_euclid(24.0)
    }

    /// Whether it is Saturday or Sunday in this zone.
    pub(super) fn is_weekend(&self, zone: Zone) -> bool {
        self.hour_of_week(zone) / 24 >= 5
    }
}

/// 1970 began on a Thursday.
fn hour_of_week(hours_since_1970: i64) -> usize {
    (hours_since_1970 + 3 * 24).rem_euclid(7 * 24) as usize
}

/// The weights of all personas.
#[derive(Debug)]
pub(crate) struct Rhythm {
    emotions: PerPersona<[f64; 168]>,
    transactions: PerPersona<[f64; 168]>,
}

impl Rhythm {
    pub(crate) fn new() -> Self {
        const SAME: [f64; 7] = [1.0; 7];
        Self {
            emotions: PerPersona::from_fn(|persona| week(persona.profile().feeling_hours, &SAME)),
            transactions: PerPersona::from_fn(|persona| {
                week(persona.profile().shopping_hours, persona.profile().week)
            }),
        }
    }

    fn week(&self, persona: Persona, kind: Kind) -> &[f64; 168] {
        match kind {
            Kind::Emotion => self.emotions.of(persona),
            Kind::Transaction => self.transactions.of(persona),
        }
    }

    /// How many events a day somebody of this persona has if the whole day were like this moment.
    pub(crate) fn pace(&self, persona: Persona, kind: Kind, zone: Zone, moment: &Moment) -> f64 {
        let weight = self.week(persona, kind).get(moment.hour_of_week(zone)).copied().unwrap_or(1.0);
        daily(persona, kind) * weight * day_factor(persona, kind, moment.date())
    }

    /// How many events are to be expected on the UTC day that begins at `day`.
    pub(crate) fn expected(&self, persona: Persona, kind: Kind, zone: Zone, day: &Moment) -> f64 {
        let hours = self.hours(persona, kind, zone, day);
        daily(persona, kind) * day_factor(persona, kind, day.date()) * hours.sum::<f64>() / 24.0
    }

    /// A time within the UTC day that begins at `day`, in seconds, drawn by the hours' weights.
    pub(crate) fn second(
        &self,
        dice: &mut Dice,
        (persona, kind, zone): (Persona, Kind, Zone),
        day: &Moment,
    ) -> f64 {
        let total: f64 = self.hours(persona, kind, zone, day).sum();
        let mut left = dice.unit() * total;
        for (hour, weight) in (0_u32..).zip(self.hours(persona, kind, zone, day)) {
            if left < weight {
                return (f64::from(hour) + left / weight) * HOUR_SECONDS as f64;
            }
            left -= weight;
        }
        (DAY_SECONDS - 1) as f64
    }

    /// The weights of the 24 hours of a UTC day, each by the clock in `zone`.
    fn hours(&self, persona: Persona, kind: Kind, zone: Zone, day: &Moment) -> impl Iterator<Item = f64> {
        let begin = day.hour_of_week(zone);
        let week = self.week(persona, kind);
        week.iter().cycle().skip(begin).take(24).copied()
    }
}

fn daily(persona: Persona, kind: Kind) -> f64 {
    match kind {
        Kind::Emotion => persona.profile().emotions,
        Kind::Transaction => persona.profile().transactions,
    }
}

/// Hours and days of the week multiplied, and scaled to 1 on average.
fn week(hours: &[f64; 24], days: &[f64; 7]) -> [f64; 168] {
    let mut week = [0.0; 168];
    let weights = days.iter().flat_map(|day| hours.iter().map(move |hour| hour * day));
    week.iter_mut().zip(weights).for_each(|(place, weight)| *place = weight);
    let mean = week.iter().sum::<f64>() / 168.0;
    week.map(|weight| weight / mean)
}

/// What the date does: paydays, ends of months, seasons. 1 on average over a year.
fn day_factor(persona: Persona, kind: Kind, date: Day) -> f64 {
    if kind == Kind::Emotion {
        return 1.0;
    }
    let after_payday = (5..=9).contains(&date.day());
    match persona {
        Persona::SteadyEarner => {
            if after_payday {
                1.25
            } else {
                0.95
            }
        }
        Persona::StressedSpender if after_payday => 1.60,
        Persona::StressedSpender => {
            if date.day() >= 25 {
                0.65
            } else {
                0.98
            }
        }
        Persona::SeasonalMerchant => season(date) * if date.day() >= 26 { 1.35 } else { 0.93 },
        Persona::NewArrival | Persona::Fraudster => 1.0,
    }
}

/// How a merchant's month goes; 1 on average.
pub(super) fn season(date: Day) -> f64 {
    let month = usize::try_from(date.month()).unwrap_or(1);
    SEASON.get(month - 1).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: &str) -> Moment {
        Moment::new(at.parse().unwrap())
    }

    #[test]
    fn clocks_are_those_of_the_people() {
        let check =
            |at: &str, zone, hour: usize| assert_eq!(moment(at).hour_of_week(zone), hour, "{at} {zone:?}");
        check("2026-11-23T02:00:00Z", Zone::Brasilia, 6 * 24 + 23);
        check("2026-11-23T03:00:00Z", Zone::Brasilia, 0);
        check("2026-11-23T03:00:00Z", Zone::Acre, 6 * 24 + 22);
        check("1969-12-29T02:30:00Z", Zone::Noronha, 0);
        assert!((moment("2026-11-23T02:30:00Z").hour_of_day(Zone::Noronha) - 0.5).abs() < 1e-9);
        assert!(moment("2026-11-22T12:00:00Z").is_weekend(Zone::Acre));
    }

    /// A year of expected counts comes back to the daily numbers of the table.
    #[test]
    fn weights_average_out() {
        let rhythm = Rhythm::new();
        for persona in Persona::ALL {
            for kind in [Kind::Emotion, Kind::Transaction] {
                let first = moment("2026-01-01T00:00:00Z").at;
                let days =
                    (0..365).map(|day| Moment::new(first + jiff::SignedDuration::from_hours(24 * day)));
                let sum: f64 = days.map(|day| rhythm.expected(persona, kind, Zone::Amazon, &day)).sum();
                let mean = sum / 365.0;
                assert!((mean / daily(persona, kind) - 1.0).abs() < 0.02, "{persona} {kind:?}: {mean}");
            }
        }
    }

    #[test]
    fn nights_are_for_fraudsters_and_sundays_not_for_merchants() {
        let rhythm = Rhythm::new();
        let pace = |persona, at| rhythm.pace(persona, Kind::Transaction, Zone::Brasilia, &moment(at));
        // Wednesday 03:00 and 15:00, and Sunday 15:00, in Brasília.
        let (night, day, sunday) = ("2026-11-18T06:00:00Z", "2026-11-18T18:00:00Z", "2026-11-22T18:00:00Z");
        assert!(pace(Persona::SteadyEarner, day) > 10.0 * pace(Persona::SteadyEarner, night));
        assert!(pace(Persona::Fraudster, night) > 4.0 * pace(Persona::Fraudster, day));
        assert!(pace(Persona::SeasonalMerchant, day) > 2.5 * pace(Persona::SeasonalMerchant, sunday));
        assert!(
            pace(Persona::SeasonalMerchant, "2026-12-16T18:00:00Z")
                > 2.0 * pace(Persona::SeasonalMerchant, "2026-02-18T18:00:00Z")
        );
    }
}
