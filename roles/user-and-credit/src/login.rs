//! `POST /v1/auth/login`

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::{Email, Violations};
use ecs_web::openapi::tag;
use ecs_web::{Identity, JsonBody, Problem, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problems;
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

/// What opens the other calls.
// It has no `Debug`: there is a token in it.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"access_token": "eyJhbGciOiJIUzI1NiJ9.…", "token_type": "bearer", "expires_in": 3600})))]
pub(crate) struct Token {
    /// Goes into `Authorization: Bearer …`.
    access_token: String,
    /// `bearer`
    token_type: &'static str,
    /// How long it is good, in seconds.
    expires_in: u64,
}

/// Log in
///
/// A wrong password and an unknown address are answered alike.
#[utoipa::path(
    post, path = "/v1/auth/login", operation_id = "logIn", tag = tag::ACCOUNTS, request_body = Credentials,
    responses(
        (status = OK, description = "A token.", body = Token),
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
    let verified = state.passwords().verify(password, hash).await?;
    let user = user.filter(|_| verified).ok_or_else(|| Problem::unauthorized(REFUSED))?;
    let token = state
        .auth
        .tokens
        .issue(&Identity::of(user), state.now(), state.token_lifetime)
        .map_err(|error| Problem::internal(&error))?;
    Ok(Json(Token { access_token: token, token_type: "bearer", expires_in: state.token_lifetime.as_secs() }))
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
