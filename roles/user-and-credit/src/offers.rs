//! `GET /v1/users/{user_id}/offers`

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::offer::Offer;
use ecs_domain::permission::Permission;
use ecs_domain::{Money, OfferId, Rate, Timestamp};
use ecs_store::PageRequest;
use ecs_web::params::{Page, PathParams};
use ecs_web::{Identity, Problem};
use serde::Serialize;

use crate::state::State;
use crate::{problems, users};

/// A page of offers, newest first.
#[derive(Serialize)]
pub(crate) struct OffersPage {
    total: u64,
    page: u32,
    page_size: u32,
    items: Vec<ListedOffer>,
}

#[derive(Serialize)]
struct ListedOffer {
    offer_id: OfferId,
    status: &'static str,
    credit_limit: Money,
    interest_rate: Rate,
    credit_type: &'static str,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl ListedOffer {
    /// As the offer stands now: an open one past its time is expired, whether or not its row says so yet.
    fn new(offer: &Offer, now: Timestamp) -> Self {
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

pub(crate) async fn list(
    identity: Identity,
    path: PathParams,
    page: Result<Page, Problem>,
    Extract(state): Extract<State>,
) -> Result<Json<OffersPage>, Problem> {
    let user = path.id("user_id")?;
    identity.require_user(user, Permission::UsersReadAny)?;
    let Page { page, page_size } = page?;
    users::find(&state, user).await?;
    let found =
        state.store.offers(user, PageRequest { page, page_size }).await.map_err(problems::of_store)?;
    let now = state.now();
    let items = found.items.iter().map(|offer| ListedOffer::new(offer, now)).collect();
    Ok(Json(OffersPage { total: found.total, page, page_size, items }))
}
