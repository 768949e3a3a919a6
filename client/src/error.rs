//! What can come of a call besides its answer.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Why a call has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The platform understood the call and said no.
    #[error("refused with {status}: {problem}")]
    Refused {
        /// The HTTP status; neither 429 nor 503.
        status: u16,
        /// What it said.
        problem: Problem,
    },
    /// The platform can't take the call now (503), takes no more of them for the moment (429), or is still at work on an
    /// earlier attempt of it (409).
    #[error("not available at the moment (status {status})")]
    Unavailable {
        /// 409, 429 or 503.
        status: u16,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// There was no answer, or none that could be read.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection could be made, so the platform has not seen the call.
    #[error("no connection could be made")]
    Unreachable,
    /// The connection broke. The platform may have acted on the call.
    #[error("the connection broke before the answer was complete")]
    Broken,
    /// The deadline passed. The platform may have acted on the call.
    #[error("no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The answer is not what the contract says; the text names the place, never a value.
    #[error("the answer can't be understood: {0}")]
    Unreadable(String),
}

impl CallError {
    /// Whether the same call may do better later.
    #[must_use]
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500,
            Self::Unavailable { .. } => true,
            Self::Transport(error) => !matches!(error, TransportError::Unreadable(_)),
        }
    }

    /// Whether the platform may have acted on the call all the same: its answer then died on the way.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500,
            Self::Unavailable { status, .. } => *status != 429,
            Self::Transport(error) => *error != TransportError::Unreachable,
        }
    }

    /// The status of the answer, when there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Unavailable { status, .. } => Some(*status),
            Self::Transport(_) => None,
        }
    }

    /// How long the platform asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Refused { .. } | Self::Transport(_) => None,
        }
    }
}

/// An `application/problem+json` body, as far as a sender cares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Problem {
    /// The kind of problem in words.
    #[serde(default)]
    pub title: String,
    /// What is wrong this time.
    #[serde(default)]
    pub detail: String,
    /// The invalid fields, on a 422.
    #[serde(default)]
    pub errors: Vec<FieldProblem>,
}

/// One invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldProblem {
    /// Its path in the document that was sent.
    pub field: String,
    /// What was expected.
    pub message: String,
}

impl Problem {
    /// Reads a problem body; one that can't be read is an empty problem, since the status says enough.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headline = if self.detail.is_empty() { &self.title } else { &self.detail };
        f.write_str(if headline.is_empty() { "no reason was given" } else { headline })?;
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{} {}", error.field, error.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_a_sentence() {
        let check = |body: &str, expect: &str| assert_eq!(Problem::read(body.as_bytes()).to_string(), expect);
        check(r#"{"title":"Gone","detail":"the offer has expired"}"#, "the offer has expired");
        check(r#"{"title":"Gone"}"#, "Gone");
        check("<html>", "no reason was given");
        check(
            r#"{"detail":"invalid","errors":[{"field":"amount","message":"must be above 0"},{"field":"userId","message":"is required"}]}"#,
            "invalid: amount must be above 0; userId is required",
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_only_the_unsent_is_surely_undone() {
        let check = |error: CallError, retry: bool, happened: bool| {
            assert_eq!(error.is_worth_a_retry(), retry, "{error}");
            assert_eq!(error.may_have_happened(), happened, "{error}");
        };
        let refused = |status| CallError::Refused { status, problem: Problem::default() };
        check(refused(422), false, false);
        check(refused(500), true, true);
        check(CallError::Unavailable { status: 503, retry_after: None }, true, true);
        check(CallError::Unavailable { status: 429, retry_after: None }, true, false);
        check(CallError::Unavailable { status: 409, retry_after: None }, true, true);
        check(TransportError::Unreachable.into(), true, false);
        check(TransportError::Broken.into(), true, true);
        check(TransportError::Deadline(Duration::from_secs(1)).into(), true, true);
        check(TransportError::Unreadable("x".to_owned()).into(), false, true);
    }
}
