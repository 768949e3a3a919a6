//! Calendar months in UTC.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::ToSpan as _;

use crate::clock::midnight;
use crate::{Day, Timestamp, utc_day};

/// A calendar month in UTC, written `2026-10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    first: Day,
}

impl Month {
    /// The month in which an instant lies.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self { first: utc_day(at).first_of_month() }
    }

    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> Day {
        self.first
    }

    /// The first day that is no longer in it.
    #[must_use]
    pub fn end_day(self) -> Day {
        self.first.saturating_add(1.month())
    }

    /// Its first instant.
    #[must_use]
    pub fn start(self) -> Timestamp {
        midnight(self.first)
    }

    /// The first instant that is no longer in it.
    #[must_use]
    pub fn end(self) -> Timestamp {
        midnight(self.end_day())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

impl FromStr for Month {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shaped = text.len() == 7 && text.bytes().filter(u8::is_ascii_digit).count() == 6;
        let first = if shaped { format!("{text}-01").parse::<Day>().ok() } else { None };
        first.map(|first| Self { first }).ok_or_else(|| "must be a month such as 2026-10".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_it_is_written_and_has_its_days() {
        let check = |text: &str, start: &str, end: &str| {
            let month: Month = text.parse().unwrap();
            assert_eq!(month.to_string(), text);
            assert_eq!(
                (month.start(), month.end()),
                (start.parse().unwrap(), end.parse().unwrap()),
                "{text}"
            );
            assert_eq!(Month::of(month.start()), month);
            assert_ne!(Month::of(month.end()), month);
        };
        check("2026-10", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
        check("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
        check("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
        for odd in
            ["", "2026", "2026-1", "2026-13", "2026-00", "26-10-01", "2026/10", "2026-10-01", "+026-10"]
        {
            assert!(odd.parse::<Month>().is_err(), "{odd}");
        }
    }
}
