//! The anonymised export: who is in it, what it says, who may have it, and what is left in the audit log.

use axum::body::Body;
use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_domain::permission::{Permission, Role};
use ecs_domain::transaction::Transaction;
use ecs_domain::{Clock as _, EventId, Money, TransactionId, UserId};
use ecs_store::audit::{Act, Audit as _, EntryFilter};
use ecs_store::{AttributesOfUsers as _, Consents as _, Folds as _, NewUser, Users as _};
use ecs_web::Identity;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::support::{Scene, operator};

fn officer() -> Identity {
    Identity::with(UserId::new(Uuid::from_u128(7)), [Permission::ResearchExport])
}

fn request(body: &Value) -> Request<Body> {
    let request = Request::post("/v1/research/exports").header("content-type", "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

impl Scene {
    /// Registers somebody who agrees to all of it, and bought something in August.
    async fn add(&self, number: u128, age_band: &str, region: &str) -> UserId {
        let store = &self.platform.store;
        let (user, now) = (UserId::new(Uuid::from_u128(1_000 + number)), self.platform.clock.now());
        let email = format!("person{number}@example.com").parse().unwrap();
        let account = NewUser { id: user, email, password_hash: "hash".to_owned(), now };
        store.register(account, None).await.unwrap();
        for purpose in [Purpose::Research, Purpose::Demographics] {
            store.set_consent(user, purpose, true.into(), now).await.unwrap();
        }
        let attributes =
            Attributes { age_band: Some(age_band.parse().unwrap()), region: Some(region.parse().unwrap()) };
        store.put_attributes(user, attributes, now).await.unwrap().unwrap();
        let bought = Transaction {
            id: TransactionId::from(EventId::new(Uuid::from_u128(2_000 + number))),
            user,
            amount: Money::from_minor_units(10_000 + i64::try_from(number % 2).unwrap() * 50_000),
            currency: "BRL".parse().unwrap(),
            occurred_at: "2025-08-09T12:00:00Z".parse().unwrap(),
            merchant: None,
            category: None,
            channel: None,
            client_id: None,
        };
        store.fold_transactions(&[bought], now).await.unwrap();
        user
    }

    /// The lines of an export, of which the first is the summary.
    async fn export(&self, body: &Value) -> Vec<Value> {
        let answer = self.answer(request(body), officer()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        body.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    async fn answer(&self, mut request: Request<Body>, identity: Identity) -> http::Response<Body> {
        request.headers_mut().insert("authorization", self.bearer(&identity).parse().unwrap());
        self.role.routes().oneshot(request).await.unwrap()
    }
}

fn august() -> Value {
    json!({"month": "2025-08"})
}

/// Twelve of one group, and three whom nobody could hide.
async fn with_fifteen() -> Scene {
    let scene = Scene::open();
    for number in 0..12 {
        scene.add(number, "25-34", "BR-SP").await;
    }
    for number in 12..15 {
        scene.add(number, "65+", "AR").await;
    }
    scene
}

#[tokio::test]
async fn a_month_is_exported_in_groups_of_ten_and_more() {
    let scene = with_fifteen().await;
    let lines = scene.export(&august()).await;
    assert_eq!(
        lines[0]["summary"],
        json!({"people": 15, "rows": 12, "generalised": 0, "groups": 1, "suppressed_cells": 1,
            "suppressed_people": 3, "withheld_values": 60})
    );
    assert_eq!(lines.len(), 13);
    for row in &lines[1..] {
        assert_eq!((&row["age_band"], &row["region"]), (&json!("25-34"), &json!("BR-SP")));
        assert_eq!((&row["month"], &row["transactions"]), (&json!("2025-08"), &json!("*")));
        let spend = row["spend"].as_str().unwrap();
        assert!(["100-499", "500-1999"].contains(&spend), "{row}");
        assert_eq!(row["pseudonym"].as_str().unwrap().len(), 32);
    }
    assert_eq!(scene.export(&august()).await, lines, "the same within the period");
    let more = scene.export(&json!({"month": "2025-08", "k": 13})).await;
    assert_eq!((more.len(), &more[0]["summary"]["rows"]), (16, &json!(15)), "all in one group");
    let july = scene.export(&json!({"month": "2025-07"})).await;
    assert_eq!(july[1]["transactions"], "*");
    let pseudonyms = |lines: &[Value]| -> Vec<String> {
        lines[1..].iter().map(|row| row["pseudonym"].to_string()).collect()
    };
    let august = pseudonyms(&lines);
    assert!(pseudonyms(&july).iter().all(|one| !august.contains(one)), "no history of a person");
}

#[tokio::test]
async fn who_takes_consent_back_is_in_no_new_export() {
    let scene = with_fifteen().await;
    assert_eq!(scene.export(&august()).await.len(), 13);
    let (now, store) = (scene.platform.clock.now(), &scene.platform.store);
    for number in 0..3 {
        let user = UserId::new(Uuid::from_u128(1_000 + number));
        store.set_consent(user, Purpose::Research, false.into(), now).await.unwrap();
    }
    let lines = scene.export(&august()).await;
    let summary = &lines[0]["summary"];
    assert_eq!((&summary["people"], &summary["rows"]), (&json!(12), &json!(12)), "nine and three are twelve");
    assert_eq!((&lines[1]["age_band"], &lines[1]["region"]), (&json!("*"), &json!("*")));
}

#[tokio::test]
async fn whoever_names_csv_gets_it() {
    let scene = with_fifteen().await;
    let mut wanted = request(&august());
    wanted.headers_mut().insert("accept", "text/csv".parse().unwrap());
    let answer = scene.answer(wanted, officer()).await;
    assert_eq!(answer.headers()["content-type"], "text/csv");
    let summary: Value = serde_json::from_slice(answer.headers()["export-summary"].as_bytes()).unwrap();
    assert_eq!(summary["suppressed_people"], 3);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let lines: Vec<_> = std::str::from_utf8(&body).unwrap().lines().collect();
    assert_eq!(lines.len(), 13);
    assert!(lines[0].starts_with("pseudonym,month,age_band,region,transactions,spend,"), "{}", lines[0]);
    assert!(lines[1].contains(",2025-08,25-34,BR-SP,*,"), "{}", lines[1]);
}

#[tokio::test]
async fn an_export_is_the_privacy_officers_and_leaves_an_entry() {
    let scene = with_fifteen().await;
    let (status, _) = scene.send(request(&august()), Some(operator())).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, problem) = scene.send(request(&json!({"month": "2999-01"})), Some(officer())).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "month");
    let filter = EntryFilter { act: Some(Act::ResearchExported), ..EntryFilter::default() };
    let entries = async || scene.platform.store.entries(&filter, None, 10).await.unwrap();
    assert_eq!(entries().await, []);
    scene.export(&august()).await;
    let entries = entries().await;
    assert_eq!((entries.len(), entries[0].subject.as_str()), (1, "research 2025-08"));
    assert_eq!(entries[0].actor, Uuid::from_u128(7));
    let after: Value = serde_json::from_str(&entries[0].after).unwrap();
    assert_eq!(after, json!({"k": 10, "rows": 12, "groups": 1, "suppressed_people": 3}));
    for role in Role::ALL {
        let may = role.permissions().contains(&Permission::ResearchExport);
        assert_eq!(may, matches!(role, Role::PrivacyOfficer | Role::Admin), "{role}");
    }
}

#[tokio::test]
async fn one_export_is_made_at_a_time() {
    let scene = with_fifteen().await;
    let first = scene.answer(request(&august()), officer()).await;
    let second = scene.answer(request(&august()), officer()).await;
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(second.headers().contains_key("retry-after"));
    first.into_body().collect().await.unwrap();
    assert_eq!(scene.export(&august()).await.len(), 13);
}
