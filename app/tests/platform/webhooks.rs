//! From an accepted offer to the customer's own server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::process::Server;
use crate::support::{Edge, INTERNAL_KEY, MovableClock, SECRET, TestApp, eventually};

type Got = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// What a receiver does with the first that comes; all others it takes.
#[derive(Clone, Copy)]
enum First {
    Fails,
    Hangs,
}

async fn receiver(first: First) -> (SocketAddr, Got) {
    let got = Got::default();
    let receive = move |State(got): State<Got>, headers: HeaderMap, body: Bytes| async move {
        let number = {
            let mut got = got.lock().unwrap();
            got.push((headers, body));
            got.len()
        };
        match (number, first) {
            (1, First::Fails) => StatusCode::INTERNAL_SERVER_ERROR,
            (1, First::Hangs) => std::future::pending().await,
            _ => StatusCode::OK,
        }
    };
    let router = Router::new().fallback(receive).with_state(Arc::clone(&got));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, got)
}

#[tokio::test]
async fn an_active_credit_is_told_to_a_webhook_until_it_listens() {
    let (address, got) = receiver(First::Fails).await;
    let app = TestApp::with(&[("ECS_WEBHOOKS_PRIVATE", "allow")]).await;
    let ana = app.person("ana").await;
    let path = format!("/v1/users/{}/webhooks", ana.id);
    let body = json!({"url": format!("http://{address}/hooks")});
    let added = app.as_person(&ana, "POST", &path, Some(&body)).await.expect_status(201);
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"), "{added}");
    let offer = app.accept_an_offer(&ana).await;

    let deliveries = format!("{path}/{}/deliveries", added["webhook"]["id"].as_str().unwrap());
    let newest = async |state: &str, attempts: usize| {
        let page = app.as_person(&ana, "GET", &deliveries, None).await.expect_status(200);
        let newest = page["items"][0].clone();
        let reached =
            newest["state"] == state && newest["log"].as_array().is_some_and(|log| log.len() == attempts);
        reached.then_some(newest)
    };
    eventually("the first attempt has failed", async || newest("pending", 1).await).await;
    app.clock.advance(std::time::Duration::from_secs(10));
    let delivered = eventually("the second has arrived", async || newest("delivered", 2).await).await;
    let statuses: Vec<&Value> =
        delivered["log"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [500, 200]);

    let got = got.lock().unwrap().clone();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].1, got[1].1, "the same bytes each time");
    for (headers, body) in &got {
        assert_eq!(headers["webhook-id"], delivered["id"].as_str().unwrap());
        let told: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            (&told["type"], &told["data"]["offerId"]),
            (&json!("credit.limit_applied"), &json!(offer))
        );
    }
    app.stop().await;
}

/// kill -9 while the receiver has the request and has not answered: nobody knows whether it was heard, so it is told again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_was_sending_comes_again_under_its_id() {
    let (address, got) = receiver(First::Hangs).await;
    let folder = tempfile::tempdir().unwrap();
    let (secret, key) = (format!("SECRET_KEY={SECRET}"), format!("INTERNAL_SERVICE_API_KEY={INTERNAL_KEY}"));
    let allow = ["--set", "ECS_WEBHOOKS_PRIVATE=allow", "--set", &secret, "--set", &key];
    let server = Server::start_with(folder.path(), &allow).await;
    let edge =
        Edge::new(server.url.strip_prefix("http://").unwrap().parse().unwrap(), MovableClock::default());
    let ana = edge.person("ana").await;
    let path = format!("/v1/users/{}/webhooks", ana.id);
    let body = json!({"url": format!("http://{address}/hooks")});
    edge.as_person(&ana, "POST", &path, Some(&body)).await.expect_status(201);
    edge.live_well(&ana).await;
    edge.settled_books().await;
    let offer = edge.offer(&ana).await;
    edge.accept(&ana, &offer).await.expect_status(202);
    let come = async |count: usize| (got.lock().unwrap().len() >= count).then_some(());
    eventually("the first attempt is under way", async || come(1).await).await;
    server.kill().await;

    let server = Server::start_with(folder.path(), &allow).await;
    eventually("it is told again", async || come(2).await).await;
    let got = got.lock().unwrap().clone();
    assert_eq!(got[0].0["webhook-id"], got[1].0["webhook-id"]);
    assert_eq!(got[0].1, got[1].1, "the same bytes");
    server.kill().await;
}

/// Nobody reaches through a platform what only it can reach.
#[tokio::test]
async fn without_the_setting_no_webhook_leads_inside() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let path = format!("/v1/users/{}/webhooks", ana.id);
    for url in ["http://hooks.example/ecs", "https://127.0.0.1:9999/", "https://[::1]/", "https://localhost/"]
    {
        let answer = app.as_person(&ana, "POST", &path, Some(&json!({"url": url}))).await;
        answer.expect_problem(422, &["url"]);
    }
    app.stop().await;
}
