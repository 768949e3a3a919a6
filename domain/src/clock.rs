//! Instants, days and where "now" comes from.

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

/// Reads an ISO 8601 instant. One without a zone or offset is taken as UTC.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
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
