//! Marking as read, which only the customer does: what somebody else has seen, the customer has not.

use axum::Json;
use axum::extract::State;
use ecs_domain::{NotificationId, Violation};
use ecs_store::MarkedRead;
use ecs_web::auth::policy::InPerson;
use ecs_web::openapi::{Id, UserPath, tag};
use ecs_web::params::PathParams;
use ecs_web::{JsonBody, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Serving;
use crate::item::{Item, problem};

/// Up to where the customer has read.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReadUpTo, examples(json!({"upTo": 7})))]
pub(crate) struct UpTo {
    /// The number of the last notification that was read. One beyond the last that there is means all of them.
    #[serde(rename = "upTo")]
    #[schema(value_type = u64, minimum = 1)]
    up_to: Option<u64>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = MarkedRead, examples(json!({"marked": 3, "unread": 0})))]
pub(crate) struct Marked {
    /// How many were unread until now.
    marked: u64,
    /// How many still are.
    unread: u64,
}

/// Mark one notification as read
///
/// Only the customer marks. Once a notification is read, the time of it stands, however often it is marked again.
#[utoipa::path(
    put, path = "/v1/users/{user_id}/notifications/{notification_id}/read", operation_id = "markNotificationRead",
    tag = tag::NOTIFICATIONS,
    params(UserPath, ("notification_id" = Id, Path, description = "Which notification.")),
    responses(
        (status = OK, description = "The notification, read.", body = Item),
        (status = NOT_FOUND, description = "there is no such notification of this user"),
    ),
)]
pub(crate) async fn one(
    InPerson(user): InPerson,
    State(serving): State<Serving>,
    path: PathParams,
) -> Result<Json<Item>, Problem> {
    let id: NotificationId = path.id("notification_id")?;
    let marked = serving.store.mark_notification_read(user, id, serving.auth.clock.now()).await;
    let item = marked.map_err(|error| problem(&error))?;
    item.map(|item| Json(Item::from(item)))
        .ok_or_else(|| Problem::not_found("there is no such notification of this user"))
}

/// Mark notifications as read up to a number
///
/// Only the customer marks. What was read before keeps its time, so the call may be repeated.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/notifications/read", operation_id = "markNotificationsRead",
    tag = tag::NOTIFICATIONS, params(UserPath), request_body = UpTo,
    responses(
        (status = OK, description = "All up to the number are read.", body = Marked),
    ),
)]
pub(crate) async fn up_to(
    InPerson(user): InPerson,
    State(serving): State<Serving>,
    JsonBody(UpTo { up_to }): JsonBody<UpTo>,
) -> Result<Json<Marked>, Problem> {
    let up_to = match up_to {
        None => Err("is required"),
        Some(0) => Err("must be at least 1"),
        // The document's numbers have 64 bits with a sign.
        Some(number) if i64::try_from(number).is_err() => Err("must be at most 9223372036854775807"),
        Some(number) => Ok(number),
    };
    let up_to = up_to.map_err(|message| Problem::invalid(Violation::new("upTo", message)))?;
    let marked = serving.store.mark_notifications_read(user, up_to, serving.auth.clock.now()).await;
    let MarkedRead { marked, unread } = marked.map_err(|error| problem(&error))?;
    Ok(Json(Marked { marked, unread }))
}
