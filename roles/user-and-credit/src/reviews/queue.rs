//! `GET /v1/reviews` and `POST /v1/reviews/{review_id}/claim`

use axum::Json;
use axum::extract::State as Extract;
use ecs_domain::permission::held::{ReviewsDecide, ReviewsRead};
use ecs_domain::review::ReviewState;
use ecs_domain::{Violation, Violations};
use ecs_store::PageRequest;
use ecs_web::Problem;
use ecs_web::auth::policy::Holding;
use ecs_web::openapi::{Id, PageQuery, tag};
use ecs_web::params::{Page, PathParams, QueryParams};
use serde::Deserialize;

use super::changed;
use super::view::{ReviewList, ReviewView};
use crate::problems;
use crate::state::State;

/// Which reviews.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    state: Option<String>,
}

/// List reviews
///
/// Those that are open unless another state is named, the one first that is due first; of concluded ones the youngest first. Needs
/// `reviews:read`. The decision itself is read with `users:read-any`.
#[utoipa::path(
    get, path = "/v1/reviews", operation_id = "listReviews", tag = tag::CREDIT,
    params(
        ("state" = Option<String>, Query, description = "`open`, `claimed` or `concluded`; `open` unless it is named."),
        PageQuery,
    ),
    responses((status = OK, description = "A page of reviews.", body = ReviewList)),
)]
pub(crate) async fn list(
    _: Holding<ReviewsRead>,
    QueryParams(Wanted { state: wanted }): QueryParams<Wanted>,
    Page { page, page_size }: Page,
    Extract(state): Extract<State>,
) -> Result<Json<ReviewList>, Problem> {
    let wanted = wanted.map_or(Ok(ReviewState::Open), |word| word.parse());
    let wanted = wanted
        .map_err(|()| Violations::from(Violation::new("state", "must be open, claimed or concluded")))?;
    let found = state.store.reviews(wanted, PageRequest { page, page_size }).await;
    let (found, now) = (found.map_err(problems::of_store)?, state.now());
    let items = found.items.into_iter().map(|review| ReviewView::for_officers(review, now)).collect();
    Ok(Json(ReviewList { total: found.total, page, page_size, items }))
}

/// Claim a review
///
/// From then on it is this officer's for a day; of two who claim at once one does. Needs `reviews:decide`, and another person than
/// the decision is about.
#[utoipa::path(
    post, path = "/v1/reviews/{review_id}/claim", operation_id = "claimReview", tag = tag::CREDIT,
    params(("review_id" = Id, Path, description = "Which review.")),
    responses(
        (status = OK, description = "It is the caller's.", body = ReviewView),
        (status = NOT_FOUND, description = "there is no such review"),
        (status = CONFLICT, description = "another officer has claimed the review, or it is concluded"),
    ),
)]
pub(crate) async fn claim(
    Holding { identity, .. }: Holding<ReviewsDecide>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<ReviewView>, Problem> {
    let (id, now) = (path.id("review_id")?, state.now());
    let claimed = state.store.claim_review(id, identity.user, now).await.map_err(problems::of_store)?;
    let review = changed(claimed)?;
    tracing::info!(review_id = %id, officer_id = %identity.user, "a review was claimed");
    Ok(Json(ReviewView::for_officers(review, now)))
}
