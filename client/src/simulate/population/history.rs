//! A span of whole UTC days, lived by everybody, with its events in the order of the days.

use std::fmt;

use anyhow::ensure;
use ecs_domain::{Day, Timestamp};

use super::rhythm::{DAY_SECONDS, Moment};
use super::{Event, Population, midnight};

/// The most days and people that are laid out at once: a day of a person takes four bytes.
const MOST_DAYS_OF_PEOPLE: u64 = 50_000_000;

/// Whole UTC days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first one, in days since 1970.
    first: i64,
    /// How many.
    days: u32,
}

impl Window {
    /// The days from `first` through `last`.
    pub fn new(first: Day, last: Day) -> anyhow::Result<Self> {
        let days = day_number(last) - day_number(first) + 1;
        ensure!(days > 0, "the last day of the history, {last}, comes before its first, {first}");
        ensure!(day_number(first) >= 0, "the platform takes no event from before 1970");
        Ok(Self { first: day_number(first), days: u32::try_from(days)? })
    }

    /// The last `days` whole days before `now`.
    pub fn before(now: Timestamp, days: u32) -> anyhow::Result<Self> {
        ensure!(days > 0, "a history has days");
        let today = now.as_second().div_euclid(DAY_SECONDS);
        let first = today - i64::from(days);
        ensure!(first >= 0, "the platform takes no event from before 1970");
        Ok(Self { first, days })
    }

    /// The last `days` days of it, or all when there are fewer.
    #[must_use]
    pub(crate) fn last(self, days: u32) -> Self {
        let days = days.min(self.days);
        Self { first: self.end() - i64::from(days), days }
    }

    /// The day after the last one.
    fn end(self) -> i64 {
        self.first + i64::from(self.days)
    }

    /// When it is over.
    #[must_use]
    pub fn over_at(self) -> Timestamp {
        midnight(self.end())
    }

    /// How many days it has.
    #[must_use]
    pub fn days(self) -> u32 {
        self.days
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day| ecs_domain::utc_day(midnight(day));
        write!(f, "{} to {}", day(self.first), day(self.end() - 1))
    }
}

/// In days since 1970.
fn day_number(day: Day) -> i64 {
    let begin = jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::UNIX_EPOCH);
    begin.as_second().div_euclid(DAY_SECONDS)
}

/// Everything that happens to a population within a window.
#[derive(Debug)]
pub struct History {
    population: Population,
    window: Window,
    /// How many events lie before each day, and after the last one.
    before_day: Vec<u64>,
    /// Day by day and user by user: how many events of the day lie before the user's.
    before_user: Vec<u32>,
}

impl History {
    /// Lays the window out.
    pub fn new(population: Population, window: Window) -> anyhow::Result<Self> {
        let people = population.people.len();
        ensure!(
            people as u64 * u64::from(window.days) <= MOST_DAYS_OF_PEOPLE,
            "{people} users over {} days are too many at once: take fewer days at a time",
            window.days
        );
        let mut before_day = vec![0];
        let mut before_user = Vec::with_capacity(people * window.days as usize);
        let mut total = 0;
        for day in window.first..window.end() {
            let begin = Moment::new(midnight(day));
            let mut of_day = 0_u32;
            for person in &population.people {
                before_user.push(of_day);
                if population.is_here(person, day, window.end()) {
                    of_day += population.amount(person, day, &begin).total();
                }
            }
            total += u64::from(of_day);
            before_day.push(total);
        }
        Ok(Self { population, window, before_day, before_user })
    }

    /// How many events there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.before_day.last().copied().unwrap_or_default()
    }

    /// The people.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// The days.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// Event `number`; `None` from the total on.
    #[must_use]
    pub fn event(&self, number: u64) -> Option<Event> {
        let place = self.before_day.partition_point(|before| *before <= number).checked_sub(1)?;
        let of_day = u32::try_from(number - self.before_day.get(place)?).ok()?;
        let people = self.population.people.len();
        let users = self.before_user.get(place * people..(place + 1) * people)?;
        let user = users.partition_point(|before| *before <= of_day).checked_sub(1)?;
        let index = of_day - users.get(user)?;
        let day = self.window.first + i64::try_from(place).ok()?;
        let begin = Moment::new(midnight(day));
        let amount = self.population.amount(self.population.people.get(user)?, day, &begin);
        self.population.event_of_day(user, day, amount, index, &begin)
    }
}

impl Population {
    /// Nobody does anything before they came. `end` is the day from which tenure counts back.
    fn is_here(&self, person: &super::Traits, day: i64, end: i64) -> bool {
        (end - day) as f64 <= person.tenure_days
    }

    /// What one user does within a window, day by day.
    pub fn events_of(&self, user: usize, window: Window) -> impl Iterator<Item = Event> {
        let person = self.people.get(user);
        let days = (window.first..window.end()).filter_map(move |day| {
            let person = person.filter(|person| self.is_here(person, day, window.end()))?;
            let begin = Moment::new(midnight(day));
            Some((day, begin, self.amount(person, day, &begin)))
        });
        days.flat_map(move |(day, begin, amount)| {
            let indices = 0..amount.total();
            indices.filter_map(move |index| self.event_of_day(user, day, amount, index, &begin))
        })
    }
}
