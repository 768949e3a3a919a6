//! `POST /v1/auth/login`

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::{Email, UserId, Violations};
use ecs_store::{Credentials as KnownCredentials, PasswordChange};
use ecs_web::auth::DeviceToken;
use ecs_web::auth::policy::Anyone;
use ecs_web::openapi::tag;
use ecs_web::problem::Code;
use ecs_web::{JsonBody, Problem, Secret};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problems;
use crate::sessions::{self, Token};
use crate::state::State;

/// The one text for a wrong password and for an address that nobody has, or that none could have.
const REFUSED: &str = "the e-mail address and the password don't belong together";

/// A password may be hashed anew, or changed, while it is verified: then the log-in is done again, with the hash of now.
const ATTEMPTS: usize = 2;

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
    /// From an earlier log-in on this device: then guesses made elsewhere don't lock it out. One that doesn't hold is ignored.
    device_token: Option<String>,
}

/// The same, as far as it must be there.
struct Named {
    email: String,
    password: Secret,
    device_token: Option<String>,
}

/// Log in
///
/// A wrong password and an unknown address are answered alike. After ten wrong attempts from devices without a device token, or five
/// from one with it, there is another each time a part of a quarter of an hour has passed.
#[utoipa::path(
    post, path = "/v1/auth/login", operation_id = "logIn", tag = tag::ACCOUNTS, request_body = Credentials,
    responses(
        (status = OK, description = "Tokens of a new session.", body = Token),
        (status = UNAUTHORIZED, description = "the e-mail address and the password don't belong together"),
    ),
)]
// Answers an unknown address like a wrong password: the same text after the same work.
pub(crate) async fn login(
    _: Anyone,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Credentials>,
) -> Result<Json<Token>, Problem> {
    let Named { email: name, password, device_token } = body.validate()?;
    let email = name.parse().ok();
    let known = find(&state, email.as_ref()).await?;
    let device = device_token.and_then(|token| state.device_tokens().read(&token, state.now()));
    let device = device.filter(|device| known.as_ref().is_some_and(|known| known.user == device.user));
    let guess = state.guesses().log_in(&name, device)?;
    let begun = begin(&state, email.as_ref(), known, &password).await;
    let (user, token) = guess.judge(begun, Code::Unauthorized)?;
    let device = device.map_or_else(Uuid::new_v4, |device| device.device);
    let device_token = state.device_tokens().make(DeviceToken { user, device }, state.now());
    Ok(Json(token.for_device(device_token)))
}

/// A session of whoever has this address and this password.
async fn begin(
    state: &State,
    email: Option<&Email>,
    mut known: Option<KnownCredentials>,
    password: &Secret,
) -> Result<(UserId, Token), Problem> {
    for _ in 0..ATTEMPTS {
        let (user, hash) = verify(state, known, password).await?;
        let hash = up_to_date(state, user, password, hash).await;
        if let Some(token) = sessions::begin(state, user, hash).await? {
            return Ok((user, token));
        }
        known = find(state, email).await?;
    }
    Err(Problem::unauthorized(REFUSED))
}

async fn find(state: &State, email: Option<&Email>) -> Result<Option<KnownCredentials>, Problem> {
    match email {
        Some(email) => state.store.credentials(email).await.map_err(problems::of_store),
        None => Ok(None),
    }
}

/// Who these credentials are of, when this is their password, and the hash that says so.
async fn verify(
    state: &State,
    known: Option<KnownCredentials>,
    password: &Secret,
) -> Result<(UserId, String), Problem> {
    let hash = known.as_ref().map(|known| known.password_hash.clone());
    let verified = state.passwords().verify(password.clone(), hash).await?;
    let known = known.filter(|_| verified).ok_or_else(|| Problem::unauthorized(REFUSED))?;
    Ok((known.user, known.password_hash))
}

/// The hash of a password that was verified, made anew where it has not the cost of today. It is only here that it can be: nobody else
/// knows the password. When that fails the log-in goes on, and the next one tries again.
async fn up_to_date(state: &State, user: UserId, password: &Secret, from: String) -> String {
    if !state.passwords().is_outdated(&from) {
        return from;
    }
    let Ok(to) = state.passwords().hash(password.clone()).await else { return from };
    let (now, ends_sessions) = (state.now(), false);
    let change = PasswordChange { user, from: from.clone(), to: to.clone(), now, ends_sessions };
    match state.replace_password(change).await {
        Ok(true) => {
            tracing::info!(user_id = %user, "hashed the password anew");
            to
        }
        // Whether it was replaced or not: the session that begins with this one finds out.
        Ok(false) | Err(_) => from,
    }
}

impl Credentials {
    fn validate(self) -> Result<Named, Violations> {
        let mut violations = Violations::none();
        let email = violations.require("email", self.email);
        let password = violations.require("password", self.password);
        match (email, password) {
            (Some(email), Some(password)) => {
                Ok(Named { email, password: Secret::new(password), device_token: self.device_token })
            }
            _ => Err(violations),
        }
    }
}
