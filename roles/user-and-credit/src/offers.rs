//! `GET /v1/users/{user_id}/offers`

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::offer::Offer;
use ecs_domain::permission::held::UsersReadAny;
use ecs_domain::{Money, OfferId, Rate, Timestamp};
use ecs_store::PageRequest;
use ecs_web::Problem;
use ecs_web::auth::policy::Own;
use ecs_web::openapi::{Id, Instant, PageQuery, UserPath, tag};
use ecs_web::params::Page;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;
use crate::{problems, users, words};

/// A page of offers.
#[derive(Serialize, ToSchema)]
#[schema(as = OfferPage, examples(json!({
    "total": 1, "page": 1, "page_size": 10,
    "items": [{
        "offer_id": "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e", "status": "offered", "credit_limit": 5000.00,
        "interest_rate": 19.50, "credit_type": "LONG_TERM", "created_at": "2026-11-20T14:30:00Z",
        "expires_at": "2026-11-27T14:30:00Z"
    }]
})))]
pub(crate) struct OffersPage {
    /// How many there are in all.
    total: u64,
    /// Which page this is, from 1.
    page: u32,
    /// How many items a page has.
    page_size: u32,
    /// The offers of this page, the newest first.
    items: Vec<ListedOffer>,
}

/// An offer as it stands now.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedOffer {
    /// Its id.
    #[schema(value_type = Id)]
    offer_id: OfferId,
    /// Where it stands.
    #[schema(schema_with = words::statuses)]
    status: &'static str,
    /// How much may be drawn.
    #[schema(value_type = words::Money)]
    credit_limit: Money,
    /// Percent per year.
    #[schema(value_type = words::Rate)]
    interest_rate: Rate,
    /// For how long.
    #[schema(schema_with = words::credit_types)]
    credit_type: &'static str,
    /// When it was made.
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    /// Until when it can be accepted.
    #[schema(value_type = Instant)]
    expires_at: Timestamp,
}

impl ListedOffer {
    /// As the offer stands now: an open one past its time is expired, whether or not its row says so yet.
    pub(crate) fn new(offer: &Offer, now: Timestamp) -> Self {
        Self {
            offer_id: offer.id,
            status: offer.status_at(now).as_str(),
            credit_limit: offer.terms.credit_limit,
            interest_rate: offer.terms.interest_rate,
            credit_type: offer.terms.credit_type.as_str(),
            created_at: offer.created_at,
            expires_at: offer.expires_at,
        }
    }
}

/// List offers
///
/// A user's offers, the newest first. Users read their own; those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/offers", operation_id = "listOffers", tag = tag::CREDIT,
    params(UserPath, PageQuery),
    responses(
        (status = OK, description = "A page of offers.", body = OffersPage),
        (status = NOT_FOUND, description = "there is no such user"),
    ),
)]
pub(crate) async fn list(
    Own { user, .. }: Own<UsersReadAny>,
    Page { page, page_size }: Page,
    Extract(state): Extract<State>,
) -> Result<Json<OffersPage>, Problem> {
    users::find(&state, user).await?;
    let found =
        state.store.offers(user, PageRequest { page, page_size }).await.map_err(problems::of_store)?;
    let now = state.now();
    let items = found.items.iter().map(|offer| ListedOffer::new(offer, now)).collect();
    Ok(Json(OffersPage { total: found.total, page, page_size, items }))
}
