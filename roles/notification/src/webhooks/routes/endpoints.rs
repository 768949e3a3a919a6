//! Listing, adding, showing and removing webhooks.

use axum::Json;
use axum::extract::State;
use ecs_domain::WebhookId;
use ecs_domain::permission::held::UsersReadAny;
use ecs_store::{AddedWebhook, NewWebhook};
use ecs_web::auth::policy::{InPerson, Own};
use ecs_web::openapi::{Id, UserPath, tag};
use ecs_web::params::PathParams;
use ecs_web::{JsonBody, Problem};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::{WebhookList, WebhookView, WithSecret};
use super::{MOST, address, unknown, webhook_of};
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
    params(UserPath),
    responses(
        (status = OK, description = "The user's webhooks.", body = WebhookList),
    ),
)]
pub(super) async fn list(
    Own { user, .. }: Own<UsersReadAny>,
    State(hooks): State<Hooks>,
) -> Result<Json<WebhookList>, Problem> {
    let found = hooks.store.webhooks(user).await.map_err(|error| problem(&error))?;
    Ok(Json(WebhookList { items: found.into_iter().map(WebhookView::from).collect() }))
}

/// Add a webhook
///
/// In person. Every notification from now on is sent there, signed as Standard Webhooks has it with the secret of this answer, which
/// nobody can read again.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/webhooks", operation_id = "addWebhook", tag = tag::NOTIFICATIONS,
    params(UserPath), request_body = NewUrl,
    responses(
        (status = CREATED, description = "The webhook, and its secret.", body = WithSecret),
        (status = NOT_FOUND, description = "there is no such account"),
        (status = CONFLICT, description = "a user may have five webhooks"),
    ),
)]
pub(super) async fn add(
    InPerson(user): InPerson,
    State(hooks): State<Hooks>,
    JsonBody(NewUrl { url }): JsonBody<NewUrl>,
) -> Result<(StatusCode, Json<WithSecret>), Problem> {
    let at = address(url.as_deref(), &hooks.guard)?;
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
    params(UserPath, ("webhook_id" = Id, Path, description = "Which webhook.")),
    responses(
        (status = OK, description = "The webhook.", body = WebhookView),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn show(
    Own { user, .. }: Own<UsersReadAny>,
    State(hooks): State<Hooks>,
    path: PathParams,
) -> Result<Json<WebhookView>, Problem> {
    let id = webhook_of(&path)?;
    let found = hooks.store.webhook(user, id).await.map_err(|error| problem(&error))?;
    found.map(|webhook| Json(webhook.into())).ok_or_else(unknown)
}

/// Remove a webhook
///
/// In person. Its deliveries go with it, also those that are pending.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}/webhooks/{webhook_id}", operation_id = "removeWebhook",
    tag = tag::NOTIFICATIONS,
    params(UserPath, ("webhook_id" = Id, Path, description = "Which webhook.")),
    responses(
        (status = NO_CONTENT, description = "It is gone."),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn remove(
    InPerson(user): InPerson,
    State(hooks): State<Hooks>,
    path: PathParams,
) -> Result<StatusCode, Problem> {
    let id = webhook_of(&path)?;
    let removed = hooks.store.remove_webhook(user, id).await.map_err(|error| problem(&error))?;
    if !removed {
        return Err(unknown());
    }
    tracing::info!(webhook = %id, "a webhook was removed");
    Ok(StatusCode::NO_CONTENT)
}
