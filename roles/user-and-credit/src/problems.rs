//! The one place where what the store says becomes what the client hears.

use std::time::Duration;

use ecs_store::StoreError;
use ecs_web::{Problem, idempotency};
use ecs_work::policies::PoliciesError;

/// When a client should try again after the store couldn't be reached.
const RETRY_STORE: Duration = Duration::from_secs(1);

/// The problem that a failed call to the store makes.
#[expect(clippy::needless_pass_by_value, reason = "calls read `map_err(of_store)`")]
pub(crate) fn of_store(error: StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => {
            tracing::warn!(%error, "the store gave no answer");
            Problem::unavailable("store", RETRY_STORE)
        }
        StoreError::Taken(what) => Problem::conflict(format!("the {what} is taken")),
        // Another request with the key has taken over, and will have an answer.
        StoreError::ClaimLost => idempotency::under_way(),
        // Others keep deciding about the same person, each time before this one does.
        StoreError::Stale => Problem::unavailable("a moment without other decisions", RETRY_STORE),
        StoreError::Corrupt(_) => Problem::internal(&error),
    }
}

/// The problem of a policy that can't be told.
pub(crate) fn of_policies(error: PoliciesError) -> Problem {
    match error {
        PoliciesError::Store(error) => of_store(error),
        PoliciesError::Unreadable { .. } => Problem::internal(&error),
    }
}

/// The policy is not made for the scores of the model in charge: no decision is better than one by a cut-off that means something else.
/// It ends when somebody puts another policy or another model in charge.
pub(crate) fn of_a_strange_score(policy: &str, model: &str) -> Problem {
    tracing::warn!(policy, model, "nothing is decided: the policy is not made for this model");
    Problem::not_ready("the active policy is not made for the model in charge")
}

/// Nobody has this id. Only those who may act for the user get as far as hearing it.
pub(crate) fn unknown_user() -> Problem {
    Problem::not_found("there is no such user")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;
    use http::StatusCode;

    #[test]
    fn each_store_error_has_its_status() {
        let check = |error: StoreError, status: StatusCode, retry: bool| {
            let response = of_store(error).into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key(http::header::RETRY_AFTER), retry);
        };
        check(StoreError::Taken("email"), StatusCode::CONFLICT, false);
        check(StoreError::ClaimLost, StatusCode::CONFLICT, true);
        check(StoreError::Stale, StatusCode::SERVICE_UNAVAILABLE, true);
        check(StoreError::Unavailable("disk".to_owned()), StatusCode::SERVICE_UNAVAILABLE, true);
        check(StoreError::Corrupt("row".to_owned()), StatusCode::INTERNAL_SERVER_ERROR, false);
    }
}
