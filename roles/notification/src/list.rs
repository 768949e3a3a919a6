//! `GET /v1/users/{user_id}/notifications`: what the customer was told, newest first.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::Permission;
use ecs_domain::{NotificationId, OfferId, Timestamp, UserId};
use ecs_store::{PageRequest, StoreError, StoredNotification};
use ecs_web::params::{Page, PathParams};
use ecs_web::{Identity, Problem};
use serde::Serialize;

use crate::Reading;

/// A page of notifications.
#[derive(Serialize)]
pub(crate) struct Notifications {
    total: u64,
    page: u32,
    page_size: u32,
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    id: NotificationId,
    sequence: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    message: String,
    offer_id: OfferId,
    created_at: Timestamp,
}

/// Customers read their own; those with `users:read-any` read everybody's.
pub(crate) async fn list(
    State(reading): State<Reading>,
    identity: Identity,
    path: PathParams,
    page: Result<Page, Problem>,
) -> Result<Json<Notifications>, Problem> {
    let user: UserId = path.id("user_id")?;
    identity.require_user(user, Permission::UsersReadAny)?;
    let Page { page, page_size } = page?;
    let found = reading
        .store
        .notifications(user, PageRequest { page, page_size })
        .await
        .map_err(|error| problem(&error))?;
    let items = found.items.into_iter().map(Item::from).collect();
    Ok(Json(Notifications { total: found.total, page, page_size, items }))
}

fn problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(reason) => {
            tracing::warn!(reason, "notifications can't be read");
            Problem::unavailable("store", Duration::from_secs(1))
        }
        StoreError::Taken(_) | StoreError::Corrupt(_) => Problem::internal(error),
    }
}

impl From<StoredNotification> for Item {
    fn from(StoredNotification { sequence, notification, .. }: StoredNotification) -> Self {
        Self {
            id: notification.id,
            sequence,
            kind: notification.kind.as_str(),
            title: notification.title,
            message: notification.message,
            offer_id: notification.offer,
            created_at: notification.created_at,
        }
    }
}
