//! Accounts: registered by people, provisioned by operators.

use axum::Json;
use axum::extract::State as Extract;
use axum::response::Response;
use ecs_domain::permission::held::{UsersCreate, UsersReadAny};
use ecs_domain::{Email, UserId, Violations};
use ecs_store::{NewUser, Provision};
use ecs_web::auth::policy::{Anyone, Holding, Own};
use ecs_web::body::{self, JsonBytes};
use ecs_web::idempotency::Answer;
use ecs_web::openapi::{UserPath, tag};
use ecs_web::{IdempotencyKey, Problem, Secret};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::keyed::{Call, Ended, Turn};
use crate::state::State;
use crate::users::UserView;
use crate::{passwords, problems, users};

/// How long a partner's id for a user may be, in characters.
const MAX_EXTERNAL_ID: usize = 128;

/// Who registers.
// It has no `Debug`: there is a password in it.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({"email": "ana@example.com", "password": "correct horse battery"})))]
pub(crate) struct Registration {
    /// The address, whose case doesn't matter.
    #[schema(value_type = String)]
    email: Option<String>,
    /// 12 to 72 bytes.
    #[schema(value_type = String, format = Password, min_length = 3, max_length = 72)]
    password: Option<String>,
}

/// Register
///
/// Makes an account with a password. With an `Idempotency-Key` the request may be repeated for a day.
#[utoipa::path(
    post, path = "/v1/auth/register", operation_id = "register", tag = tag::ACCOUNTS, params(IdempotencyKey),
    request_body = Registration,
    responses(
        (status = CREATED, description = "The account.", body = UserView),
        (status = CONFLICT, description = "the email is taken"),
    ),
)]
pub(crate) async fn register(
    _: Anyone,
    Extract(state): Extract<State>,
    call: Result<Call, Problem>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let (email, password) = body::parse::<Registration>(&bytes)?.validate()?;
    let make = |turn: Turn| make_account(&state, turn, email, password);
    call?.once(&state, None, &bytes, make).await
}

async fn make_account(state: &State, turn: Turn, email: Email, password: Secret) -> Result<Ended, Problem> {
    let password_hash = state.passwords().hash(password).await?;
    let new = NewUser { id: UserId::new(Uuid::now_v7()), email, password_hash, now: state.now() };
    let answer = Answer::json(StatusCode::CREATED, &UserView::from(new.user()))?;
    let user = state.store.register(new, turn.keeping(&answer)).await.map_err(problems::of_store)?;
    tracing::info!(user_id = %user.id, "registered");
    Ok(Ended::Changed(answer))
}

impl Registration {
    fn validate(self) -> Result<(Email, Secret), Violations> {
        let mut violations = Violations::none();
        let email = violations.require("email", self.email);
        let email = email.and_then(|email| violations.check("email", email.parse::<Email>()));
        let password = passwords::require_new(&mut violations, "password", self.password);
        email.zip(password).ok_or(violations)
    }
}

/// Who is to have an account: at least one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewUser, examples(json!({"externalId": "partner-4711", "email": "bia@example.com"})))]
pub(crate) struct NewAccount {
    /// Your own id for the user. A known one gives the same account again.
    #[schema(min_length = 1, max_length = 128)]
    external_id: Option<String>,
    /// The user's address.
    email: Option<String>,
}

/// Provision a user
///
/// Makes an account without a password, for those with `users:create`. A known `externalId` gives the same account
/// again, unchanged. With an `Idempotency-Key` any request may be repeated for a day.
#[utoipa::path(
    post, path = "/v1/users", operation_id = "provisionUser", tag = tag::ACCOUNTS, params(IdempotencyKey),
    request_body = NewAccount,
    responses(
        (status = CREATED, description = "The new account.", body = UserView),
        (status = OK, description = "The account that the external id names.", body = UserView),
        (status = CONFLICT, description = "the email is taken"),
    ),
)]
pub(crate) async fn provision(
    Holding { identity, .. }: Holding<UsersCreate>,
    Extract(state): Extract<State>,
    call: Result<Call, Problem>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let (external_id, email) = body::parse::<NewAccount>(&bytes)?.validate()?;
    let make = |turn: Turn| find_or_make(&state, turn, external_id, email);
    call?.once(&state, Some(identity.user), &bytes, make).await
}

async fn find_or_make(
    state: &State,
    turn: Turn,
    external_id: Option<String>,
    email: Option<Email>,
) -> Result<Ended, Problem> {
    let provision = Provision { id: UserId::new(Uuid::now_v7()), external_id, email, now: state.now() };
    let answer = Answer::json(StatusCode::CREATED, &UserView::from(provision.user()))?;
    let provisioned = state.store.provision(provision, turn.keeping(&answer)).await;
    let provisioned = provisioned.map_err(problems::of_store)?;
    if provisioned.created {
        return Ok(Ended::Changed(answer));
    }
    Ok(Ended::Unchanged(Answer::json(StatusCode::OK, &UserView::from(provisioned.user))?))
}

impl NewAccount {
    fn validate(self) -> Result<(Option<String>, Option<Email>), Violations> {
        let mut violations = Violations::none();
        if self.external_id.is_none() && self.email.is_none() {
            violations.push("externalId", "is required without an email");
            violations.push("email", "is required without an externalId");
        }
        if self.external_id.as_deref().is_some_and(|id| !is_external_id(id)) {
            violations.push("externalId", "must be 1 to 128 printable characters");
        }
        let email = self.email.and_then(|email| violations.check("email", email.parse::<Email>()));
        if violations.is_empty() { Ok((self.external_id, email)) } else { Err(violations) }
    }
}

fn is_external_id(id: &str) -> bool {
    !id.trim().is_empty() && id.chars().count() <= MAX_EXTERNAL_ID && !id.chars().any(char::is_control)
}

/// Read an account
///
/// Users read their own; those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}", operation_id = "readUser", tag = tag::ACCOUNTS, params(UserPath),
    responses(
        (status = OK, description = "The account.", body = UserView),
        (status = NOT_FOUND, description = "there is no such user"),
    ),
)]
pub(crate) async fn show(
    Own { user, .. }: Own<UsersReadAny>,
    Extract(state): Extract<State>,
) -> Result<Json<UserView>, Problem> {
    users::find(&state, user).await.map(Json)
}
