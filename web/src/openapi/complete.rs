//! What follows from how roles are built, added to every operation.

use utoipa::PartialSchema as _;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Components, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, RefOr, Response};

use super::{flow, problems};
use crate::auth::service_keys;
use crate::problem::Wire;

/// Finishes a document that was merged from the roles' parts.
///
/// It adds the security schemes `bearer` and `internalKey`; to each operation the problems of its extractors and of the
/// layers around it; to each problem its body with an example; to each answer its headers; and to each body the
/// example of its shape.
pub fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.schemas.insert("Problem".to_owned(), Wire::schema());
    components.add_security_scheme("bearer", bearer());
    components.add_security_scheme("internalKey", internal_key());
    components.headers.insert("RequestId".to_owned(), request_id().into());
    components.headers.insert("RetryAfter".to_owned(), retry_after().into());
    for (name, header) in rate_limits() {
        components.headers.insert(name.replace('-', ""), header.into());
    }
    for (name, mut response) in problems::shared() {
        let status = match name.as_str() {
            "Unavailable" => "503",
            "RateLimited" => "429",
            _ => "4xx",
        };
        add_headers(&mut response, status);
        components.responses.insert(name, response.into());
    }
    flow::join(&mut document.info.description);
    components.schemas.values_mut().for_each(flow::schema);
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            finish(operation, components);
        }
    }
}

pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn finish(operation: &mut Operation, components: &Components) {
    flow::operation(operation);
    problems::add(operation);
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(|content| add_example(content, components));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            add_headers(response, status);
            response.content.values_mut().for_each(|content| add_example(content, components));
        }
    }
}

/// The first example of the shape is that of the body, unless the body has its own.
fn add_example(content: &mut RefOr<Content>, components: &Components) {
    let RefOr::T(content) = content else { return };
    if content.example.is_some() || !content.examples.is_empty() {
        return;
    }
    let Some(RefOr::Ref(reference)) = &content.schema else { return };
    let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
    let Some(RefOr::T(shape)) = components.schemas.get(name) else { return };
    content.example = match shape {
        Schema::Object(object) => object.examples.first().cloned(),
        Schema::AllOf(all) => all.examples.first().cloned(),
        Schema::OneOf(one) => one.examples.first().cloned(),
        _ => None,
    };
}

fn add_headers(response: &mut Response, status: &str) {
    let header = |name: &str| RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
    response.headers.insert("X-Request-ID".to_owned(), header("RequestId"));
    if matches!(status, "429" | "503") {
        response.headers.insert("Retry-After".to_owned(), header("RetryAfter"));
    }
    // Problems of roles bear them, too; saying so with each would hide what matters of them.
    if status == "429" || status.starts_with('2') {
        for (name, _) in rate_limits() {
            response.headers.insert(name.to_owned(), header(&name.replace('-', "")));
        }
    }
}

/// What the gateway says of the limit that a call counts against.
fn rate_limits() -> [(&'static str, Header); 3] {
    let header = |least: u32, what: &str| {
        let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least));
        HeaderBuilder::new().schema(Some(schema)).description(Some(what)).build()
    };
    [
        ("RateLimit-Limit", header(1, "Where the call is limited: how many may come at once.")),
        ("RateLimit-Remaining", header(0, "Where the call is limited: how many more may come now.")),
        (
            "RateLimit-Reset",
            header(0, "Where the call is limited: in how many seconds all of them may come again."),
        ),
    ]
}

fn request_id() -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(128));
    let what = "The request's id: the one that the request brought in the same header, else one made for it. \
                The log has it, too.";
    HeaderBuilder::new().schema(Some(schema)).description(Some(what)).build()
}

fn retry_after() -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    HeaderBuilder::new().schema(Some(schema)).description(Some("Try again after so many seconds.")).build()
}

fn bearer() -> SecurityScheme {
    let what = "For people and operators: the `access_token` of a log-in, good for one hour. It is for one user's own \
                affairs; permissions in it open more.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    SecurityScheme::Http(scheme.description(Some(what)).build())
}

fn internal_key() -> SecurityScheme {
    let what = "For partners' servers and services: the deployment's internal key, or one that the operator has listed for \
                some of what that opens.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(service_keys::HEADER_NAME, what)))
}
