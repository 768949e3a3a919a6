//! Paths and queries.

use axum::Router;
use axum::routing::get;
use ecs_domain::UserId;
use ecs_web::Problem;
use ecs_web::params::{Page, PathParams};
use serde_json::{Value, json};

use crate::support::{call, get as get_path};

fn router() -> Router {
    Router::new()
        .route("/list", get(async |page: Page| axum::Json(json!([page.page, page.page_size, page.offset()]))))
        .route(
            "/users/{user_id}/{what}",
            get(async |path: PathParams| -> Result<String, Problem> {
                Ok(format!("\"{} {}\"", path.id::<UserId>("user_id")?, path.text("what")))
            }),
        )
}

async fn check(path: &str, expect: Value) {
    let answer = call(router(), get_path(path)).await;
    let seen = if answer.status == 200 {
        answer.json
    } else {
        json!([answer.status.as_u16(), answer.json["errors"]])
    };
    assert_eq!(seen, expect, "{path}");
}

#[tokio::test]
async fn pages_are_counted_from_1_and_hold_up_to_100() {
    let page = json!({"field": "page", "message": "must be a whole number of at least 1"});
    let size = json!({"field": "page_size", "message": "must be a whole number from 1 to 100"});
    check("/list", json!([1, 10, 0])).await;
    check("/list?page=3&page_size=100", json!([3, 100, 200])).await;
    check("/list?page=4294967295&page_size=100", json!([4_294_967_295_u32, 100, 429_496_729_400_u64])).await;
    check("/list?page=0", json!([422, [page]])).await;
    check("/list?page_size=101", json!([422, [size]])).await;
    check("/list?page=-1&page_size=x", json!([422, [page, size]])).await;
    check("/list?page=1&page=2", json!([400, null])).await;
}

#[tokio::test]
async fn an_id_in_the_path_is_a_uuid() {
    let id = "00000000-0000-0000-0000-000000000007";
    check(&format!("/users/{id}/x%20y"), json!(format!("{id} x y"))).await;
    check("/users/7/x", json!([422, [{"field": "user_id", "message": "must be a UUID"}]])).await;
    check(&format!("/users/{id}/%ff"), json!([404, null])).await;
}
