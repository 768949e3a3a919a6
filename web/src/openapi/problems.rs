//! Problems in the document: their status, title and body come from [`Code`], so that they can't differ from the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_domain::{Violation, Violations};
use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::Problem;
use crate::problem::{CONTENT_TYPE_PROBLEM, Code};

/// The request whose problems the examples show.
const REQUEST_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The problems that extractors and layers make, which mean the same at every call.
const SHARED: [Code; 8] = [
    Code::Malformed,
    Code::Unauthorized,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::Invalid,
    Code::RateLimited,
    Code::Internal,
    Code::Unavailable,
];

/// [`SHARED`], each under the name that operations refer to it by.
pub(super) fn shared() -> BTreeMap<String, Response> {
    let mut responses = BTreeMap::new();
    for code in SHARED {
        let codes = of_status(code.status().as_u16());
        let details: Vec<_> = codes.iter().map(|code| sample(*code).detail().to_owned()).collect();
        let description = format!("{}: {}.", code.name().1, details.join("; or "));
        let content = body(&codes, None);
        let response = ResponseBuilder::new().description(description).content(CONTENT_TYPE_PROBLEM, content);
        responses.insert(name(code), response.build());
    }
    responses
}

/// Gives the operation's own problems their bodies, and adds those that its extractors and the layers may answer.
pub(super) fn add(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let codes = of_status(status.parse().unwrap_or_default());
        if let RefOr::T(response) = response
            && response.content.is_empty()
            && !codes.is_empty()
        {
            let content = body(&codes, Some(&response.description));
            response.content.insert(CONTENT_TYPE_PROBLEM.to_owned(), content.into());
        }
    }
    for code in implied(operation) {
        let reference = || RefOr::Ref(Ref::new(format!("#/components/responses/{}", name(code))));
        operation.responses.responses.entry(code.status().as_str().to_owned()).or_insert_with(reference);
    }
}

/// What a call of this kind may answer, whatever it does.
fn implied(operation: &Operation) -> Vec<Code> {
    // Every call passes the layers, which answer for panics, for the load and for the time, and the gateway's limits.
    let mut codes = vec![Code::Internal, Code::Unavailable, Code::RateLimited];
    if operation.security.as_ref().is_some_and(|required| !required.is_empty()) {
        codes.push(Code::Unauthorized);
    }
    if operation.request_body.is_some() {
        codes.extend([Code::Malformed, Code::TooLarge, Code::UnsupportedMediaType, Code::Invalid]);
    }
    for parameter in operation.parameters.iter().flatten() {
        if let RefOr::T(parameter) = parameter {
            let in_query = parameter.parameter_in == ParameterIn::Query;
            // Any text fits into a path: what it names is there or not.
            if in_query || !is_any_text(parameter.schema.as_ref()) {
                codes.push(Code::Invalid);
            }
            if in_query {
                codes.push(Code::Malformed);
            }
        }
    }
    codes
}

fn is_any_text(schema: Option<&RefOr<Schema>>) -> bool {
    let Some(RefOr::T(Schema::Object(object))) = schema else { return false };
    object.schema_type == SchemaType::Type(Type::String) && object.format.is_none()
}

/// Problems that share a status stand under the name of the middle one: an outage, between load and lateness.
fn name(code: Code) -> String {
    let code = if code.status() == Code::Unavailable.status() { Code::Unavailable } else { code };
    format!("{code:?}")
}

fn of_status(status: u16) -> Vec<Code> {
    Code::ALL.into_iter().filter(|code| code.status().as_u16() == status).collect()
}

/// The body of these problems with an example of each; `detail` is what a single one says.
fn body(codes: &[Code], detail: Option<&str>) -> Content {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    match codes {
        [code] => {
            let problem = sample(*code);
            let problem = if let Some(detail) = detail { problem.in_words(detail) } else { problem };
            content.example(Some(rendered(&problem))).build()
        }
        several => {
            let example = |code: &Code| {
                let (kind, title) = code.name();
                let name = kind.rsplit(':').next().unwrap_or(kind);
                let value = rendered(&sample(*code));
                (name, ExampleBuilder::new().summary(title).value(Some(value)).build())
            };
            content.examples_from_iter(several.iter().map(example)).build()
        }
    }
}

fn rendered(problem: &Problem) -> Value {
    serde_json::from_slice(&problem.render(Some(REQUEST_ID))).unwrap_or_default()
}

/// A problem of this kind as a client may well read it.
fn sample(code: Code) -> Problem {
    let second = Duration::from_secs(1);
    match code {
        Code::Malformed => Problem::malformed("the body is not JSON: line 1, column 12"),
        Code::Unauthorized => Problem::unauthorized("a bearer token is needed"),
        Code::Forbidden => Problem::forbidden("the user is not the token's"),
        Code::NotFound => Problem::not_found("there is no such path"),
        Code::MethodNotAllowed => Problem::method_not_allowed(),
        Code::Conflict => Problem::conflict("it was done before"),
        Code::Gone => Problem::gone("it has expired"),
        Code::TooLarge => Problem::too_large("the body may have at most 65536 bytes"),
        Code::UnsupportedMediaType => {
            Problem::unsupported_media_type("the content type must be application/json")
        }
        Code::Invalid => Problem::invalid(Violations::from(Violation::new("userId", "must be a UUID"))),
        Code::RateLimited => Problem::rate_limited("too many requests, try again later", second),
        Code::Internal => Problem::unexplained(),
        Code::Overloaded => Problem::overloaded(second),
        Code::Unavailable => Problem::unavailable("store", second),
        Code::Timeout => Problem::timeout(),
    }
}
