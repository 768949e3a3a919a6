//! `/openapi.json`, and `/docs`, the page that reads it: everything is in the binary, and nothing is asked of anybody else.

mod file;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use ecs_web::auth::policy::Anyone;
use ecs_web::openapi::{OpenApiRouter, tag};
use ecs_web::params::PathParams;
use ecs_web::{PolicedRoutes as _, Problem, policed};
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue};

use file::{Content, File};

/// What the page may do: run its own scripts, show what they make, and call its own address. Swagger UI draws its icons
/// as `data:` images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: Content = Content::Plain(include_bytes!("page.html"));

macro_rules! taken_from_swagger_ui {
    ($name:literal) => {
        Content::Gzip(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")))
    };
}

/// What the page loads, and the licence of what it is made of.
const PARTS: [(&str, &str, Content); 6] = [
    ("start.js", "text/javascript; charset=utf-8", Content::Plain(include_bytes!("start.js"))),
    (
        "swagger-ui-bundle.js",
        "text/javascript; charset=utf-8",
        taken_from_swagger_ui!("swagger-ui-bundle.js"),
    ),
    ("swagger-ui.css", "text/css; charset=utf-8", taken_from_swagger_ui!("swagger-ui.css")),
    ("favicon-32x32.png", "image/png", taken_from_swagger_ui!("favicon-32x32.png")),
    ("LICENSE", "text/plain; charset=utf-8", taken_from_swagger_ui!("LICENSE")),
    ("NOTICE", "text/plain; charset=utf-8", taken_from_swagger_ui!("NOTICE")),
];

/// What there is to be read.
#[derive(Clone)]
pub(crate) struct Shelf {
    document: File,
    page: File,
    parts: Arc<[(&'static str, File)]>,
}

/// The routes over the document.
pub(crate) fn routes(document: Bytes) -> Router {
    let parts = PARTS.into_iter().map(|(name, media_type, content)| (name, File::new(media_type, content)));
    let shelf = Shelf {
        document: File::new("application/json", Content::Made(document)),
        page: File::new("text/html; charset=utf-8", PAGE),
        parts: parts.collect(),
    };
    api().with_state(shelf).into()
}

/// The same as routes and as their part of the document.
pub(crate) fn api() -> OpenApiRouter<Shelf> {
    OpenApiRouter::default().policed(policed!(document)).policed(policed!(page)).policed(policed!(part))
}

/// Read this document
///
/// The platform's calls, bodies, answers and problems, as OpenAPI 3.1. It is the same whichever roles run here.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenApi", tag = tag::DOCUMENTATION,
    responses(
        (status = OK, description = "The document.", body = Object, content_type = "application/json"),
        (status = NOT_MODIFIED, description = "It is still the one that `If-None-Match` names."),
    ),
)]
async fn document(_: Anyone, State(shelf): State<Shelf>, headers: HeaderMap) -> Response {
    shelf.document.answer(&headers)
}

/// Try the platform out
///
/// A page that shows this document and makes its calls. Credentials stay in the page's memory: they are gone with it.
#[utoipa::path(
    get, path = "/docs", operation_id = "getDocs", tag = tag::DOCUMENTATION,
    responses(
        (status = OK, description = "The page.", body = String, content_type = "text/html"),
        (status = NOT_MODIFIED, description = "It is still the one that `If-None-Match` names."),
    ),
)]
async fn page(_: Anyone, State(shelf): State<Shelf>, headers: HeaderMap) -> Response {
    let mut response = shelf.page.answer(&headers);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Load a part of the page
#[utoipa::path(
    get, path = "/docs/{file}", operation_id = "getDocsFile", tag = tag::DOCUMENTATION,
    params(("file" = String, Path, description = "The part's name.")),
    responses(
        (status = OK, description = "The part.", content(("text/javascript"), ("text/css"), ("image/png"), ("text/plain"))),
        (status = NOT_MODIFIED, description = "It is still the one that `If-None-Match` names."),
        (status = NOT_FOUND, description = "the page has no such part"),
    ),
)]
async fn part(
    _: Anyone,
    path: PathParams,
    State(shelf): State<Shelf>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = path.text("file");
    let part = shelf.parts.iter().find(|(name, _)| *name == wanted);
    let (_, file) = part.ok_or_else(|| Problem::not_found("the page has no such part"))?;
    Ok(file.answer(&headers))
}
