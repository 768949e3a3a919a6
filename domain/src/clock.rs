//! Instants, days and where "now" comes from.

use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Time;
use jiff::fmt::temporal::Pieces;

/// An instant, in UTC, with nanosecond resolution; the platform keeps microseconds.
pub type Timestamp = jiff::Timestamp;

/// A calendar day in UTC.
pub type Day = jiff::civil::Date;

/// Where "now" comes from. Production passes the system's clock, tests pass one they can move.
pub trait Clock: Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// The calendar day in UTC on which `at` falls.
#[must_use]
pub fn utc_day(at: Timestamp) -> Day {
    jiff::tz::Offset::UTC.to_datetime(at).date()
}

/// The first instant of a day; `None` at the edges of the calendar, where days have no instants.
#[must_use]
pub fn first_instant(day: Day) -> Option<Timestamp> {
    jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
}

/// The same, with the last instant that there is for a day that has none.
#[must_use]
pub fn midnight(day: Day) -> Timestamp {
    first_instant(day).unwrap_or(Timestamp::MAX)
}

/// So much later, or the last instant that there is.
#[must_use]
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The day that lies so many days before another.
#[must_use]
pub fn days_before(day: Day, days: u16) -> Day {
    day.saturating_sub(i64::from(days).days())
}

/// Reads an ISO 8601 instant. One without a zone or offset is taken as UTC; one with the name of a zone needs an offset,
/// too.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        // A date and time parsed from a text with a zone would leave out the zone.
        let pieces = Pieces::parse(text).ok()?;
        if pieces.offset().is_some() || pieces.time_zone_annotation().is_some() {
            return None;
        }
        let local = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
        jiff::tz::Offset::UTC.to_timestamp(local).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: Option<&str>) {
        let expect = expect.map(|text| text.parse::<Timestamp>().unwrap());
        assert_eq!(parse_timestamp(input), expect, "{input}");
    }

    #[test]
    fn a_timestamp_without_zone_is_utc() {
        check("2025-08-19T14:30:00Z", Some("2025-08-19T14:30:00Z"));
        check("2025-08-19T14:30:00", Some("2025-08-19T14:30:00Z"));
        check("2025-08-19T14:30:00.25-03:00", Some("2025-08-19T17:30:00.25Z"));
        check("2025-08-19T14:30:00+02:00[Europe/Berlin]", Some("2025-08-19T12:30:00Z"));
        check("2025-08-19T14:30:00[Europe/Berlin]", None);
        check("2025-08-19[Europe/Berlin]", None);
        check("2025-08-19T14:30:00+99:00", None);
        check("2025-08-19", Some("2025-08-19T00:00:00Z"));
        check("yesterday", None);
        check("", None);
        check("2025-13-01T00:00:00Z", None);
    }

    #[test]
    fn the_day_is_the_utc_day() {
        let late = "2025-08-19T23:30:00-03:00".parse().unwrap();
        assert_eq!(utc_day(late), jiff::civil::date(2025, 8, 20));
    }
}
