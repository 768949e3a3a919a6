//! What is added to the operations of a document, and the shapes that roles write.

use std::borrow::Cow;

use axum::Json;
use ecs_web::Problem;
use ecs_web::body::{Object, Text};
use ecs_web::openapi::{self, Id, Instant, Money, OpenApiRouter, PageQuery, UserPath, routes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

/// What somebody wants,
/// in a doc comment of two lines.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Wish, examples(json!({"userId": "u", "inner": {"amount": 1}})))]
struct WireWish<'a> {
    #[serde(borrow)]
    #[schema(value_type = Id)]
    user_id: Option<Text<'a>>,
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    client_id: Option<Text<'a>>,
    #[serde(borrow)]
    #[schema(value_type = WireInner)]
    inner: Option<Object<WireInner<'a>>>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = Inner)]
struct WireInner<'a> {
    #[serde(borrow)]
    #[schema(value_type = Money)]
    amount: Option<&'a serde_json::value::RawValue>,
    #[schema(schema_with = words)]
    word: Option<Cow<'a, str>>,
}

#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"at": null, "word": "yes"})))]
struct Granted {
    #[schema(required, value_type = Option<Instant>)]
    at: Option<u8>,
    #[schema(schema_with = words)]
    word: &'static str,
}

fn words() -> ObjectBuilder {
    openapi::one_of(["yes", "no"])
}

/// Wish
///
/// For something.
#[utoipa::path(
    put, path = "/v1/users/{user_id}/wishes", operation_id = "wish", tag = "Wishes",
    params(UserPath, PageQuery), security(("bearer" = [])),
    request_body = WireWish,
    responses((status = OK, description = "Granted.", body = Granted), (status = CONFLICT, description = "too late")),
)]
async fn wish(body: bytes::Bytes) -> Result<Json<Granted>, Problem> {
    let WireWish { user_id, client_id, inner } = ecs_web::body::parse(&body)?;
    let word = inner.and_then(|Object(inner)| inner.amount.and(inner.word));
    let word = if user_id.is_some() && client_id.is_none() && word.is_some() { "yes" } else { "no" };
    Ok(Json(Granted { at: None, word }))
}

/// Look
#[utoipa::path(
    get, path = "/v1/look", operation_id = "look", tag = "Wishes",
    responses((status = NO_CONTENT, description = "Seen."))
)]
async fn look() -> http::StatusCode {
    http::StatusCode::NO_CONTENT
}

fn document() -> Value {
    let router: OpenApiRouter = OpenApiRouter::new().routes(routes!(wish)).routes(routes!(look));
    let mut document = router.into_openapi();
    openapi::complete(&mut document);
    serde_json::to_value(document).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn an_operation_has_the_problems_of_its_extractors_and_layers() {
    let document = document();
    let wish = &document["paths"]["/v1/users/{user_id}/wishes"]["put"]["responses"];
    assert_eq!(keys(wish), ["200", "400", "401", "409", "413", "415", "422", "429", "500", "503"]);
    assert_eq!(wish["401"], json!({"$ref": "#/components/responses/Unauthorized"}));
    let look = &document["paths"]["/v1/look"]["get"]["responses"];
    assert_eq!(keys(look), ["204", "429", "500", "503"], "nobody is asked who they are, and nothing is read");
    assert_eq!(look["204"].get("content"), None);
}

#[test]
fn a_problem_has_the_body_that_is_really_sent() {
    let document = document();
    let own = &document["paths"]["/v1/users/{user_id}/wishes"]["put"]["responses"]["409"];
    assert_eq!(own["description"], "too late");
    let content = &own["content"]["application/problem+json"];
    assert_eq!(content["schema"], json!({"$ref": "#/components/schemas/Problem"}));
    assert_eq!(content["example"]["type"], "urn:ecs:problem:conflict");
    assert_eq!(content["example"]["detail"], "too late");

    let shared = &document["components"]["responses"];
    let invalid = &shared["Invalid"]["content"]["application/problem+json"]["example"];
    assert_eq!(invalid["errors"], json!([{"field": "userId", "message": "must be a UUID"}]));
    let outage = &shared["Unavailable"];
    let examples = &outage["content"]["application/problem+json"]["examples"];
    assert_eq!(keys(examples), ["overloaded", "timeout", "unavailable"]);
    assert_eq!(keys(&outage["headers"]), ["Retry-After", "X-Request-ID"]);
    let limits = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];
    let refused = &shared["RateLimited"];
    assert_eq!(keys(&refused["headers"]), [&limits[..], &["Retry-After", "X-Request-ID"]].concat());
    let granted = &document["paths"]["/v1/users/{user_id}/wishes"]["put"]["responses"]["200"];
    assert_eq!(keys(&granted["headers"]), [&limits[..], &["X-Request-ID"]].concat());
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut seen = 0;
    visit(&document, &mut |reference| {
        seen += 1;
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    });
    assert!(seen > 10, "only {seen} references");
}

fn visit(value: &Value, check: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            fields.get("$ref").and_then(Value::as_str).into_iter().for_each(&mut *check);
            fields.values().for_each(|value| visit(value, check));
        }
        Value::Array(items) => items.iter().for_each(|value| visit(value, check)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn shapes_say_what_the_handler_needs_whatever_their_fields_are_in_rust() {
    let document = document();
    let shapes = &document["components"]["schemas"];
    let wish = &shapes["Wish"];
    assert_eq!(wish["description"], "What somebody wants, in a doc comment of two lines.");
    assert_eq!(wish["required"], json!(["userId", "inner"]));
    assert_eq!(wish["properties"]["userId"]["$ref"], "#/components/schemas/Id");
    assert_eq!(wish["properties"]["inner"]["$ref"], "#/components/schemas/Inner");
    assert_eq!(wish["properties"]["clientId"]["maxLength"], 128);
    assert_eq!(shapes["Inner"]["properties"]["word"]["enum"], json!(["yes", "no"]));
    assert_eq!(shapes["Granted"]["required"], json!(["at", "word"]));
    let body = &document["paths"]["/v1/users/{user_id}/wishes"]["put"]["requestBody"];
    assert_eq!(body["content"]["application/json"]["example"]["inner"], json!({"amount": 1}));
}

#[tokio::test]
async fn what_is_documented_is_what_is_served() {
    use tower::ServiceExt as _;
    let router: OpenApiRouter = OpenApiRouter::new().routes(routes!(wish)).routes(routes!(look));
    let router = axum::Router::from(router);
    let answer =
        router.oneshot(http::Request::get("/v1/look").body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.unwrap().status(), 204);
}
