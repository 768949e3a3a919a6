//! Listing, adding, showing and removing webhooks.

use axum::Json;
use axum::extract::State;
use ecs_domain::WebhookId;
use ecs_store::{AddedWebhook, NewWebhook};
use ecs_web::openapi::{Id, UserPath, tag};
use ecs_web::params::PathParams;
use ecs_web::{Identity, JsonBody, Problem};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::{WebhookList, WebhookView, WithSecret};
use super::{MOST, address, own_of, read_of, unknown, webhook_of};
use crate::item::problem;
use crate::webhooks::Hooks;
use crate::webhooks::signature::SigningSecret;

/// Where notifications shall be sent to.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewWebhook, examples(json!({"url": "https://hooks.example/ecs"})))]
pub(super) struct NewUrl {
    /// An `https://` address of the public internet, without a user and a fragment.
    #[schema(value_type = String, format = "uri", max_length = 2048)]
    url: Option<String>,
}

/// List webhooks
///
/// Users read their own; those with `users:read-any` read everybody's. Secrets are not told.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/webhooks", operation_id = "listWebhooks", tag = tag::NOTIFICATIONS,
    params(UserPath), security(("bearer" = [])),
    responses(
        (status = OK, description = "The user's webhooks.", body = WebhookList),
        (status = FORBIDDEN, description = "the user is not the token's"),
    ),
)]
pub(super) async fn list(
    State(hooks): State<Hooks>,
    identity: Identity,
    path: PathParams,
) -> Result<Json<WebhookList>, Problem> {
    let user = read_of(&identity, &path)?;
    let found = hooks.store.webhooks(user).await.map_err(|error| problem(&error))?;
    Ok(Json(WebhookList { items: found.into_iter().map(WebhookView::from).collect() }))
}

/// Add a webhook
///
/// In person. Every notification from now on is sent there, signed as Standard Webhooks has it with the secret of this answer, which
/// nobody can read again.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/webhooks", operation_id = "addWebhook", tag = tag::NOTIFICATIONS,
    params(UserPath), security(("bearer" = [])), request_body = NewUrl,
    responses(
        (status = CREATED, description = "The webhook, and its secret.", body = WithSecret),
        (status = FORBIDDEN, description = "webhooks are set up in person"),
        (status = NOT_FOUND, description = "there is no such account"),
        (status = CONFLICT, description = "a user may have five webhooks"),
    ),
)]
pub(super) async fn add(
    State(hooks): State<Hooks>,
    identity: Identity,
    path: PathParams,
    body: Result<JsonBody<NewUrl>, Problem>,
) -> Result<(StatusCode, Json<WithSecret>), Problem> {
    let user = own_of(&identity, &path)?;
    let JsonBody(NewUrl { url }) = body?;
    let at = address(url.as_deref(), hooks.reach)?;
    let id = WebhookId::new(Uuid::now_v7());
    let secret = SigningSecret::generate().map_err(|error| Problem::internal(&error))?;
    let sealed = hooks.secrets.seal(id, &secret).map_err(|error| Problem::internal(&error))?;
    let new = NewWebhook { id, user, at, secret: sealed, now: hooks.clock.now() };
    match hooks.store.add_webhook(new, MOST).await.map_err(|error| problem(&error))? {
        AddedWebhook::Added(webhook) => {
            tracing::info!(webhook = %id, "a webhook was added");
            let told = WithSecret { webhook: (*webhook).into(), secret: secret.text() };
            Ok((StatusCode::CREATED, Json(told)))
        }
        AddedWebhook::TooMany => Err(Problem::conflict("a user may have five webhooks")),
        AddedWebhook::UnknownUser => Err(Problem::not_found("there is no such account")),
    }
}

/// Read a webhook
///
/// Users read their own; those with `users:read-any` read everybody's. The secret is not told.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/webhooks/{webhook_id}", operation_id = "readWebhook",
    tag = tag::NOTIFICATIONS,
    params(UserPath, ("webhook_id" = Id, Path, description = "Which webhook.")), security(("bearer" = [])),
    responses(
        (status = OK, description = "The webhook.", body = WebhookView),
        (status = FORBIDDEN, description = "the user is not the token's"),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn show(
    State(hooks): State<Hooks>,
    identity: Identity,
    path: PathParams,
) -> Result<Json<WebhookView>, Problem> {
    let (user, id) = (read_of(&identity, &path)?, webhook_of(&path)?);
    let found = hooks.store.webhook(user, id).await.map_err(|error| problem(&error))?;
    found.map(|webhook| Json(webhook.into())).ok_or_else(unknown)
}

/// Remove a webhook
///
/// In person. Its deliveries go with it, also those that are pending.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}/webhooks/{webhook_id}", operation_id = "removeWebhook",
    tag = tag::NOTIFICATIONS,
    params(UserPath, ("webhook_id" = Id, Path, description = "Which webhook.")), security(("bearer" = [])),
    responses(
        (status = NO_CONTENT, description = "It is gone."),
        (status = FORBIDDEN, description = "webhooks are set up in person"),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn remove(
    State(hooks): State<Hooks>,
    identity: Identity,
    path: PathParams,
) -> Result<StatusCode, Problem> {
    let (user, id) = (own_of(&identity, &path)?, webhook_of(&path)?);
    let removed = hooks.store.remove_webhook(user, id).await.map_err(|error| problem(&error))?;
    if !removed {
        return Err(unknown());
    }
    tracing::info!(webhook = %id, "a webhook was removed");
    Ok(StatusCode::NO_CONTENT)
}
