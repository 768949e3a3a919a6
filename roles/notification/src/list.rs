//! `GET /v1/users/{user_id}/notifications`: what the customer was told, newest first.

use axum::Json;
use axum::extract::State;
use ecs_domain::permission::held::UsersReadAny;
use ecs_store::PageRequest;
use ecs_web::Problem;
use ecs_web::auth::policy::Own;
use ecs_web::openapi::{PageQuery, UserPath, tag};
use ecs_web::params::Page;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Serving;
use crate::item::{Item, problem};

/// A page of notifications.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationPage, examples(json!({
    "total": 7, "unread": 1, "page": 1, "page_size": 1,
    "items": [{
        "id": "5b3f1c52-8f0e-5c5b-9b43-0a4a6d1f2e77", "sequence": 7, "type": "CREDIT_LIMIT_APPLIED",
        "title": "Your credit limit is active",
        "message": "A credit limit of 5000.00 at 14.25 % per year is now available to you.",
        "offer_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "created_at": "2026-11-20T14:30:00Z", "read_at": null
    }]
})))]
pub(crate) struct Notifications {
    /// How many there are in all.
    total: u64,
    /// How many of them all are unread, on whichever page they stand.
    unread: u64,
    /// Which page this is, from 1.
    page: u32,
    /// How many items a page has.
    page_size: u32,
    /// The notifications of this page, the newest first.
    items: Vec<Item>,
}

/// List notifications
///
/// What the customer was told, the newest first. Customers read their own; those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/notifications", operation_id = "listNotifications", tag = tag::NOTIFICATIONS,
    params(UserPath, PageQuery),
    responses(
        (status = OK, description = "A page of notifications.", body = Notifications),
    ),
)]
pub(crate) async fn list(
    Own { user, .. }: Own<UsersReadAny>,
    State(serving): State<Serving>,
    Page { page, page_size }: Page,
) -> Result<Json<Notifications>, Problem> {
    let found = serving.store.notifications(user, PageRequest { page, page_size }).await;
    let found = found.map_err(|error| problem(&error))?;
    let items = found.items.into_iter().map(Item::from).collect();
    Ok(Json(Notifications { total: found.total, unread: found.unread, page, page_size, items }))
}
