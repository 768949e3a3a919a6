//! `PUT /v1/auth/password`

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::{UserId, Violations};
use ecs_store::PasswordChange;
use ecs_web::auth::policy::Bearer;
use ecs_web::openapi::tag;
use ecs_web::problem::Code;
use ecs_web::{JsonBody, Problem, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::sessions::{self, Token};
use crate::state::State;
use crate::{passwords, problems};

/// What the password was, and what it is to be.
// It has no `Debug`: there are passwords in it.
#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordChange, examples(json!({
    "current_password": "correct horse battery", "new_password": "battery staple horse",
})))]
pub(crate) struct Change {
    /// The password until now.
    #[schema(value_type = String, format = Password)]
    current_password: Option<String>,
    /// 12 to 72 bytes.
    #[schema(value_type = String, format = Password, min_length = 3, max_length = 72)]
    new_password: Option<String>,
}

/// Change the password
///
/// Ends all sessions of the user, and begins one for whoever has changed it. When the password is the new one already, the request is
/// taken for a repetition: it only begins a session.
#[utoipa::path(
    put, path = "/v1/auth/password", operation_id = "changePassword", tag = tag::ACCOUNTS, request_body = Change,
    responses(
        (status = OK, description = "The tokens of a new session.", body = Token),
        (status = FORBIDDEN, description = "the current password is another one"),
    ),
)]
pub(crate) async fn change_password(
    Bearer(identity): Bearer,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Change>,
) -> Result<Json<Token>, Problem> {
    let (current, new) = body.validate()?;
    let guess = state.guesses().password_change(identity.user)?;
    let begun = begin(&state, identity.user, current, new).await;
    guess.judge(begun, Code::Forbidden).map(Json)
}

/// Changes the password, and begins a session with the new one.
async fn begin(state: &State, user: UserId, current: Secret, new: Secret) -> Result<Token, Problem> {
    let hash = match change(state, user, current, new.clone()).await? {
        Some(hash) => Some(hash),
        // It may be the new one already: the request comes again, from a client or a gateway that got no answer.
        None => verified(state, user, new).await?,
    };
    let token = sessions::begin(state, user, hash.ok_or_else(refused)?).await?;
    // Without one it was changed again meanwhile.
    token.ok_or_else(refused)
}

/// Changes the password and returns its new hash. `None` when the current one is another.
async fn change(
    state: &State,
    user: UserId,
    current: Secret,
    new: Secret,
) -> Result<Option<String>, Problem> {
    let Some(from) = verified(state, user, current).await? else { return Ok(None) };
    let to = state.passwords().hash(new).await?;
    let change = PasswordChange { user, from, to: to.clone(), now: state.now(), ends_sessions: true };
    let changed = state.replace_password(change).await?;
    if changed {
        tracing::info!(user_id = %user, "changed the password");
    }
    Ok(changed.then_some(to))
}

/// The hash of the user's password, when this is it.
async fn verified(state: &State, user: UserId, password: Secret) -> Result<Option<String>, Problem> {
    let hash = state.store.password_hash(user).await.map_err(problems::of_store)?;
    let verified = state.passwords().verify(password, hash.clone()).await?;
    Ok(hash.filter(|_| verified))
}

fn refused() -> Problem {
    Problem::forbidden("the current password is another one")
}

impl Change {
    fn validate(self) -> Result<(Secret, Secret), Violations> {
        let mut violations = Violations::none();
        let current = violations.require("current_password", self.current_password).map(Secret::new);
        let new = passwords::require_new(&mut violations, "new_password", self.new_password);
        current.zip(new).ok_or(violations)
    }
}
