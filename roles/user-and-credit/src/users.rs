//! A user as answers and the cache have them: without a password hash, which never leaves the log-in.

use std::time::Duration;

use ecs_domain::user::User;
use ecs_domain::{Email, Timestamp, UserId};
use ecs_web::openapi::{Id, Instant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problems;
use crate::state::{State, key};

/// How long a user stays cached. A change forgets it, so this bounds memory rather than staleness.
const TTL: Duration = Duration::from_secs(300);

/// An account.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = User, examples(json!({
    "id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "email": "ana@example.com",
    "created_at": "2026-11-20T14:30:00Z", "updated_at": "2026-11-20T14:30:00Z"
})))]
pub(crate) struct UserView {
    /// Its id.
    #[schema(value_type = Id)]
    id: UserId,
    /// Its address; null when nobody gave one.
    #[schema(required)]
    email: Option<String>,
    /// The partner's own id for the user; there when a partner named them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    external_id: Option<String>,
    /// When the account was made.
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = Instant)]
    updated_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_ref().map(Email::as_str).map(str::to_owned),
            external_id: user.external_id,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// The user with this id; 404 when there is none, which is never cached.
pub(crate) async fn find(state: &State, user: UserId) -> Result<UserView, ecs_web::Problem> {
    let load = || async {
        let found = state.store.user(user).await.map_err(problems::of_store)?;
        found.map(UserView::from).ok_or_else(problems::unknown_user)
    };
    state.cache.get_or_load(key(user, "profile"), TTL, load).await
}
