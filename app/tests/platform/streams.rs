//! Notifications over real HTTP while they come.

use std::time::Duration;

use bytes::Bytes;
use ecs_client::accounts::NotificationItem;
use ecs_client::follow::{Following, Told};
use ecs_domain::OfferId;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::{DEADLINE, Person, TestApp, eventually};

impl TestApp {
    /// Lets `person` earn, apply and accept. Returns the offer.
    pub(crate) async fn accept_an_offer(&self, person: &Person) -> OfferId {
        for n in 0..10 {
            let body = json!({"userId": person.id, "amount": 300, "transactionId": format!("t{n}")});
            self.as_person(person, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
        }
        self.settled().await;
        let client = self.client_of(person);
        let offer = client.analyse(person.id).await.unwrap().offer.unwrap().offer_id;
        client.accept(offer, person.id).await.unwrap();
        offer
    }

    /// What the stream's path answers to `person`, on a connection of its own. Only its head has come.
    async fn stream(&self, person: &Person, method: &str) -> Response<UnsyncBoxBody<Bytes, anyhow::Error>> {
        let path = format!("/v1/users/{}/notifications/stream", person.id);
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.platform.address()))
            .header("authorization", format!("Bearer {}", person.token))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        let answer = timeout(DEADLINE, client.request(request)).await.expect("the head comes at once");
        answer.unwrap().map(|body| body.map_err(anyhow::Error::from).boxed_unsync())
    }
}

async fn next(stream: &mut Following) -> Option<Told> {
    timeout(DEADLINE, stream.next()).await.expect("something in time").unwrap()
}

async fn notification(stream: &mut Following) -> (u64, NotificationItem) {
    match next(stream).await {
        Some(Told::Notification(number, item)) => (number, item),
        other => panic!("no notification but {other:?}"),
    }
}

#[tokio::test]
async fn a_notification_arrives_on_the_open_stream_and_a_stop_ends_it() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let mut stream = app.client_of(&ana).follow(ana.id, None).await.unwrap();
    let offer = app.accept_an_offer(&ana).await;
    let (number, told) = notification(&mut stream).await;
    assert_eq!((number, told.offer_id, told.kind.as_str()), (1, Some(offer), "CREDIT_LIMIT_APPLIED"));
    assert_eq!(
        app.client_of(&ana).notifications(ana.id, 1, 10).await.unwrap().items,
        std::slice::from_ref(&told)
    );

    // The stream is open; a stop doesn't wait for its client until the drain's deadline.
    let before = Instant::now();
    let app = app.restart().await;
    assert!(before.elapsed() < Duration::from_secs(9), "it took {:?}", before.elapsed());
    assert_eq!(next(&mut stream).await, Some(Told::End("stopping".to_owned())));
    assert_eq!(next(&mut stream).await, None, "the body ends as it should");

    // Another start is as good as another instance.
    let mut stream = app.client_of(&ana).follow(ana.id, Some(0)).await.unwrap();
    assert_eq!(notification(&mut stream).await, (1, told));
    let read = format!("/v1/users/{}/notifications/read", ana.id);
    let marked = app.as_person(&ana, "POST", &read, Some(&json!({"upTo": 1}))).await.expect_status(200);
    assert_eq!(marked, json!({"marked": 1, "unread": 0}));
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_its_seat() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let mut streams = Vec::new();
    let full = eventually("no more streams are opened", async || {
        let answer = app.stream(&ana, "GET").await;
        if answer.status().as_u16() == 200 {
            streams.push(answer);
            return None;
        }
        Some(answer)
    })
    .await;
    assert_eq!((full.status().as_u16(), streams.len()), (503, 8));
    assert!(full.headers().contains_key("retry-after"));
    // Other calls of the same person aren't affected.
    app.as_person(&ana, "GET", &format!("/v1/users/{}", ana.id), None).await.expect_status(200);
    streams.pop();
    let freed = async || (app.stream(&ana, "GET").await.status().as_u16() == 200).then_some(());
    eventually("there is a seat again", freed).await;
    app.stop().await;
}

#[tokio::test]
async fn the_head_of_a_stream_comes_alone() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    // More often than there are seats: none of them is kept.
    for _ in 0..20 {
        let head = app.stream(&ana, "HEAD").await;
        assert_eq!(head.status().as_u16(), 200);
        let body = timeout(DEADLINE, head.into_body().collect()).await.expect("it ends").unwrap();
        assert!(body.to_bytes().is_empty());
    }
    app.stop().await;
}
