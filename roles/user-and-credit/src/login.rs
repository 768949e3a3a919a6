//! `POST /v1/auth/login`

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::{Email, UserId, Violations};
use ecs_store::PasswordChange;
use ecs_web::openapi::tag;
use ecs_web::{JsonBody, Problem, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problems;
use crate::sessions::{self, Token};
use crate::state::State;

/// The one text for a wrong password and for an address that nobody has, or that none could have.
const REFUSED: &str = "the e-mail address and the password don't belong together";

/// Who logs in.
// It has no `Debug`: there is a password in it.
#[derive(Deserialize, ToSchema)]
#[schema(as = Login, examples(json!({"email": "ana@example.com", "password": "correct horse battery"})))]
pub(crate) struct Credentials {
    /// The address, whose case doesn't matter.
    #[schema(value_type = String)]
    email: Option<String>,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Option<String>,
}

/// Log in
///
/// A wrong password and an unknown address are answered alike.
#[utoipa::path(
    post, path = "/v1/auth/login", operation_id = "logIn", tag = tag::ACCOUNTS, request_body = Credentials,
    responses(
        (status = OK, description = "Tokens of a new session.", body = Token),
        (status = UNAUTHORIZED, description = "the e-mail address and the password don't belong together"),
    ),
)]
// Answers an unknown address like a wrong password: the same text after the same work.
pub(crate) async fn login(
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Credentials>,
) -> Result<Json<Token>, Problem> {
    let (email, password) = body.validate()?;
    let credentials = match email.parse::<Email>() {
        Ok(email) => state.store.credentials(&email).await.map_err(problems::of_store)?,
        Err(_) => None,
    };
    let (user, hash) = credentials.map(|known| (known.user, known.password_hash)).unzip();
    let verified = state.passwords().verify(password.clone(), hash.clone()).await?;
    let user = user.filter(|_| verified).ok_or_else(|| Problem::unauthorized(REFUSED))?;
    if let Some(hash) = hash.filter(|hash| state.passwords().is_outdated(hash)) {
        rehash(&state, user, password, hash).await;
    }
    Ok(Json(sessions::begin(&state, user).await?))
}

/// Hashes the password anew, at the cost of today. It is only here that it can be: nobody else knows it. When that fails the log-in goes
/// on, and the next one tries again.
async fn rehash(state: &State, user: UserId, password: Secret, from: String) {
    let Ok(to) = state.passwords().hash(password).await else { return };
    let change = PasswordChange { user, from, to, now: state.now(), ends_sessions: false };
    match state.store.replace_password(change).await {
        Ok(_) => tracing::info!(user_id = %user, "hashed the password anew"),
        Err(error) => tracing::warn!(user_id = %user, %error, "the password is not hashed anew"),
    }
}

impl Credentials {
    fn validate(self) -> Result<(String, Secret), Violations> {
        let mut violations = Violations::none();
        let email = violations.require("email", self.email);
        let password = violations.require("password", self.password);
        match (email, password) {
            (Some(email), Some(password)) => Ok((email, Secret::new(password))),
            _ => Err(violations),
        }
    }
}
