//! From SQLite's errors to the store's.

use ecs_store::StoreError;
use rusqlite::ErrorCode;

/// Why a piece of work on a connection failed. It lets `?` carry both kinds of error up to where they become one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a JSON column: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sqlite(error) => store_error(&error),
            Fault::Store(error) => error,
            Fault::Json(error) => Self::Corrupt(format!("a JSON column: {error}")),
        }
    }
}

/// What an error of SQLite means to a caller. A disk that is full or slow, a lock that is held: another try can
/// succeed. Everything else is a defect of the file or of this code, and trying again won't mend it.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(code) if may_pass(code) => StoreError::Unavailable(error.to_string()),
        Some(ErrorCode::ConstraintViolation) => {
            StoreError::Corrupt(format!("a write broke a rule of the tables: {error}"))
        }
        Some(_) | None => StoreError::Corrupt(error.to_string()),
    }
}

fn may_pass(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::SchemaChanged
    )
}
