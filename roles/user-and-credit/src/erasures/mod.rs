//! `/v1/users/{user_id}/erasure` and `/v1/erasures/{receipt}`: people who want to be forgotten.

mod worker;

use axum::Json;
use axum::extract::State as Extract;
use axum::response::{IntoResponse as _, Response};
use ecs_domain::permission::Permission;
use ecs_domain::permission::held::PrivacyErase;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{Erasure, ErasureAsked, ErasureRequest};
use ecs_web::auth::policy::{Anyone, Own};
use ecs_web::openapi::{Id, Instant, UserPath, tag};
use ecs_web::params::PathParams;
use ecs_web::problem::Code;
use ecs_web::{JsonBody, Problem, Secret};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problems;
use crate::state::State;

pub(crate) use worker::start;

/// What whoever asks has to say.
// It has no `Debug`: there may be a password in it.
#[derive(Deserialize, ToSchema)]
#[schema(as = ErasureRequest, examples(json!({"password": "correct horse battery"})))]
pub(crate) struct Asked {
    /// The password of users who have one and ask in person.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<String>,
    /// Whether credit that was accepted goes with them; only whoever holds `privacy:erase` may say so.
    with_credit: Option<bool>,
}

/// How far an erasure is.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure, examples(json!({
    "receipt": "3f0a9c52-8d6e-8b1c-9a7d-2e5f4c3b1a09", "status": "erased", "requested_at": "2026-11-20T14:30:00Z",
    "erased_at": "2026-11-20T14:31:00Z", "closed_at": null, "rows": 412
})))]
pub(crate) struct ErasureView {
    /// By what it is found at `/v1/erasures/{receipt}`, without a token: the account is gone by then.
    #[schema(value_type = Id)]
    receipt: Uuid,
    /// `requested`; `erased` when nothing of the person is left in the store; `closed` when the bus has forgotten, too.
    status: Stage,
    /// When it was asked for.
    #[schema(value_type = Instant)]
    requested_at: Timestamp,
    /// When nothing was left in the store.
    #[schema(required, value_type = Option<Instant>)]
    erased_at: Option<Timestamp>,
    /// When the bus had forgotten, too.
    #[schema(required, value_type = Option<Instant>)]
    closed_at: Option<Timestamp>,
    /// How many rows were deleted.
    rows: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ErasureStage)]
enum Stage {
    Requested,
    Erased,
    Closed,
}

impl From<Erasure> for ErasureView {
    fn from(erasure: Erasure) -> Self {
        let Erasure { receipt, requested_at, erased_at, closed_at, rows, .. } = erasure;
        let status = match (erased_at, closed_at) {
            (_, Some(_)) => Stage::Closed,
            (Some(_), None) => Stage::Erased,
            (None, None) => Stage::Requested,
        };
        Self { receipt, status, requested_at, erased_at, closed_at, rows }
    }
}

/// Erase a person
///
/// Everything that is held on the user, for good. At once nobody can log in as them any more, and their tokens hold for five more
/// seconds at most; their rows go within a minute or so; and the erasure is closed when their last events have run out on the bus. Users
/// ask for their own, with their password if they have one; those with `privacy:erase` for everybody's. Credit that was accepted stands
/// in the way, unless whoever holds `privacy:erase` lets it go along. Asked for again, the answer is the erasure that is under way.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/erasure", operation_id = "erasePerson", tag = tag::PRIVACY, params(UserPath),
    request_body = Asked,
    responses(
        (status = ACCEPTED, description = "It is under way. Keep the receipt.", body = ErasureView),
        (status = FORBIDDEN, description = "the password is another one"),
        (status = NOT_FOUND, description = "there is no such user"),
        (status = CONFLICT, description = "there is credit that was accepted: a privacy officer decides"),
    ),
)]
pub(crate) async fn ask(
    Own { user, identity, .. }: Own<PrivacyErase>,
    Extract(state): Extract<State>,
    JsonBody(body): JsonBody<Asked>,
) -> Result<Response, Problem> {
    let is_officer = identity.permissions.contains(&Permission::PrivacyErase);
    let with_credit = body.with_credit.unwrap_or(false);
    if with_credit && !is_officer {
        return Err(Problem::forbidden("the permission privacy:erase is needed to let credit go along"));
    }
    if identity.user == user {
        in_person(&state, user, body.password).await?;
    }
    let request = ErasureRequest { user, by: identity.user, with_credit, now: state.now() };
    let asking = State::clone(&state);
    let asked = state.finisher.finish(async move {
        let asked = asking.store.request_erasure(request).await.map_err(problems::of_store)?;
        asking.forget_cached(user).await;
        asking.auth.changes.hurry();
        asking.erasures().wake();
        Ok::<_, Problem>(asked)
    });
    match asked.await? {
        ErasureAsked::UnderWay(erasure) => {
            tracing::info!(user_id = %user, requested_by = %identity.user, "an erasure was asked for");
            Ok((StatusCode::ACCEPTED, Json(ErasureView::from(erasure))).into_response())
        }
        ErasureAsked::HasCredit => {
            Err(Problem::conflict("there is credit that was accepted: a privacy officer decides"))
        }
        ErasureAsked::LastAdmin => Err(Problem::conflict("the last admin stays")),
        ErasureAsked::Unknown => Err(problems::unknown_user()),
    }
}

/// A token that was stolen is not enough to erase its user.
async fn in_person(state: &State, user: UserId, password: Option<String>) -> Result<(), Problem> {
    let hash = state.store.password_hash(user).await.map_err(problems::of_store)?;
    if hash.is_none() {
        return Ok(());
    }
    let wrong = || Problem::forbidden("the password is another one");
    let guess = state.guesses().erasure(user)?;
    let password = Secret::new(password.unwrap_or_default());
    let verified = state.passwords().verify(password, hash).await;
    let judged = verified.and_then(|verified| if verified { Ok(()) } else { Err(wrong()) });
    guess.judge(judged, Code::Forbidden)
}

/// Read a receipt
///
/// How far an erasure is. The receipt is all that is needed, and nobody guesses one; what it tells holds nothing of the person.
#[utoipa::path(
    get, path = "/v1/erasures/{receipt}", operation_id = "readErasure", tag = tag::PRIVACY,
    params(("receipt" = Id, Path, description = "The receipt of the erasure.")),
    responses(
        (status = OK, description = "How far it is.", body = ErasureView),
        (status = NOT_FOUND, description = "there is no such receipt"),
    ),
)]
pub(crate) async fn show(
    _: Anyone,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<ErasureView>, Problem> {
    let erasure = state.store.erasure(path.id("receipt")?).await.map_err(problems::of_store)?;
    let erasure = erasure.ok_or_else(|| Problem::not_found("there is no such receipt"))?;
    Ok(Json(erasure.into()))
}
