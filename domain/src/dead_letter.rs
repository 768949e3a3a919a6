//! The words for events that were given up: of what kind the trouble was, and what was done about it.

use std::fmt;
use std::str::FromStr;

/// What kind of trouble made an event a dead letter. Stable names for filters and alarms; the reason beside it is for
/// people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadLetterKind {
    /// No account has the event's user id.
    UnknownUser,
    /// The payload is not what its subject carries.
    Undecodable,
    /// What the event asks for can't be done, such as activating an offer that nobody accepted.
    Refused,
    /// It failed as often as an event may.
    GaveUp,
    /// It was kept before kinds were.
    Unspecified,
}

impl DeadLetterKind {
    /// Every kind there is.
    pub const ALL: [Self; 5] =
        [Self::UnknownUser, Self::Undecodable, Self::Refused, Self::GaveUp, Self::Unspecified];

    /// The name in tables, answers and filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown-user",
            Self::Undecodable => "undecodable",
            Self::Refused => "refused",
            Self::GaveUp => "gave-up",
            Self::Unspecified => "unspecified",
        }
    }
}

/// What was done about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadLetterState {
    /// Nothing yet: it waits for somebody to decide.
    Waiting,
    /// Its event was published again. If it fails again, the letter waits again.
    Replayed,
    /// It was dropped for good, and its payload with it.
    Dropped,
}

impl DeadLetterState {
    /// Every state there is.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Replayed, Self::Dropped];

    /// The name in tables, answers and filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for DeadLetterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for DeadLetterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for DeadLetterKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

impl FromStr for DeadLetterState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in DeadLetterKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for state in DeadLetterState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("lost".parse::<DeadLetterState>().unwrap_err().contains("waiting, replayed, dropped"));
    }
}
