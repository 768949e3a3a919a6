//! Limits as customers meet them, and the lock on guessed passwords.

use std::time::Duration;

use ecs_servers::{Engine, Redis, RedisOptions, did_not_run, unavailable_privately};
use serde_json::json;

use crate::support::edge::Person;
use crate::support::http::Answer;
use crate::support::{PASSWORD, TestApp, eventually};

const LIMIT: &str = "ratelimit-limit";
const REMAINING: &str = "ratelimit-remaining";
const RESET: &str = "ratelimit-reset";
const RETRY_AFTER: &str = "retry-after";

/// A header's number. The clock goes on while a test runs, so seconds are only about right.
fn number(answer: &Answer, name: &str) -> Option<u64> {
    answer.headers.get(name).map(|value| value.to_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_user_who_asks_too_often_hears_when_to_come_back_and_others_do_not() {
    let app = TestApp::with(&[("ECS_RATE_LIMITS", "read.user=1/10m:2")]).await;
    let (ana, bia) = (app.person("ana").await, app.person("bia").await);
    let offers = async |person: &Person| {
        app.as_person(person, "GET", &format!("/v1/users/{}/offers", person.id), None).await
    };
    for left in [1, 0] {
        let answer = offers(&ana).await;
        answer.expect_status(200);
        assert_eq!((number(&answer, LIMIT), number(&answer, REMAINING)), (Some(2), Some(left)));
    }
    let refused = offers(&ana).await;
    refused.expect_problem(429, &[]);
    assert_eq!(number(&refused, REMAINING), Some(0));
    assert!((1_000..=1_200).contains(&number(&refused, RESET).unwrap()));
    assert!((400..=600).contains(&number(&refused, RETRY_AFTER).unwrap()));
    offers(&bia).await.expect_status(200);
    app.clock.advance(Duration::from_secs(600));
    offers(&ana).await.expect_status(200);
    let metrics = app.http.get("/metrics", &[]).await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("ecs_rate_limited_total{class=\"read\",subject=\"user\"} 1"), "{metrics}");
    app.stop().await;
}

#[tokio::test]
async fn a_proxy_that_is_trusted_speaks_for_its_clients() {
    let limits = ("ECS_RATE_LIMITS", "credentials.address=1/h:1");
    let app = TestApp::with(&[limits, ("ECS_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let body = json!({"email": "nobody@example.com", "password": PASSWORD});
    let check = async |forwarded: &str, expect: u16| {
        let headers = [("x-forwarded-for", forwarded)];
        app.http.post("/v1/auth/login", &headers, &body).await.expect_status(expect);
    };
    check("203.0.113.9", 401).await;
    check("203.0.113.9", 429).await;
    check("203.0.113.9, 203.0.113.10", 401).await;
    check("2001:db8::1", 401).await;
    check("2001:db8::2", 429).await;
    app.stop().await;
}

/// Whoever guesses at one process is locked out of the other, too.
#[tokio::test]
async fn processes_that_share_a_redis_count_guesses_together() {
    if let Some(reason) = unavailable_privately(Engine::Redis) {
        return did_not_run("guesses over two processes", &reason);
    }
    let server = Redis::start(RedisOptions::default()).await.unwrap();
    let one = TestApp::with(&[("REDIS_URL", server.url())]).await;
    let other = TestApp::with(&[("REDIS_URL", server.url())]).await;
    eventually("both have told Redis of themselves", async || {
        let processes = server.command(&["ZCARD", "ecs:v1:limits:processes"]).await.unwrap();
        (processes == ":2").then_some(())
    })
    .await;
    let body = json!({"email": "nobody@example.com", "password": PASSWORD});
    let guess = async |app: &TestApp| app.http.post("/v1/auth/login", &[], &body).await.status.as_u16();
    let is_locked = async || (guess(&one).await == 429).then_some(());
    eventually("it is locked where it was guessed", is_locked).await;
    let mut tried = 0;
    while guess(&other).await != 429 {
        tried += 1;
        assert!(tried <= 2, "the other process lets in more than its credit");
    }
    one.stop().await;
    other.stop().await;
}

/// With calls unlimited, the lock stays.
#[tokio::test]
async fn whoever_guesses_a_password_locks_its_owner_out_of_no_known_device() {
    let app = TestApp::start().await;
    app.person("ana").await;
    let log_in = async |password: &str, device: Option<&str>| {
        let body = json!({"email": "ana@example.com", "password": password, "device_token": device});
        app.http.post("/v1/auth/login", &[], &body).await
    };
    let session = log_in(PASSWORD, None).await.expect_status(200);
    let device = session["device_token"].as_str().unwrap();
    for _ in 0..10 {
        log_in("a guess of somebody", None).await.expect_status(401);
    }
    let locked = log_in(PASSWORD, None).await;
    locked.expect_problem(429, &[]);
    assert!((1..=90).contains(&number(&locked, RETRY_AFTER).unwrap()));
    assert_eq!(number(&locked, LIMIT), None, "it is not the gateway's limit");
    log_in(PASSWORD, Some(device)).await.expect_status(200);
    app.stop().await;
}
