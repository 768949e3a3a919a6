//! The decision log over HTTP: who may read what of it, and what a question must look like.

use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_web::Identity;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Scene, get};

fn with(permission: Permission) -> Identity {
    Identity::with(UserId::new(Uuid::nil()), [permission])
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_told_where() {
    let scene = Scene::open();
    let check = async |query: &str, fields: &[&str]| {
        let path = format!("/v1/decision-log/decisions?{query}");
        let (status, answer) = scene.send(get(&path), Some(with(Permission::DecisionsReplay))).await;
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(found, fields, "{query}: {status} {answer}");
        assert_eq!(status, if fields.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY });
    };
    check("", &[]).await;
    check("from=2026-11-20T12:00:00Z&until=2026-11-21T00:00:00Z&after=0", &[]).await;
    check("user=0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e&after=17", &[]).await;
    check("from=yesterday", &["from"]).await;
    check("until=1&user=ana&after=-1", &["until", "user", "after"]).await;
    let (status, answer) =
        scene.send(get("/v1/decision-log/batches?from=x"), Some(with(Permission::AuditRead))).await;
    assert_eq!((status, &answer["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("from")));
}

#[tokio::test]
async fn the_chain_is_for_auditors_and_decisions_are_for_those_who_compute_them() {
    let scene = Scene::open();
    let check = async |path: &str, permission, expect| {
        let (status, answer) = scene.send(get(path), Some(with(permission))).await;
        assert_eq!(status, expect, "{path} {permission}: {answer}");
    };
    let (chain, decisions) = ("/v1/decision-log/batches", "/v1/decision-log/decisions");
    check(chain, Permission::AuditRead, StatusCode::OK).await;
    check(chain, Permission::DecisionsReplay, StatusCode::FORBIDDEN).await;
    check(decisions, Permission::DecisionsReplay, StatusCode::OK).await;
    for other in [Permission::AuditRead, Permission::UsersReadAny, Permission::OperationsWrite] {
        check(decisions, other, StatusCode::FORBIDDEN).await;
    }
}
