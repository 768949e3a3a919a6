//! What a log-in begins, and how it goes on and ends: `/v1/auth/refresh`, `/v1/auth/logout`, `/v1/auth/logout-everywhere`.
//!
//! A refresh token is 32 random bytes, and the store knows no more of it than its SHA-256: there is nothing to guess, so a slow
//! hash would protect nothing.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::{Timestamp, UserId, Violations};
use ecs_store::{NewSession, Refresh, Refreshed, TokenHash};
use ecs_web::openapi::tag;
use ecs_web::{Identity, JsonBody, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problems;
use crate::state::State;

/// How long after its exchange a token may come again: the answer may have been lost on its way.
const LEEWAY: Duration = Duration::from_secs(10);
/// What refresh tokens begin with, so that scanners of leaked secrets know one when they see it.
const PREFIX: &str = "ecsr_";
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
    fn validate(self) -> Result<TokenHash, Violations> {
        let mut violations = Violations::none();
        let token = violations.require("refresh_token", self.refresh_token);
        token.map(|token| hash(&token)).ok_or(violations)
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

/// A token that was never there before.
fn new_token() -> Result<String, Problem> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Problem::internal(&error))?;
    let mut token = PREFIX.to_owned();
    for byte in random {
        // Writing to a string can't fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}

/// Begins a session of a user whose password was verified with this hash. `None` when it has another one by now.
pub(crate) async fn begin(
    state: &State,
    user: UserId,
    password_hash: String,
) -> Result<Option<Token>, Problem> {
    let (now, refresh_token) = (state.now(), new_token()?);
    let expires_at = now.saturating_add(state.session_lifetime).unwrap_or(now);
    let (id, token) = (Uuid::now_v7(), hash(&refresh_token));
    let session = NewSession { id, user, password_hash, token, now, expires_at };
    match state.store.begin_session(session).await.map_err(problems::of_store)? {
        true => tokens(state, user, refresh_token, now, expires_at).map(Some),
        false => Ok(None),
    }
}

/// What a session's owner gets at `now`: no access token outlives the session.
fn tokens(
    state: &State,
    user: UserId,
    refresh_token: String,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Token, Problem> {
    let left = Duration::try_from(expires_at.duration_since(now)).unwrap_or_default();
    let lifetime = state.token_lifetime.min(left);
    let issued = state.auth.tokens.issue(&Identity::of(user), now, lifetime);
    Ok(Token {
        access_token: issued.map_err(|error| Problem::internal(&error))?,
        token_type: "bearer",
        expires_in: lifetime.as_secs(),
        refresh_token,
        refresh_expires_in: left.as_secs(),
    })
}

/// Refresh a session
///
/// Exchanges a refresh token for a new access token and the next refresh token. Each holds for one exchange: one that comes again
/// after ten seconds was copied, and ends the session for whoever has it. Within these ten seconds it may be repeated, should the answer be lost.
#[utoipa::path(
    post, path = "/v1/auth/refresh", operation_id = "refreshSession", tag = tag::ACCOUNTS, request_body = Presented,
    responses(
        (status = OK, description = "The next tokens.", body = Token),
        (status = UNAUTHORIZED, description = "the refresh token doesn't hold: log in again"),
    ),
)]
pub(crate) async fn refresh(
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Presented>,
) -> Result<Json<Token>, Problem> {
    let (presented, next, now) = (body.validate()?, new_token()?, state.now());
    let refresh = Refresh { token: presented, successor: hash(&next), now, leeway: LEEWAY };
    match state.store.refresh_session(refresh).await.map_err(problems::of_store)? {
        Refreshed::Renewed { user, expires_at } => tokens(&state, user, next, now, expires_at).map(Json),
        Refreshed::Reused { user } => {
            tracing::warn!(user_id = %user, "a refresh token came again: its session has ended");
            Err(Problem::unauthorized(REFUSED))
        }
        Refreshed::Ended | Refreshed::Unknown => Err(Problem::unauthorized(REFUSED)),
    }
}

/// Log out
///
/// Ends the session that the refresh token belongs to. An access token that was given out before holds until it expires.
#[utoipa::path(
    post, path = "/v1/auth/logout", operation_id = "logOut", tag = tag::ACCOUNTS, request_body = Presented,
    responses((status = NO_CONTENT, description = "The session has ended, or there was none.")),
)]
pub(crate) async fn log_out(
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Presented>,
) -> Result<StatusCode, Problem> {
    let token = body.validate()?;
    state.store.end_session(&token, state.now()).await.map_err(problems::of_store)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Log out everywhere
///
/// Ends all sessions of the token's user. Access tokens that were given out before hold until they expire.
#[utoipa::path(
    post, path = "/v1/auth/logout-everywhere", operation_id = "logOutEverywhere", tag = tag::ACCOUNTS,
    security(("bearer" = [])),
    responses((status = NO_CONTENT, description = "No session of the user is left.")),
)]
pub(crate) async fn log_out_everywhere(
    Extract(state): Extract<State>,
    identity: Identity,
) -> Result<StatusCode, Problem> {
    let ended = state.store.end_sessions(identity.user, state.now()).await.map_err(problems::of_store)?;
    tracing::info!(user_id = %identity.user, sessions = ended, "logged out everywhere");
    Ok(StatusCode::NO_CONTENT)
}
