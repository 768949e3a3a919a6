//! What an operator hears when the store or the bus can't be read.

use std::time::Duration;

use ecs_bus::BusError;
use ecs_store::StoreError;
use ecs_web::Problem;
use ecs_work::books::BooksError;

const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn of_books(error: &BooksError) -> Problem {
    match error {
        BooksError::Store(error) => of_store(error),
        BooksError::Bus(error) => of_bus(error),
    }
}

pub(crate) fn of_store(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(reason) => {
            tracing::warn!(reason, "an operator's request needs the store");
            Problem::unavailable("store", RETRY_AFTER)
        }
        StoreError::Taken(_) | StoreError::ClaimLost | StoreError::Stale | StoreError::Corrupt(_) => {
            Problem::internal(error)
        }
    }
}

pub(crate) fn of_bus(error: &BusError) -> Problem {
    match error {
        BusError::Unavailable(_) | BusError::Closed => {
            tracing::warn!(%error, "an operator's request needs the bus");
            Problem::unavailable("bus", RETRY_AFTER)
        }
        BusError::Unsupported { .. } | BusError::Corrupt(_) => Problem::internal(error),
    }
}
