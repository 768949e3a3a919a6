//! What the platform shows to whoever comes by: addresses that it takes, headers, errors, and paths.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::calls::{NO_STREAM, calls};
use super::scene::Scene;
use crate::openapi::contract::Contract;
use crate::support::http::Answer;
use crate::support::process::{ecs, run, text};
use crate::support::{INTERNAL_KEY, KEYS, SECRET, TestApp, emotion};

/// Fields by which a call takes an address, each with a test that the platform calls nobody it shouldn't: that of a webhook, whose
/// guard is tested where it is (`roles/notification/src/webhooks`). The id of one is none.
const CHECKED_ADDRESSES: [&str; 3] = ["(format: uri)", "url", "webhook_id"];

/// A call that takes an address makes the platform call it. There is one kind of them.
#[test]
fn api7_server_side_request_forgery() {
    let document = Contract::get().document();
    let mut taken = BTreeSet::new();
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                note(parameter["name"].as_str().unwrap(), &parameter["schema"], &mut taken);
            }
            for content in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                collect(document, &content.1["schema"], &mut taken);
            }
        }
    }
    assert!(taken.contains("userId") && taken.contains("page_size"), "the document was not read: {taken:?}");
    let addresses: Vec<&str> = taken.iter().map(String::as_str).filter(|name| is_an_address(name)).collect();
    assert_eq!(addresses, CHECKED_ADDRESSES, "test where such a call may lead, then list the field");
    for name in ["url", "callbackUrl", "webhook_url", "targetHost", "redirect_uri", "(format: uri)"] {
        assert!(is_an_address(name), "{name}");
    }
}

fn is_an_address(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words =
        ["url", "uri", "href", "host", "callback", "webhook", "endpoint", "redirect", "domain", "proxy"];
    words.iter().any(|word| name.contains(word))
}

fn note(name: &str, schema: &Value, taken: &mut BTreeSet<String>) {
    taken.insert(name.to_owned());
    if let Some(format) = schema["format"].as_str() {
        taken.insert(format!("(format: {format})"));
    }
}

/// The names and formats of all fields of a body, wherever its shape leads.
fn collect(document: &Value, schema: &Value, taken: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            if let Some(reference) = schema["$ref"].as_str() {
                collect(document, document.pointer(&reference[1..]).unwrap(), taken);
            }
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                note(name, field, taken);
            }
            parts.values().for_each(|part| collect(document, part, taken));
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect(document, part, taken)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn api8_security_misconfiguration() {
    let scene = Scene::set().await;
    let origin = ("origin", "https://evil.example");
    for call in calls() {
        let path = call.path(&scene.ids);
        let bearer = format!("Bearer {}", scene.victim.token);
        let allowed = [("authorization", bearer.as_str()), ("x-internal-key", INTERNAL_KEY)];
        for credentials in [&[][..], &allowed] {
            let headers = [credentials, &[NO_STREAM, origin]].concat();
            says_what_protects(&path, &scene.app.http.send(&call.method, &path, &headers, "").await);
        }
        let asks = [origin, ("access-control-request-method", call.method.as_str())];
        let preflight = scene.app.http.send("OPTIONS", &path, &asks, "").await;
        assert_eq!(preflight.status, 405, "{path}");
        says_what_protects(&path, &preflight);
    }
    says_what_protects("/nowhere", &scene.app.http.get("/nowhere", &[origin]).await);
    an_outage_says_nothing_of_its_cause(&scene.app).await;
    drop(scene);
    production_is_not_started_carelessly().await;
}

#[track_caller]
fn says_what_protects(path: &str, answer: &Answer) {
    let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}: {answer:?}");
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}: {answer:?}");
    let is_documentation = path.starts_with("/docs") || path == "/openapi.json";
    assert!(is_documentation || header("cache-control") == "no-store", "{path}: {answer:?}");
    for name in answer.headers.keys().map(http::HeaderName::as_str) {
        let tells = ["server", "x-powered-by", "via"].contains(&name) || name.starts_with("access-control-");
        assert!(!tells, "{path}: {name} in {answer:?}");
    }
    if !answer.status.is_success() {
        tells_no_internals(path, answer);
    }
}

