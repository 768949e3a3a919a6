//! Why the parts of a model make none.

use std::fmt;

/// What is wrong with a model's parts, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place, as in `terms[3].edges[0]`.
    pub at: String,
    /// What is expected of it.
    pub rule: String,
}

impl Fault {
    pub(super) fn new(at: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { at: at.into(), rule: rule.into() }
    }

    /// The same fault in a part of something.
    pub(super) fn within(self, part: impl fmt::Display) -> Self {
        Self { at: format!("{part}.{}", self.at), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.rule)
    }
}

impl std::error::Error for Fault {}

/// Refuses what is no finite number, or too large for log-odds.
pub(super) fn log_odds(at: impl FnOnce() -> String, value: f64) -> Result<(), Fault> {
    if value.abs() <= super::MOST_LOG_ODDS {
        return Ok(());
    }
    Err(Fault::new(at(), format!("must be between -{0} and {0}", super::MOST_LOG_ODDS)))
}

/// Refuses more of something than there may be.
pub(super) fn count(at: &str, count: usize, most: usize) -> Result<(), Fault> {
    if count <= most { Ok(()) } else { Err(Fault::new(at, format!("there are {count}, and {most} at most"))) }
}
