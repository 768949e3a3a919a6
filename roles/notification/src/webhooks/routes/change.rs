//! Changing a webhook, and its secret.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ecs_store::{WebhookChange, WebhookRotation};
use ecs_web::auth::policy::InPerson;
use ecs_web::openapi::{Id, UserPath, tag};
use ecs_web::params::PathParams;
use ecs_web::{JsonBody, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::shapes::{WebhookView, WithSecret};
use super::{address, unknown, webhook_of};
use crate::item::problem;
use crate::webhooks::Hooks;
use crate::webhooks::signature::SigningSecret;

/// For how long a secret that was replaced signs, too: until its receiver has the new one.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// What shall be different; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = WebhookChange, examples(json!({"enabled": true})))]
pub(super) struct Wanted {
    /// Where notifications are sent to from now on, those that are pending included.
    #[schema(value_type = Option<String>, format = "uri", max_length = 2048)]
    url: Option<String>,
    /// Whether anything is sent there. What was missed while nothing was is not made up for by itself: resend it.
    enabled: Option<bool>,
}

/// Change a webhook
///
/// In person. One that was disabled is enabled like this, too. Disabling gives up what is pending.
#[utoipa::path(
    patch, path = "/v1/users/{user_id}/webhooks/{webhook_id}", operation_id = "changeWebhook",
    tag = tag::NOTIFICATIONS,
    params(UserPath, ("webhook_id" = Id, Path, description = "Which webhook.")),
    request_body = Wanted,
    responses(
        (status = OK, description = "The webhook as it is now.", body = WebhookView),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn change(
    InPerson(user): InPerson,
    State(hooks): State<Hooks>,
    path: PathParams,
    JsonBody(Wanted { url, enabled }): JsonBody<Wanted>,
) -> Result<Json<WebhookView>, Problem> {
    let id = webhook_of(&path)?;
    let at = url.map(|url| address(Some(&url), &hooks.guard)).transpose()?;
    let change = WebhookChange { id, user, at, enabled, now: hooks.clock.now() };
    let changed = hooks.store.change_webhook(change).await.map_err(|error| problem(&error))?;
    changed.map(|webhook| Json(webhook.into())).ok_or_else(unknown)
}

/// Replace a webhook's secret
///
/// In person. For a day deliveries are signed with both secrets, the new one first. The one before the last change signs no longer.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/webhooks/{webhook_id}/rotate-secret", operation_id = "rotateWebhookSecret",
    tag = tag::NOTIFICATIONS,
    params(UserPath, ("webhook_id" = Id, Path, description = "Which webhook.")),
    responses(
        (status = OK, description = "The webhook, and its new secret.", body = WithSecret),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn rotate(
    InPerson(user): InPerson,
    State(hooks): State<Hooks>,
    path: PathParams,
) -> Result<Json<WithSecret>, Problem> {
    let id = webhook_of(&path)?;
    let secret = SigningSecret::generate().map_err(|error| Problem::internal(&error))?;
    let sealed = hooks.secrets.seal(id, &secret).map_err(|error| Problem::internal(&error))?;
    let previous_until = hooks.clock.now() + OVERLAP;
    let rotation = WebhookRotation { id, user, secret: sealed, previous_until };
    let rotated = hooks.store.rotate_webhook(rotation).await.map_err(|error| problem(&error))?;
    let webhook = rotated.ok_or_else(unknown)?;
    tracing::info!(webhook = %id, "the secret of a webhook was replaced");
    Ok(Json(WithSecret { webhook: webhook.into(), secret: secret.text() }))
}
