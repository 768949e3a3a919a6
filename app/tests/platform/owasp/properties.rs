//! Broken object property level authorization: fields that should not be read, and fields that should not be written.

use ecs_domain::permission::Permission;
use serde_json::{Value, json};

use super::calls::{Who, calls};
use super::scene::Scene;
use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn api3_broken_object_property_level_authorization() {
    let scene = Scene::set().await;
    let hashes: Vec<String> =
        scene.app.query("SELECT password_hash FROM users WHERE password_hash IS NOT NULL");
    assert_eq!(hashes.len(), 2);
    let mut seen = 0;
    for call in calls().into_iter().filter(|call| call.method == "GET" && !call.is_stream()) {
        if matches!(call.who, Who::ServiceKey(_)) {
            continue;
        }
        // Every answer that a test gets is held against the document with its shapes closed: a field more is a failure.
        let answer = scene.bearing(&call, &scene.ids, scene.victim.id, Permission::ALL).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", call.template);
        let said = String::from_utf8_lossy(&answer.body);
        assert!(!hashes.iter().any(|hash| said.contains(hash.as_str())), "{}: {said}", call.template);
        seen += 1;
    }
    assert!(seen > 15, "only {seen} answers were looked at");
    what_only_the_platform_sets_has_no_effect(&scene.app).await;
    scene.app.stop().await;
}

const CHOSEN: &str = "00000000-0000-4000-8000-00000000000a";

/// A body with everything in it that an attacker would like to set.
fn greedy(mut body: Value) -> Value {
    let wishes = json!({
        "id": CHOSEN, "user_id": CHOSEN, "password_hash": "$2b$04$0123456789012345678901", "permissions": ["access:write"],
        "roles": ["admin"], "held": ["access:write"], "is_admin": true, "created_at": "1999-01-01T00:00:00Z", "version": 7,
    });
    body.as_object_mut().unwrap().extend(wishes.as_object().unwrap().clone());
    body
}

async fn what_only_the_platform_sets_has_no_effect(app: &TestApp) {
    let operator =
        format!("Bearer {}", app.token(ecs_domain::UserId::new(uuid::Uuid::nil()), Permission::ALL));
    let headers = [("authorization", operator.as_str())];
    let registration = greedy(json!({"email": "eve@example.com", "password": PASSWORD}));
    let provision = greedy(json!({"externalId": "eve", "email": "eva@example.com", "password": PASSWORD}));
    for (path, body) in [("/v1/auth/register", registration), ("/v1/users", provision)] {
        let user = app.http.post(path, &headers, &body).await.expect_status(201);
        assert_ne!(user["id"], CHOSEN, "{path}");
        assert!(!user["created_at"].as_str().unwrap().starts_with("1999"), "{path}: {user}");
        let access = format!("/v1/users/{}/access", user["id"].as_str().unwrap());
        let access = app.http.get(&access, &headers).await.expect_status(200);
        for field in ["roles", "permissions", "held"] {
            assert_eq!(access[field], json!([]), "{path}: {access}");
        }
    }
    // Whoever is provided has no password, whatever the body says.
    let login = json!({"email": "eva@example.com", "password": PASSWORD});
    app.http.post("/v1/auth/login", &[], &login).await.expect_problem(401, &[]);
    let login = json!({"email": "eve@example.com", "password": PASSWORD});
    let session = app.http.post("/v1/auth/login", &[], &greedy(login)).await.expect_status(200);
    let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
    app.http.get("/v1/operations/books", &[("authorization", &bearer)]).await.expect_problem(403, &[]);
}
