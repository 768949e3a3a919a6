//! The list of offers.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::support::{Actor, App};

#[tokio::test]
async fn offers_are_listed_newest_first_in_pages() {
    let app = App::start();
    let user = app.busy_and_calm("ana@example.com").await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.insert(0, app.offer_to(user).await);
        app.pass(Duration::from_secs(300));
    }
    let page = async |query: &str| {
        app.get(Actor::User(user), &format!("/v1/users/{user}/offers{query}")).await.expect(StatusCode::OK)
    };
    let all = page("").await;
    assert_eq!((&all["total"], &all["page"], &all["page_size"]), (&json!(3), &json!(1), &json!(10)));
    let ids: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|offer| offer["offer_id"].clone()).collect();
    assert_eq!(ids, made);
    let last = page("?page=2&page_size=2").await;
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    assert_eq!((&last["total"], &last["items"][0]["offer_id"]), (&json!(3), &json!(made[2])));
    assert_eq!(page("?page=9").await["items"], json!([]));
}

#[tokio::test]
async fn an_offer_past_its_time_is_listed_as_expired() {
    let app = App::start();
    let user = app.busy_and_calm("ana@example.com").await;
    app.offer_to(user).await;
    let status = async || {
        let page =
            app.get(Actor::User(user), &format!("/v1/users/{user}/offers")).await.expect(StatusCode::OK);
        page["items"][0]["status"].clone()
    };
    app.pass(Duration::from_secs(7 * 24 * 3600 - 1));
    assert_eq!(status().await, "offered");
    app.pass(Duration::from_secs(1));
    assert_eq!(status().await, "expired");
}

#[tokio::test]
async fn a_page_out_of_range_is_refused() {
    let app = App::start();
    let user = app.register("ana@example.com").await;
    let check = async |query: &str, expect: &[&str]| {
        let reply = app.get(Actor::User(user), &format!("/v1/users/{user}/offers?{query}")).await;
        assert_eq!(reply.invalid_fields(), expect, "{query}");
    };
    check("page=0", &["page"]).await;
    check("page_size=101", &["page_size"]).await;
    check("page=-1&page_size=0", &["page", "page_size"]).await;
    check("page=one", &["page"]).await;

    // Nobody is told what is wrong with a question that they may not ask anyway.
    let eve = app.register("eve@example.com").await;
    let reply = app.get(Actor::User(eve), &format!("/v1/users/{user}/offers?page=0")).await;
    assert_eq!(reply.status, 403);
}
