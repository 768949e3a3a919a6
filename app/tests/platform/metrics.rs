//! What the platform counts is what was done, under bounded labels.

use std::collections::BTreeSet;

use ecs_api_gateway::{Access, ROUTES};
use ecs_bus::Subject;
use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_metrics::read::{Exposition, Sample};
use serde_json::json;

use crate::support::{INTERNAL_KEY, PASSWORD, Person, TestApp, emotion, eventually};

/// More series than this one process never has, whatever it is asked: each route with each method and the statuses that
/// come of it, and a histogram for each route and query, come to some 2,900.
const MOST_SERIES: usize = 3_800;

const PAGE: &str = include_str!("../../../docs/metrics.md");

impl TestApp {
    pub(crate) async fn metrics(&self) -> Exposition {
        let answer = self.http.get("/metrics", &[]).await;
        assert_eq!(answer.status.as_u16(), 200);
        Exposition::read(std::str::from_utf8(&answer.body).unwrap()).unwrap()
    }

    /// Events, an application that is accepted, a repeated request, and an event that nobody can work on.
    async fn busy_day(&self) -> Person {
        let ana = self.person("ana").await;
        for n in 0..10 {
            let event = emotion(ana.id, self.platform_now(), &format!("e{n}"), (0.85, 0.4, 0.1));
            self.emotion(&event).await.expect_status(202);
            let bought = json!({"userId": ana.id, "amount": 300, "transactionId": format!("t{n}")});
            self.as_person(&ana, "POST", "/v1/transactions", Some(&bought)).await.expect_status(202);
        }
        let stranger = UserId::new(uuid::Uuid::from_u128(7));
        self.emotion(&emotion(stranger, self.platform_now(), "e0", (0.5, 0.5, 0.5))).await.expect_status(202);
        self.settled().await;

        let analysis = format!("/v1/users/{}/credit-analysis", ana.id);
        for _ in 0..3 {
            self.as_person(&ana, "POST", &analysis, None).await.expect_status(200);
        }
        let decided = self.as_person(&ana, "POST", &analysis, None).await.expect_status(200);
        let accept = format!("/v1/credit-offers/{}/accept", decided["offer"]["offer_id"].as_str().unwrap());
        let bearer = format!("Bearer {}", ana.token);
        let keyed = [("authorization", bearer.as_str()), ("idempotency-key", "accept-1")];
        for _ in 0..2 {
            self.http.post(&accept, &keyed, &json!({"userId": ana.id})).await.expect_status(202);
        }
        let notifications = format!("/v1/users/{}/notifications", ana.id);
        eventually("Ana is notified", async || {
            let page = self.as_person(&ana, "GET", &notifications, None).await.expect_status(200);
            (page["total"] == 1).then_some(())
        })
        .await;
        self.settled().await;
        ana
    }
}

#[tokio::test]
async fn what_is_counted_is_what_was_done() {
    let app = TestApp::start().await;
    let ana = app.busy_day().await;
    let read = app.metrics().await;
    let check = |name: &str, labels: &[(&str, &str)], expect: f64| {
        assert_eq!(read.sum(name, labels), Some(expect), "{name} {labels:?}");
    };
    for (subject, events) in Subject::ALL.into_iter().zip([11.0, 10.0, 1.0, 1.0]) {
        let subject = ("subject", subject.as_str());
        check("ecs_bus_published_total", &[subject, ("result", "ok")], events);
        check("ecs_bus_published_total", &[subject], events);
        check("ecs_bus_delivered_total", &[subject], events);
        check("ecs_bus_redelivered_total", &[subject], 0.0);
        for stage in ["published", "delivered"] {
            check("ecs_bus_batch_events_sum", &[subject, ("stage", stage)], events);
        }
    }
    let emotions = ("subject", Subject::Emotions.as_str());
    check("ecs_bus_dead_letters_total", &[emotions, ("kind", "unknown-user")], 1.0);
    check("ecs_bus_dead_letters_total", &[], 1.0);

    let answered = |role, route, method, status, expect| {
        let labels = [("role", role), ("route", route), ("method", method), ("status", status)];
        check("ecs_http_requests_total", &labels, expect);
    };
    answered("emotion-ingestion", "/v1/emotions/stream", "POST", "202", 11.0);
    answered("transaction-ingestion", "/v1/transactions", "POST", "202", 10.0);
    answered("user-and-credit", "/v1/users/{user_id}/credit-analysis", "POST", "200", 4.0);
    answered("user-and-credit", "/v1/credit-offers/{offer_id}/accept", "POST", "202", 2.0);
    let route = ("route", "/v1/transactions");
    check("ecs_http_request_duration_seconds_count", &[route], 10.0);
    // The scrape itself is under way.
    check("ecs_http_requests_in_flight", &[], 1.0);

    check("ecs_credit_decisions_total", &[("outcome", "approved")], 1.0);
    check("ecs_idempotent_replays_total", &[], 1.0);
    let query = ("query", "credit.record_decision");
    check("ecs_store_query_duration_seconds_count", &[query, ("outcome", "ok")], 1.0);
    assert!(read.sum("ecs_cache_lookups_total", &[("level", "process"), ("result", "hit")]).unwrap() >= 1.0);
    check("ecs_role_running", &[], 10.0);
    check("ecs_bus_oldest_pending_age_seconds", &[("subject", "credit.offers.approved")], 0.0);

    let told = format!("{read:?}").to_lowercase();
    let id = ana.id.to_string();
    for private in [id.as_str(), "ana@", "example.com", PASSWORD, INTERNAL_KEY] {
        assert!(!told.contains(private), "the metrics tell {private}");
    }
    app.stop().await;
}

