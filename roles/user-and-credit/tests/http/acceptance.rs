//! Accepting offers.

use std::time::Duration;

use ecs_bus::Event;
use ecs_bus::payload::OfferPayload;
use ecs_store::Outbox as _;
use http::StatusCode;
use serde_json::json;

use crate::support::{Actor, App, new_user_id};

/// What waits in the outbox, as the relay would publish it.
async fn outbox(app: &App) -> Vec<Event> {
    let rows = app.store.claim_outbox(10, app.now(), Duration::from_millis(1)).await.unwrap();
    app.pass(Duration::from_millis(1));
    rows.iter().map(|row| ecs_work::outbox::event(row).unwrap()).collect()
}

#[tokio::test]
async fn an_offer_is_accepted_once_and_announced_once() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let offer = app.offer_to(ana).await;
    let accepted = app.accept(Actor::User(ana), ana, &offer).await.expect(StatusCode::ACCEPTED);
    assert_eq!(accepted, json!({"status": "offer acceptance is being processed"}));
    let woken = tokio::time::timeout(Duration::from_secs(30), app.wake.woken()).await;
    assert!(woken.is_ok(), "the relay is woken");

    app.accept(Actor::User(ana), ana, &offer).await.expect(StatusCode::CONFLICT);
    app.accept(Actor::Operator, ana, &offer).await.expect(StatusCode::CONFLICT);
    let events = outbox(&app).await;
    assert_eq!(events.len(), 1);
    let approved = OfferPayload::decode(&events[0]).unwrap();
    assert_eq!((approved.user, approved.offer.to_string()), (ana, offer));
    assert_eq!(approved.terms.credit_limit.digits(), "5000.00");
    assert_eq!(events[0].headers.request_id.as_deref().map(str::len), Some(32), "the request is named");
    assert!(events[0].headers.traceparent.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_accept_at_once_one_is_told_so() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let offer = app.offer_to(ana).await;
    let (a, b) =
        tokio::join!(app.accept(Actor::User(ana), ana, &offer), app.accept(Actor::Operator, ana, &offer));
    let mut statuses = [a.status, b.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::ACCEPTED, StatusCode::CONFLICT]);
    assert_eq!(outbox(&app).await.len(), 1);
}

#[tokio::test]
async fn an_offer_of_somebody_else_is_not_found_and_stays_open() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let bia = app.register("bia@example.com").await;
    let offer = app.offer_to(ana).await;
    app.accept(Actor::User(bia), bia, &offer).await.expect(StatusCode::NOT_FOUND);
    app.accept(Actor::User(bia), ana, &offer).await.expect(StatusCode::FORBIDDEN);
    app.accept(Actor::User(ana), ana, &new_user_id().to_string()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(outbox(&app).await, []);
    app.accept(Actor::User(ana), ana, &offer).await.expect(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_offer_can_be_accepted_for_seven_days() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let offer = app.offer_to(ana).await;
    app.pass(Duration::from_secs(7 * 24 * 3600));
    app.accept(Actor::User(ana), ana, &offer).await.expect(StatusCode::GONE);
    assert_eq!(outbox(&app).await, []);
}

#[tokio::test]
async fn a_repeated_analysis_does_not_show_an_accepted_offer_as_open() {
    for cache in [ecs_cache::Cache::none(), crate::support::Setup::default().cache] {
        let app = App::with(crate::support::Setup { cache, ..Default::default() });
        let ana = app.busy_and_calm("ana@example.com").await;
        let offer = app.offer_to(ana).await;
        app.accept(Actor::User(ana), ana, &offer).await.expect(StatusCode::ACCEPTED);
        for _ in 0..2 {
            let answer = app.analyse(ana).await.expect(StatusCode::OK);
            assert_eq!((&answer["repeated"], &answer["offer"]["status"]), (&json!(true), &json!("accepted")));
        }
    }
}

#[tokio::test]
async fn an_acceptance_names_its_user() {
    let app = App::start();
    let path = format!("/v1/credit-offers/{}/accept", new_user_id());
    let check = async |body: serde_json::Value| {
        let reply = app.post(Actor::Operator, &path, body.clone()).await;
        assert_eq!(reply.invalid_fields(), ["userId"], "{body}");
    };
    check(json!({})).await;
    check(json!({"userId": "42"})).await;
    check(json!({"userId": 42})).await;
}
