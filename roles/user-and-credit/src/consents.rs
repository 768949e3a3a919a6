//! `/v1/users/{user_id}/consents/{purpose}`: what a user says about the use of their data.
//!
//! Consent is read from the store at every turn and never cached. Giving or withdrawing it drops what is cached about the
//! user all the same, since features were loaded under what held before.

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::consent::{Consent, Purpose};
use ecs_domain::permission::held::UsersReadAny;
use ecs_domain::{Timestamp, UserId};
use ecs_web::Problem;
use ecs_web::auth::policy::{InPerson, Own};
use ecs_web::openapi::{Instant, UserPath, tag};
use ecs_web::params::PathParams;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;
use crate::{problems, users};

/// What holds for one purpose.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent, examples(json!({
    "purpose": "emotion-analysis", "granted": true, "updated_at": "2026-11-20T14:30:00Z"
})))]
pub(crate) struct ConsentView {
    /// What for.
    purpose: &'static str,
    /// Whether the data may be used: what the user said, else what silence means here.
    granted: bool,
    /// When the user said so; null while they have said nothing.
    #[schema(required, value_type = Option<Instant>)]
    updated_at: Option<Timestamp>,
}

/// Read a consent
///
/// Users read their own; those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/consents/{purpose}", operation_id = "readConsent", tag = tag::CONSENT,
    params(UserPath, ("purpose" = String, Path, description = "What for: `emotion-analysis`.")),
    responses(
        (status = OK, description = "What holds.", body = ConsentView),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn show(
    Own { user, .. }: Own<UsersReadAny>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<ConsentView>, Problem> {
    let purpose = purpose(&path)?;
    users::find(&state, user).await?;
    let said = state.store.consent(user, purpose).await.map_err(problems::of_store)?;
    Ok(Json(ConsentView {
        purpose: purpose.as_str(),
        granted: state.consent.allows(said.map(|consent| consent.granted)),
        updated_at: said.map(|consent| consent.updated_at),
    }))
}

/// Give consent
///
/// In person: nobody else can, whatever their token may do otherwise.
#[utoipa::path(
    put, path = "/v1/users/{user_id}/consents/{purpose}", operation_id = "giveConsent", tag = tag::CONSENT,
    params(UserPath, ("purpose" = String, Path, description = "What for: `emotion-analysis`.")),
    responses(
        (status = OK, description = "What holds from now on.", body = ConsentView),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn give(
    InPerson(user): InPerson,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<ConsentView>, Problem> {
    let (purpose, Consent { granted, updated_at }) = say(user, &path, &state, true).await?;
    Ok(Json(ConsentView { purpose: purpose.as_str(), granted, updated_at: Some(updated_at) }))
}

/// Withdraw consent
///
/// In person: nobody else can, whatever their token may do otherwise.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}/consents/{purpose}", operation_id = "withdrawConsent", tag = tag::CONSENT,
    params(UserPath, ("purpose" = String, Path, description = "What for: `emotion-analysis`.")),
    responses(
        (status = NO_CONTENT, description = "It is withdrawn."),
        (status = NOT_FOUND, description = "there is no such purpose"),
    ),
)]
pub(crate) async fn withdraw(
    InPerson(user): InPerson,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<StatusCode, Problem> {
    say(user, &path, &state, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn say(
    user: UserId,
    path: &PathParams,
    state: &State,
    granted: bool,
) -> Result<(Purpose, Consent), Problem> {
    let purpose = purpose(path)?;
    users::find(state, user).await?;
    let saying = State::clone(state);
    let consent = state.finisher.finish(async move {
        let said = saying.store.set_consent(user, purpose, granted, saying.now()).await;
        let consent = said.map_err(problems::of_store)?;
        saying.forget_cached(user).await;
        tracing::info!(user_id = %user, %purpose, granted, "consent changed");
        Ok::<Consent, Problem>(consent)
    });
    Ok((purpose, consent.await?))
}

fn purpose(path: &PathParams) -> Result<Purpose, Problem> {
    path.text("purpose").parse().map_err(|()| Problem::not_found("there is no such purpose"))
}
