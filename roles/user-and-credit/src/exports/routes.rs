//! Asking for an archive, looking how far it is, fetching it, and removing it.
//!
//! The archive is the person's own affair. For somebody else it takes `privacy:write-any`: who may read accounts and offers one by one
//! is not thereby trusted with everything at once.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State as Extract;
use axum::response::Response;
use ecs_domain::ExportId;
use ecs_domain::permission::held::PrivacyWriteAny;
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{Export, ExportState, NewExport, RequestedExport, Store, StoreError};
use ecs_web::Problem;
use ecs_web::auth::policy::Own;
use ecs_web::openapi::{Id, UserPath, Zip, tag};
use ecs_web::params::PathParams;
use futures::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, StatusCode};
use uuid::Uuid;

use super::view::{ExportList, ExportView, state_at};
use crate::problems;
use crate::state::State;

/// How many exports of a person are kept.
const KEEP: usize = 3;

/// Ask for everything that is held on a person
///
/// One archive with each subject as JSON and as CSV, built in the background. While one is under way, it is the answer.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/exports", operation_id = "requestExport", tag = tag::PRIVACY, params(UserPath),
    responses(
        (status = ACCEPTED, description = "The archive is on its way.", body = ExportView),
        (status = NOT_FOUND, description = "there is no such user"),
    ),
)]
pub(super) async fn ask(
    Own { user, identity, .. }: Own<PrivacyWriteAny>,
    Extract(state): Extract<State>,
) -> Result<(StatusCode, Json<ExportView>), Problem> {
    let (id, now) = (ExportId::new(Uuid::now_v7()), state.now());
    let request = NewExport { id, user, actor: identity.user, keep: KEEP, now };
    let export = match state.store.request_export(request).await.map_err(problems::of_store)? {
        RequestedExport::Made(export) => {
            tracing::info!(export_id = %id, user_id = %user, actor_id = %identity.user, "an archive was asked for");
            export
        }
        RequestedExport::UnderWay(export) => export,
        RequestedExport::UnknownUser => return Err(problems::unknown_user()),
    };
    state.exports().wake();
    Ok((StatusCode::ACCEPTED, Json(ExportView::new(export, now))))
}

/// List a person's archives
///
/// The newest first. Three are kept, each for seven days.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/exports", operation_id = "listExports", tag = tag::PRIVACY, params(UserPath),
    responses((status = OK, description = "The archives, and what is on its way.", body = ExportList)),
)]
pub(super) async fn list(
    Own { user, .. }: Own<PrivacyWriteAny>,
    Extract(state): Extract<State>,
) -> Result<Json<ExportList>, Problem> {
    let (exports, now) = (state.store.exports(user).await.map_err(problems::of_store)?, state.now());
    let items = exports.into_iter().map(|export| ExportView::new(export, now)).collect();
    Ok(Json(ExportList { items }))
}

/// See how far an archive is
///
/// `progress` counts rows.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/exports/{export_id}", operation_id = "readExport", tag = tag::PRIVACY,
    params(UserPath, ("export_id" = Id, Path, description = "Which archive.")),
    responses(
        (status = OK, description = "Where it stands.", body = ExportView),
        (status = NOT_FOUND, description = "there is no such export of this user"),
    ),
)]
pub(super) async fn show(
    own: Own<PrivacyWriteAny>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Json<ExportView>, Problem> {
    let export = find(&state, &own, &path).await?;
    Ok(Json(ExportView::new(export, state.now())))
}

/// Remove an archive
///
/// At once, also one that is being built.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}/exports/{export_id}", operation_id = "removeExport", tag = tag::PRIVACY,
    params(UserPath, ("export_id" = Id, Path, description = "Which archive.")),
    responses(
        (status = NO_CONTENT, description = "It is gone."),
        (status = NOT_FOUND, description = "there is no such export of this user"),
    ),
)]
pub(super) async fn remove(
    own: Own<PrivacyWriteAny>,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<StatusCode, Problem> {
    let id = path.id("export_id")?;
    let removed = state.store.remove_export(own.user, id).await.map_err(problems::of_store)?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

/// Fetch an archive
///
/// A ZIP file. `manifest.json` in it says what the others hold. That it was fetched, and by whom, stands in the audit log.
#[utoipa::path(
    get, path = "/v1/users/{user_id}/exports/{export_id}/archive", operation_id = "fetchExport", tag = tag::PRIVACY,
    params(UserPath, ("export_id" = Id, Path, description = "Which archive.")),
    responses(
        (status = OK, description = "The archive.", content_type = "application/zip", body = inline(Zip)),
        (status = NOT_FOUND, description = "there is no such export of this user"),
        (status = CONFLICT, description = "the archive isn't ready yet"),
        (status = GONE, description = "the archive is no longer there"),
    ),
)]
pub(super) async fn fetch(
    own: Own<PrivacyWriteAny>,
    method: Method,
    path: PathParams,
    Extract(state): Extract<State>,
) -> Result<Response, Problem> {
    let (export, now) = (find(&state, &own, &path).await?, state.now());
    match state_at(&export, now) {
        ExportState::Ready => {}
        ExportState::Pending | ExportState::Running => {
            return Err(Problem::conflict("the archive isn't ready yet"));
        }
        ExportState::Failed | ExportState::Expired => {
            return Err(Problem::gone("the archive is no longer there"));
        }
    }
    // Who only looks whether it is there has fetched nothing.
    if method != Method::HEAD {
        let actor = own.identity.user;
        let entry = NewEntry::of_export(actor, Act::ExportFetched, own.user, export.id, now);
        state.store.note(entry).await.map_err(problems::of_store)?;
        tracing::info!(export_id = %export.id, user_id = %own.user, actor_id = %actor, "an archive was fetched");
    }
    let day = jiff::tz::Offset::UTC.to_datetime(export.requested_at).date();
    let mut response = Response::builder()
        .header(CONTENT_TYPE, "application/zip")
        .header(CONTENT_DISPOSITION, format!("attachment; filename=\"export-{day}.zip\""))
        .header(CACHE_CONTROL, "no-store");
    if let Some(bytes) = export.bytes {
        response = response.header(CONTENT_LENGTH, bytes);
    }
    let body = Body::from_stream(chunks(Arc::clone(&state.store), &export));
    response.body(body).map_err(|error| Problem::internal(&error))
}

/// The archive, one chunk at a time. One that is removed meanwhile breaks off: half an archive never looks like the whole.
fn chunks(store: Arc<dyn Store>, export: &Export) -> impl Stream<Item = Result<Bytes, StoreError>> + use<> {
    let (user, id, whole) = (export.user, export.id, export.bytes.unwrap_or(0));
    stream::try_unfold((store, 0, 0), move |(store, number, sent)| async move {
        if sent >= whole {
            return Ok(None);
        }
        let chunk = store.export_chunk(user, id, number).await?;
        let gone = || StoreError::Unavailable("the archive was removed while it was fetched".to_owned());
        let chunk = Bytes::from(chunk.ok_or_else(gone)?);
        let sent = sent + chunk.len() as u64;
        Ok(Some((chunk, (store, number + 1, sent))))
    })
}

async fn find(state: &State, own: &Own<PrivacyWriteAny>, path: &PathParams) -> Result<Export, Problem> {
    let id = path.id("export_id")?;
    let export = state.store.export(own.user, id).await.map_err(problems::of_store)?;
    export.ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("there is no such export of this user")
}