#[track_caller]
fn tells_no_internals(path: &str, answer: &Answer) {
    let said = String::from_utf8_lossy(&answer.body).to_lowercase();
    for word in [env!("CARGO_PKG_VERSION"), "sqlite", "panicked", ".rs:", "axum", "hyper", "/tmp/"] {
        assert!(!said.contains(word), "{path} speaks of {word}: {said}");
    }
}

async fn an_outage_says_nothing_of_its_cause(app: &TestApp) {
    app.platform.storage().bus().unwrap().close().await.unwrap();
    let user = ecs_domain::UserId::new(uuid::Uuid::from_u128(7));
    let answer = app.emotion(&emotion(user, app.platform_now(), "1", (0.5, 0.5, 0.5))).await;
    answer.expect_problem(503, &[]);
    says_what_protects("/v1/emotions/stream", &answer);
}

/// No secret has a default, a weak one is refused, and what is for trials only is not taken.
async fn production_is_not_started_carelessly() {
    let check = async |name: &str, value: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = ecs(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.env("ECS_MODE", "production").envs(KEYS).env_remove(name);
        command.envs(value.map(|value| (name, value)));
        let output = run(command).await;
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{name} {value:?}: {said}");
        assert!(said.contains(name), "{name} {value:?}: {said}");
        assert!(!value.is_some_and(|value| value.len() > 10 && said.contains(value)), "{said}");
        assert!(!said.contains(SECRET) && !said.contains(INTERNAL_KEY), "{said}");
    };
    check("SECRET_KEY", None).await;
    check("SECRET_KEY", Some("a secret that is too short")).await;
    check("INTERNAL_SERVICE_API_KEY", None).await;
    check("INTERNAL_SERVICE_API_KEY", Some("a short key")).await;
    check("ECS_MASTER_KEY", None).await;
    check("ECS_MASTER_KEY", Some("a short master key")).await;
    check("ECS_BCRYPT_COST", Some("4")).await;
    check("EMOTION_CONSENT", Some("assumed")).await;
}

/// That every row of the gateway is documented and the other way round is tested beside the document. Here: nothing else answers.
#[tokio::test]
async fn api9_improper_inventory_management() {
    let scene = Scene::set().await;
    let token =
        format!("Bearer {}", scene.app.token(scene.victim.id, ecs_domain::permission::Permission::ALL));
    let headers = [("authorization", token.as_str()), ("x-internal-key", INTERNAL_KEY), NO_STREAM];
    let calls = calls();
    let documented: BTreeSet<(String, &str)> =
        calls.iter().map(|call| (call.path(&scene.ids), call.method.as_str())).collect();
    for (path, _) in &documented {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"] {
            if !documented.contains(&(path.clone(), method)) {
                let answer = scene.app.http.send(method, path, &headers, "").await;
                assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            }
        }
    }
    let forgotten = [
        "/",
        "/v1",
        "/v1/",
        "/v2/transactions",
        "/v0/transactions",
        "/v1/users",
        "/v1/users/",
        "/v1/credit-offers",
        "/v1/auth/changes/",
        "/V1/transactions",
        "/v1//transactions",
        "/v1/transactions/",
        "/v1/users/../operations/books",
        "/v1/users/%2e%2e/roles",
        "/admin",
        "/debug",
        "/debug/pprof",
        "/actuator",
        "/graphql",
        "/swagger.json",
        "/openapi.yaml",
        "/.env",
        "/.git/config",
        "/internal",
        "/status",
        "/health",
        "/metrics/",
        "/docs/../openapi.json",
        "/docs/..%2fopenapi.json",
    ];
    for path in forgotten {
        let answer = scene.app.http.get(path, &headers).await;
        let known = if path == "/v1/users" { 405 } else { 404 };
        assert_eq!(answer.status, known, "{path}: {answer:?}");
        assert_eq!(answer.json()["status"], json!(known), "{path}");
    }
    scene.app.stop().await;
}
