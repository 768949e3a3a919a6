//! The document and its page, as a browser gets them.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::Read as _;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use ecs_api_gateway::{ApiGateway, Deps, Limiting};
use ecs_domain::{Clock, Timestamp};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::handles::Upstream;
use ecs_web::{Auth, Limits, Secret, layers};
use flate2::read::GzDecoder;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const DOCUMENT: &str = r#"{"openapi": "3.1.0"}"#;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn gateway() -> Router {
    let tokens = Tokens::new(&SecretKey::new(Secret::new("x".repeat(32))).unwrap());
    let auth = Auth::alone(tokens, Secret::new("key"), Arc::new(StoppedClock));
    let absent = || Upstream::in_process("absent", Router::new());
    let gateway = ApiGateway::create(Deps {
        auth: Arc::new(auth),
        emotion_ingestion: absent(),
        transaction_ingestion: absent(),
        user_and_credit: absent(),
        credit_analysis: absent(),
        notification: absent(),
        operations: absent(),
        openapi: Bytes::from_static(DOCUMENT.as_bytes()),
        limiting: Limiting::off(),
    });
    layers::standard(gateway.routes(), "api-gateway", Limits::default())
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn get(path: &str, known: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    let (head, body) = gateway().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let mut bytes = body.collect().await.unwrap().to_bytes().to_vec();
    if head.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") && !bytes.is_empty() {
        let mut plain = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        bytes = plain;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: head.status, headers: head.headers, text }
}

/// What the attributes of the page's elements lead to.
fn links(page: &str) -> Vec<&str> {
    let after = |attribute: &'static str| page.split(attribute).skip(1);
    let both = after("href=\"").chain(after("src=\""));
    both.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let answer = get("/openapi.json", None).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, DOCUMENT));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn everything_that_the_page_loads_is_in_the_binary() {
    let page = get("/docs", None).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let links = links(&page.text);
    assert!(links.len() >= 5, "{links:?}");
    for link in links {
        assert!(!link.contains(':') && !link.starts_with('/'), "{link} leads away");
        let part = get(&format!("/{link}"), None).await;
        assert_eq!(part.status, 200, "{link}");
        assert!(!part.text.is_empty(), "{link}");
        assert_eq!(part.header("x-content-type-options"), "nosniff", "{link}");
    }
    assert!(!page.text.contains("<style") && page.text.matches("<script").count() == 2, "nothing inline");
    assert!(!page.text.contains("<script>"), "nothing inline");
}

#[tokio::test]
async fn the_page_may_only_talk_to_its_own_address() {
    let page = get("/docs", None).await;
    for rule in page.header("content-security-policy").split("; ") {
        let (what, from) = rule.split_once(' ').unwrap();
        let sources: Vec<&str> = from.split(' ').collect();
        let expect: &[&str] = match what {
            "script-src" | "style-src" | "connect-src" => &["'self'"],
            "img-src" => &["'self'", "data:"],
            _ => &["'none'"],
        };
        assert_eq!(sources, expect, "{what}");
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; "));

    // A style sheet could load fonts and pictures, the script that starts the page the document and a badge.
    let styles = get("/docs/swagger-ui.css", None).await;
    for url in styles.text.split("url(").skip(1) {
        assert!(url.trim_start_matches(['"', '\'']).starts_with("data:"), "{url:.80}");
    }
    assert!(!styles.text.contains("@import"));
    let start = get("/docs/start.js", None).await;
    for setting in [
        "url: \"openapi.json\"",
        "validatorUrl: null",
        "persistAuthorization: false",
        "queryConfigEnabled: false",
        "tryItOutEnabled: true",
        "displayRequestDuration: true",
        "deepLinking: true",
    ] {
        assert!(start.text.contains(setting), "{setting}");
    }
    assert!(!start.text.contains("://"));
}

#[tokio::test]
async fn the_bundle_is_whole() {
    let bundle = get("/docs/swagger-ui-bundle.js", None).await;
    assert!(bundle.text.len() > 1_000_000, "{}", bundle.text.len());
    assert!(bundle.text.contains("SwaggerUIBundle"));
    let license = get("/docs/LICENSE", None).await;
    assert!(license.text.contains("Apache License"));
}

#[tokio::test]
async fn a_browser_loads_again_only_what_has_changed() {
    for path in ["/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"] {
        let first = get(path, None).await;
        let tag = first.header("etag");
        assert_eq!(first.header("cache-control"), "no-cache", "{path}");
        let again = get(path, Some(tag)).await;
        assert_eq!(
            (again.status.as_u16(), again.text.as_str(), again.header("etag")),
            (304, "", tag),
            "{path}"
        );
        assert_eq!(get(path, Some("\"another\"")).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_tag_is_known_again_however_it_comes_back() {
    let first = get("/openapi.json", None).await;
    let tag = first.header("etag");
    let check = async |known: String, status: u16| {
        let answer = get("/openapi.json", Some(&known)).await;
        assert_eq!(answer.status.as_u16(), status, "{known}");
    };
    check(format!("W/{tag}"), 304).await;
    check(format!("\"other\", W/{tag}"), 304).await;
    check(format!("{tag},\"other\""), 304).await;
    check("*".to_owned(), 304).await;
    check("\"other\", W/\"another\"".to_owned(), 200).await;
    check(String::new(), 200).await;
}

#[tokio::test]
async fn what_the_page_does_not_need_is_not_there() {
    for path in
        ["/docs/", "/docs/index.html", "/docs/../openapi.json", "/docs/swagger-ui.js", "/docs/LICENSE/x"]
    {
        let answer = get(path, None).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (404, "application/problem+json"),
            "{path}"
        );
    }
}
