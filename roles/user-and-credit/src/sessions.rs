//! What a log-in begins, and how it goes on and ends: `/v1/auth/refresh`, `/v1/auth/logout`, `/v1/auth/logout-everywhere`.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::{Timestamp, UserId, Violations};
use ecs_store::{NewSession, Refresh, Refreshed, Rights};
use ecs_web::auth::RefreshToken;
use ecs_web::auth::policy::{Anyone, Bearer};
use ecs_web::openapi::tag;
use ecs_web::{Identity, JsonBody, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problems;
use crate::state::State;

/// How long after its exchange a token may come again: the answer may have been lost on its way.
const LEEWAY: Duration = Duration::from_secs(10);
/// The one text for every token that renews nothing: what is wrong with it is nobody's business.
const REFUSED: &str = "the refresh token doesn't hold: log in again";

/// What opens the other calls.
// It has no `Debug`: there are tokens in it.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({
    "access_token": "eyJhbGciOiJIUzI1NiJ9.…", "token_type": "bearer", "expires_in": 3600,
    "refresh_token": "ecsr_5f3a…", "refresh_expires_in": 2_592_000,
})))]
pub(crate) struct Token {
    /// Goes into `Authorization: Bearer …`.
    access_token: String,
    /// `bearer`
    token_type: &'static str,
    /// How long it is good, in seconds.
    expires_in: u64,
    /// Is exchanged for another answer like this one, once, at `/v1/auth/refresh`.
    refresh_token: String,
    /// When the session ends, in seconds from now, however often it is refreshed.
    refresh_expires_in: u64,
    /// Only of a log-in: send it with the next one from this device. It opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    device_token: Option<String>,
}

impl Token {
    /// The same, for a device that is to be known by this token.
    pub(crate) fn for_device(self, device_token: String) -> Self {
        Self { device_token: Some(device_token), ..self }
    }
}

/// Who wants to go on, or to end it.
// It has no `Debug`: there is a token in it.
#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshToken, examples(json!({"refresh_token": "ecsr_5f3a9c…"})))]
pub(crate) struct Presented {
    /// The newest refresh token of the session.
    #[schema(value_type = String)]
    refresh_token: Option<String>,
}

impl Presented {
    /// What the token tells; `None` when it was made up.
    fn read(self, state: &State) -> Result<Option<RefreshToken>, Violations> {
        let mut violations = Violations::none();
        let token = violations.require("refresh_token", self.refresh_token);
        token.map(|token| state.refresh_tokens().read(&token)).ok_or(violations)
    }
}

/// Begins a session of a user whose password was verified with this hash. `None` when it has another one by now.
pub(crate) async fn begin(
    state: &State,
    user: UserId,
    password_hash: String,
) -> Result<Option<Token>, Problem> {
    let now = state.now();
    let expires_at = now.saturating_add(state.session_lifetime).unwrap_or(now);
    let first = RefreshToken { session: Uuid::now_v7(), number: 0 };
    let session = NewSession { id: first.session, user, password_hash, now, expires_at };
    let rights = state.store.begin_session(session).await.map_err(problems::of_store)?;
    rights.map(|rights| tokens(state, user, first, now, expires_at, &rights)).transpose()
}

/// What a session's owner gets at `now`: no access token outlives the session.
fn tokens(
    state: &State,
    user: UserId,
    refresh_token: RefreshToken,
    now: Timestamp,
    expires_at: Timestamp,
    rights: &Rights,
) -> Result<Token, Problem> {
    let left = Duration::try_from(expires_at.duration_since(now)).unwrap_or_default();
    let lifetime = state.token_lifetime.min(left);
    let (version, session) = (rights.version, Some(refresh_token.session));
    let identity = Identity { version, session, ..Identity::with(user, rights.access.held()) };
    let issued = state.auth.tokens.issue(&identity, now, lifetime);
    Ok(Token {
        access_token: issued.map_err(|error| Problem::internal(&error))?,
        token_type: "bearer",
        expires_in: lifetime.as_secs(),
        refresh_token: state.refresh_tokens().make(refresh_token),
        refresh_expires_in: left.as_secs(),
        device_token: None,
    })
}

/// Refresh a session
///
/// Exchanges a refresh token for a new access token and the next refresh token. Each holds for one exchange: one that comes again
/// after ten seconds, or after its successor has come, was copied, and ends the session for whoever has it. Until then it gets the same
/// successor again, should the answer be lost.
#[utoipa::path(
    post, path = "/v1/auth/refresh", operation_id = "refreshSession", tag = tag::ACCOUNTS, request_body = Presented,
    responses(
        (status = OK, description = "The next tokens.", body = Token),
        (status = UNAUTHORIZED, description = "the refresh token doesn't hold: log in again"),
    ),
)]
pub(crate) async fn refresh(
    _: Anyone,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Presented>,
) -> Result<Json<Token>, Problem> {
    let refused = || Problem::unauthorized(REFUSED);
    let RefreshToken { session, number } = body.read(&state)?.ok_or_else(refused)?;
    let now = state.now();
    let refresh = Refresh { session, number, now, leeway: LEEWAY };
    match state.store.refresh_session(refresh).await.map_err(problems::of_store)? {
        Refreshed::Renewed { user, expires_at, number, rights } => {
            tokens(&state, user, RefreshToken { session, number }, now, expires_at, &rights).map(Json)
        }
        Refreshed::Reused { user } => {
            state.auth.changes.hurry();
            tracing::warn!(user_id = %user, "a refresh token came again: its session has ended");
            Err(refused())
        }
        Refreshed::Ended | Refreshed::Unknown => Err(refused()),
    }
}

/// Log out
///
/// Ends the session that the refresh token belongs to. Access tokens that were given out in it hold for five seconds more at most.
#[utoipa::path(
    post, path = "/v1/auth/logout", operation_id = "logOut", tag = tag::ACCOUNTS, request_body = Presented,
    responses((status = NO_CONTENT, description = "The session has ended, or there was none.")),
)]
pub(crate) async fn log_out(
    _: Anyone,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Presented>,
) -> Result<StatusCode, Problem> {
    if let Some(RefreshToken { session, .. }) = body.read(&state)? {
        state.store.end_session(session, state.now()).await.map_err(problems::of_store)?;
        state.auth.changes.hurry();
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Log out everywhere
///
/// Ends all sessions of the token's user. Access tokens that were given out before hold for five seconds more at most.
#[utoipa::path(
    post, path = "/v1/auth/logout-everywhere", operation_id = "logOutEverywhere", tag = tag::ACCOUNTS,
    responses((status = NO_CONTENT, description = "No session of the user is left.")),
)]
pub(crate) async fn log_out_everywhere(
    Bearer(identity): Bearer,
    Extract(state): Extract<State>,
) -> Result<StatusCode, Problem> {
    let ended = state.store.end_sessions(identity.user, state.now()).await.map_err(problems::of_store)?;
    state.auth.changes.hurry();
    tracing::info!(user_id = %identity.user, sessions = ended, "logged out everywhere");
    Ok(StatusCode::NO_CONTENT)
}
