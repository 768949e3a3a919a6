//! What became of sending, and sending once more.

use axum::Json;
use axum::extract::State;
use ecs_domain::NotificationId;
use ecs_domain::permission::held::UsersReadAny;
use ecs_store::{PageRequest, Resent};
use ecs_web::Problem;
use ecs_web::auth::policy::{InPerson, Own};
use ecs_web::openapi::{Id, PageQuery, UserPath, tag};
use ecs_web::params::{Page, PathParams};
use http::StatusCode;

use super::shapes::{Deliveries, DeliveryView};
use super::{unknown, webhook_of};
use crate::item::problem;
use crate::webhooks::Hooks;

/// List a webhook's deliveries
///
/// The newest first, each with its newest attempts. Those that came to an end are listed for 30 days. Users read their own; those with
/// `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/webhooks/{webhook_id}/deliveries", operation_id = "listWebhookDeliveries",
    tag = tag::NOTIFICATIONS,
    params(UserPath, ("webhook_id" = Id, Path, description = "Which webhook."), PageQuery),
    responses(
        (status = OK, description = "A page of deliveries.", body = Deliveries),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn list(
    Own { user, .. }: Own<UsersReadAny>,
    State(hooks): State<Hooks>,
    path: PathParams,
    Page { page, page_size }: Page,
) -> Result<Json<Deliveries>, Problem> {
    let id = webhook_of(&path)?;
    let found = hooks.store.deliveries(user, id, PageRequest { page, page_size }).await;
    let found = found.map_err(|error| problem(&error))?.ok_or_else(unknown)?;
    let items = found.items.into_iter().map(DeliveryView::from).collect();
    Ok(Json(Deliveries { total: found.total, page, page_size, items }))
}

/// Send a notification once more
///
/// In person. It is attempted at once, under the same `webhook-id`, whatever became of it before. One that is being attempted stays
/// as it is.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
    operation_id = "resendWebhookDelivery", tag = tag::NOTIFICATIONS,
    params(
        UserPath,
        ("webhook_id" = Id, Path, description = "Which webhook."),
        ("delivery_id" = Id, Path, description = "Which delivery: the notification's id."),
    ),
    responses(
        (status = ACCEPTED, description = "The delivery, which is due.", body = DeliveryView),
        (status = NOT_FOUND, description = "there is no such delivery of this webhook"),
        (status = CONFLICT, description = "the webhook is disabled"),
    ),
)]
pub(super) async fn resend(
    InPerson(user): InPerson,
    State(hooks): State<Hooks>,
    path: PathParams,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    let id = webhook_of(&path)?;
    let delivery: NotificationId = path.id("delivery_id")?;
    let resent = hooks.store.resend_delivery(user, id, delivery, hooks.clock.now()).await;
    match resent.map_err(|error| problem(&error))? {
        Resent::Due(delivery) => {
            hooks.wake.wake();
            Ok((StatusCode::ACCEPTED, Json(delivery.into())))
        }
        Resent::Disabled => Err(Problem::conflict("the webhook is disabled")),
        Resent::Unknown => Err(Problem::not_found("there is no such delivery of this webhook")),
    }
}
