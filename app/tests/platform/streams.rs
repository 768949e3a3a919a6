//! Notifications over real HTTP while they come.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::support::{DEADLINE, Person, TestApp, eventually};

/// A stream as a client reads it.
struct Stream {
    answer: Response<UnsyncBoxBody<Bytes, anyhow::Error>>,
    text: String,
    /// It would take its connections along.
    _client: Client<HttpConnector, Empty<Bytes>>,
}

impl Stream {
    /// Opens one for `person`, on a connection of its own.
    async fn open(app: &TestApp, person: &Person, method: &str, last_event_id: Option<&str>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let path = format!("/v1/users/{}/notifications/stream", person.id);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", app.platform.address()))
            .header("authorization", format!("Bearer {}", person.token));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = client.request(request.body(Empty::new()).unwrap());
        let answer = timeout(DEADLINE, answer).await.expect("the head comes at once").unwrap();
        let answer = answer.map(|body| body.map_err(anyhow::Error::from).boxed_unsync());
        Self { answer, text: String::new(), _client: client }
    }

    fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// Reads until there is an event of this kind; returns its lines. `None` when the stream came to its end.
    async fn event(&mut self, kind: &str) -> Option<String> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if block.contains(&format!("event: {kind}\n")) {
                    return Some(block);
                }
            }
            let frame = timeout(DEADLINE, self.answer.frame()).await.expect("a piece in time")?;
            let piece = frame.expect("the stream isn't broken off").into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

fn line<'a>(event: &'a str, name: &str) -> &'a str {
    event.lines().find_map(|line| line.strip_prefix(name)).unwrap()
}

impl TestApp {
    /// Lets `person` earn, apply and accept. Returns the offer.
    async fn accept_an_offer(&self, person: &Person) -> Value {
        for n in 0..10 {
            let body = json!({"userId": person.id, "amount": 500, "transactionId": format!("t{n}")});
            self.as_person(person, "POST", "/v1/transactions", Some(&body)).await.expect_status(202);
        }
        self.settled().await;
        let analysis = format!("/v1/users/{}/credit-analysis", person.id);
        let answer = self.as_person(person, "POST", &analysis, None).await.expect_status(200);
        let offer = answer["offer"]["offer_id"].clone();
        let accept = format!("/v1/credit-offers/{}/accept", offer.as_str().unwrap());
        let body = json!({"userId": person.id});
        self.as_person(person, "POST", &accept, Some(&body)).await.expect_status(202);
        offer
    }
}

#[tokio::test]
async fn a_notification_arrives_on_the_open_stream_and_a_stop_ends_it() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let mut stream = Stream::open(&app, &ana, "GET", None).await;
    let content_type = stream.answer.headers()["content-type"].to_str().unwrap();
    assert_eq!((stream.status(), content_type), (200, "text/event-stream"));
    let offer = app.accept_an_offer(&ana).await;
    let event = stream.event("notification").await.unwrap();
    let told: Value = serde_json::from_str(line(&event, "data: ")).unwrap();
    assert_eq!((line(&event, "id: "), &told["sequence"], &told["offer_id"]), ("1", &json!(1), &offer));
    let list = format!("/v1/users/{}/notifications", ana.id);
    let page = app.as_person(&ana, "GET", &list, None).await.expect_status(200);
    assert_eq!(page["items"][0], told);

    // The stream is open; a stop doesn't wait for its client.
    let before = Instant::now();
    let app = app.restart().await;
    assert!(before.elapsed() < Duration::from_secs(9), "it took {:?}", before.elapsed());
    let end = stream.event("end").await.expect("the stream says that it ends");
    assert_eq!(line(&end, "data: "), "{\"reason\":\"stopping\"}");
    assert_eq!(stream.event("notification").await, None, "the body ends as it should");

    let mut again = Stream::open(&app, &ana, "GET", Some("0")).await;
    let event = again.event("notification").await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(line(&event, "data: ")).unwrap(), told);
    drop(again);
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
        let stream = Stream::open(&app, &ana, "GET", None).await;
        if stream.status() == 200 {
            streams.push(stream);
            return None;
        }
        Some(stream)
    })
    .await;
    assert_eq!((full.status(), streams.len()), (503, 8));
    assert!(full.answer.headers().contains_key("retry-after"));
    // Other calls of the same person aren't affected.
    app.as_person(&ana, "GET", &format!("/v1/users/{}", ana.id), None).await.expect_status(200);
    streams.pop();
    let freed = async || (Stream::open(&app, &ana, "GET", None).await.status() == 200).then_some(());
    eventually("there is a seat again", freed).await;
    app.stop().await;
}

#[tokio::test]
async fn the_head_of_a_stream_comes_alone() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    for _ in 0..20 {
        let mut head = Stream::open(&app, &ana, "HEAD", None).await;
        assert_eq!(head.status(), 200);
        assert_eq!(head.event("notification").await, None);
    }
    app.stop().await;
}
