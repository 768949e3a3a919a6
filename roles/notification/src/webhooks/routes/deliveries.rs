//! What became of sending, and sending once more.

use axum::Json;
use axum::extract::State;
use ecs_domain::NotificationId;
use ecs_store::{PageRequest, Resent};
use ecs_web::openapi::{Id, PageQuery, UserPath, tag};
use ecs_web::params::{Page, PathParams};
use ecs_web::{Identity, Problem};
use http::StatusCode;

use super::shapes::{Deliveries, DeliveryView};
use super::{own_of, read_of, unknown, webhook_of};
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
    security(("bearer" = [])),
    responses(
        (status = OK, description = "A page of deliveries.", body = Deliveries),
        (status = FORBIDDEN, description = "the user is not the token's"),
        (status = NOT_FOUND, description = "there is no such webhook of this user"),
    ),
)]
pub(super) async fn list(
    State(hooks): State<Hooks>,
    identity: Identity,
    path: PathParams,
    page: Result<Page, Problem>,
) -> Result<Json<Deliveries>, Problem> {
    let (user, id) = (read_of(&identity, &path)?, webhook_of(&path)?);
    let Page { page, page_size } = page?;
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
    security(("bearer" = [])),
    responses(
        (status = ACCEPTED, description = "The delivery, which is due.", body = DeliveryView),
        (status = FORBIDDEN, description = "webhooks are set up in person"),
        (status = NOT_FOUND, description = "there is no such delivery of this webhook"),
        (status = CONFLICT, description = "the webhook is disabled"),
    ),
)]
pub(super) async fn resend(
    State(hooks): State<Hooks>,
    identity: Identity,
    path: PathParams,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    let (user, id) = (own_of(&identity, &path)?, webhook_of(&path)?);
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
