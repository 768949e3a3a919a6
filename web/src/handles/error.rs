//! Why another role gave no answer.

use std::time::Duration;

use crate::Problem;

/// When another try is worth it where nobody said.
const RETRY: Duration = Duration::from_secs(1);

/// Why another role gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It can't be reached, or says that it can't serve now. Worth another try.
    #[error("{role} is unavailable")]
    Unavailable {
        /// Which role.
        role: &'static str,
        /// When another try is worth it.
        retry_after: Duration,
    },
    /// It didn't answer in time. Worth another try.
    #[error("{role} did not answer in time")]
    Timeout {
        /// Which role.
        role: &'static str,
    },
    /// It answered with something that it should not. It may be of another version or ill, so another try may meet a better one.
    #[error("{role} gave a wrong answer: {reason}")]
    Failed {
        /// Which role.
        role: &'static str,
        /// What was wrong with it; never a value.
        reason: String,
    },
}

impl From<HandleError> for Problem {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Unavailable { role, retry_after } => Self::unavailable(role, retry_after),
            HandleError::Timeout { role } => Self::unavailable(role, RETRY),
            // To the client it is one more way of being away; what it really was, the log tells.
            HandleError::Failed { role, .. } => {
                tracing::error!(%error, "another role can't be believed");
                Self::unavailable(role, RETRY)
            }
        }
    }
}
