//! What can go wrong in a store.

/// Why a call to the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The engine can't be reached, or can't write. Worth another try.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Another row already holds a value that must be unique; names the value's column, never the value.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// The request's claim on its key ran out, and another request may hold it by now. Nothing was written.
    #[error("the claim on the request's key was lost")]
    ClaimLost,
    /// What a decision was made of has changed since it was read. Nothing was written.
    #[error("what the decision was made of has changed")]
    Stale,
    /// What is stored can't be understood.
    #[error("the store holds what it should not: {0}")]
    Corrupt(String),
}

impl From<ecs_vault::VaultError> for StoreError {
    fn from(error: ecs_vault::VaultError) -> Self {
        use ecs_vault::VaultError;
        match error {
            // Whoever comes again finds nobody there.
            VaultError::Unavailable(_) | VaultError::Erased => Self::Unavailable(error.to_string()),
            VaultError::Corrupt(_) => Self::Corrupt(error.to_string()),
        }
    }
}

impl StoreError {
    /// Whether the same call can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Taken(_) | Self::ClaimLost | Self::Stale | Self::Corrupt(_) => false,
        }
    }
}