/// The words that the page of the metrics allows a label.
fn documented(label: &str) -> BTreeSet<&'static str> {
    let row = PAGE.lines().find_map(|line| line.strip_prefix(&format!("| `{label}` | ")));
    let row = row.unwrap_or_else(|| panic!("docs/metrics.md does not list {label}"));
    row.split('`').skip(1).step_by(2).collect()
}

fn is_documented(label: &str, value: &str) -> bool {
    match label {
        "le" | "version" => true,
        "route" => documented(label).contains(value) || ROUTES.iter().any(|route| route.path == value),
        "status" => value == "other" || (value.len() == 3 && value.parse::<u16>().is_ok()),
        "query" => {
            let is_word = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            value.split_once('.').is_some_and(|(resource, done)| is_word(resource) && is_word(done))
        }
        "breaker" => is_breaker(value) || documented(label).contains(value),
        _ => documented(label).contains(value),
    }
}

/// Those that are named after a role or a replica: with a number where there are several.
fn is_breaker(name: &str) -> bool {
    let numbered = name.rsplit_once('-').filter(|(_, number)| number.parse::<u8>().is_ok());
    let plain = numbered.map_or(name, |(plain, _)| plain);
    let role = plain.strip_prefix("role-").is_some_and(|role| documented("role").contains(role));
    role || (numbered.is_some() && plain == "database-replica")
}

/// Every method on every route, with credentials and without, and whatever else anybody may think of.
async fn ask_for_everything(app: &TestApp, ana: &Person, round: u32) {
    let bearer = format!("Bearer {}", app.token(ana.id, Permission::ALL));
    for route in ROUTES {
        // The stream refuses this; without it, its answer would have no end.
        let mut headers = vec![("last-event-id", "none"), ("content-type", "application/json")];
        match route.access {
            Access::Public => {}
            Access::Token | Access::TokenAsLastKnown => headers.push(("authorization", &bearer)),
            Access::Key(_) => headers.push(("x-internal-key", INTERNAL_KEY)),
        }
        let id = uuid::Uuid::from_u128(u128::from(round));
        let path = route.path.replace("{purpose}", "emotion-analysis");
        let path =
            path.split('/').map(|part| if part.starts_with('{') { id.to_string() } else { part.to_owned() });
        let path = path.collect::<Vec<_>>().join("/");
        for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"] {
            app.http.head_of(method, &path, &headers).await;
            app.http.head_of(method, &path, &[]).await;
        }
    }
    for n in 0..200 {
        let path = format!("/v1/{}/{n}", uuid::Uuid::from_u128(u128::from(round) << 64 | n));
        app.http.send(&format!("M{round}N{n}"), &path, &[], "").await;
        app.http.send("GET", &path, &[("x-request-id", &path)], "").await.expect_problem(404, &[]);
    }
}

#[tokio::test]
async fn no_traffic_makes_more_series_than_there_are_words_for() {
    let app = TestApp::start().await;
    let ana = app.busy_day().await;
    ask_for_everything(&app, &ana, 1).await;
    // The first look counts the second's own route.
    app.metrics().await;
    // What a route answers may change with the rounds, and the store may do its upkeep meanwhile.
    let requests = |read: &Exposition| -> BTreeSet<String> {
        let requests = read.samples.iter().filter(|sample| sample.name.starts_with("ecs_http_"));
        let but_status = |sample: &Sample| {
            let mut labels = sample.labels.clone();
            labels.remove("status");
            format!("{} {labels:?}", sample.name)
        };
        requests.map(but_status).collect()
    };
    let first = app.metrics().await;
    ask_for_everything(&app, &ana, 2).await;
    let second = app.metrics().await;
    let new: Vec<String> = requests(&second).difference(&requests(&first)).cloned().collect();
    assert!(new.is_empty(), "other ids and paths, other series: {new:#?}");
    let series = second.samples.len();
    assert!(series < MOST_SERIES, "{series} series");
    assert!(series > 300, "only {series} series: was anything counted?");
    for sample in &second.samples {
        for (label, value) in &sample.labels {
            assert!(is_documented(label, value), "{label}={value:?} of {} is not documented", sample.name);
        }
    }
    app.stop().await;
}
