//! A user as answers and the cache have them: without a password hash, which never leaves the log-in.

use std::time::Duration;

use ecs_domain::user::User;
use ecs_domain::{Email, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::problems;
use crate::state::{State, key};

/// How long a user stays cached. Accounts can't be changed yet, so this bounds memory rather than staleness.
const TTL: Duration = Duration::from_secs(300);

/// `{id, email, created_at, updated_at}`, and `external_id` when a partner named the user.
#[derive(Serialize, Deserialize)]
pub(crate) struct UserView {
    id: UserId,
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    created_at: Timestamp,
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
