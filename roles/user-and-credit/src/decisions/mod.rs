//! `GET /v1/users/{user_id}/decisions` and `GET /v1/decisions/{decision_id}`: decisions, with all that led to them.

mod detail;
mod summary;

use axum::Json;
use axum::extract::State as Extract;
use axum::response::Response;
use ecs_domain::DecisionId;
use ecs_domain::catalogue::Catalogue;
use ecs_domain::decision::Decision;
use ecs_domain::permission::Permission;
use ecs_domain::permission::held::UsersReadAny;
use ecs_store::PageRequest;
use ecs_web::auth::policy::{ActingFor, Own};
use ecs_web::language::told;
use ecs_web::openapi::{Id, PageQuery, UserPath, tag};
use ecs_web::params::{Page, PathParams};
use ecs_web::{Identity, Language, Problem};

use crate::state::State;
use crate::{problems, users};
use detail::Detail;
use summary::{Decisions, Summary};

/// List decisions
///
/// What was decided about a user, the newest first, with the reasons in the language of `Accept-Language`. Users read their own;
/// those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/decisions", operation_id = "listDecisions", tag = tag::CREDIT,
    params(UserPath, PageQuery, Language),
    responses(
        (status = OK, description = "A page of decisions.", body = Decisions, headers(
            ("Content-Language" = String, description = "The language of the texts."),
        )),
        (status = NOT_FOUND, description = "there is no such user"),
    ),
)]
pub(crate) async fn list(
    Own { user, .. }: Own<UsersReadAny>,
    Page { page, page_size }: Page,
    Language(locale): Language,
    Extract(state): Extract<State>,
) -> Result<Response, Problem> {
    users::find(&state, user).await?;
    let found = state.store.decisions(user, PageRequest { page, page_size }).await;
    let found = found.map_err(problems::of_store)?;
    let items = found.items.into_iter().map(|decision| Summary::new(decision, locale)).collect();
    let page = Decisions { total: found.total, page, page_size, items, language: locale.as_str() };
    Ok(told(locale, Json(page)))
}

/// Read a decision
///
/// Everything that led to it: what was looked at, what each part of it added to the risk, the reasons in the language of
/// `Accept-Language`, which model and policy decided, what would have been decided without emotions, what was offered, and its last
/// review. Users read their own; those with `users:read-any` read everybody's.
#[utoipa::path(
    get, path = "/v1/decisions/{decision_id}", operation_id = "readDecision", tag = tag::CREDIT,
    params(("decision_id" = Id, Path, description = "Which decision."), Language),
    responses(
        (status = OK, description = "The decision.", body = Detail, headers(
            ("Content-Language" = String, description = "The language of the texts."),
        )),
        (status = NOT_FOUND, description = "there is no such decision"),
    ),
)]
pub(crate) async fn show(
    acting: ActingFor<UsersReadAny>,
    path: PathParams,
    Language(locale): Language,
    Extract(state): Extract<State>,
) -> Result<Response, Problem> {
    let decision = find(&state, &acting.identity, path.id("decision_id")?).await?;
    let review = state.store.review_of(decision.user, decision.id).await.map_err(problems::of_store)?;
    let catalogue = Catalogue::of(decision.catalogue_version, locale);
    Ok(told(locale, Json(Detail::new(decision, review, catalogue, state.now()))))
}

/// A decision that this caller may read. Those of others look as if they weren't there.
async fn find(state: &State, caller: &Identity, id: DecisionId) -> Result<Decision, Problem> {
    let owner = if caller.permissions.contains(&Permission::UsersReadAny) {
        state.store.owner_of_decision(id).await.map_err(problems::of_store)?
    } else {
        Some(caller.user)
    };
    let decision = match owner {
        Some(owner) => state.store.decision(owner, id).await.map_err(problems::of_store)?,
        None => None,
    };
    decision.ok_or_else(unknown)
}

/// The same for a decision that isn't there and for one of somebody else.
pub(crate) fn unknown() -> Problem {
    Problem::not_found("there is no such decision")
}
