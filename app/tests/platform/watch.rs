//! The watch over decisions in a whole platform: a shift becomes an event that somebody hears, and without one it is quiet.

use std::time::Duration;

use ecs_bus::payload::{Alert, AlertAbout, AlertPayload, Severity};
use ecs_bus::{Frontier, Subject};
use ecs_domain::clock::midnight;
use ecs_domain::permission::Permission;
use ecs_domain::{UserId, utc_day};
use ecs_store::{NewUser, Store};
use ecs_work_testkit::decisions::{decision, draws, keep};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{TestApp, eventually};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// About how many people.
const PEOPLE: u32 = 200;

/// Decisions about many people over five weeks, one a week each, with scores about `middle`, those of the last week about `lately`.
async fn weeks(app: &TestApp, middle: f64, lately: f64) {
    let (store, now) = (app.platform.storage().store().unwrap(), app.platform_now());
    let today = midnight(utc_day(now));
    let mut scores = draws(7);
    for number in 0..PEOPLE {
        let user = register(store.as_ref(), now).await;
        let made = (0..5_u32).rev().map(|week| {
            let at = today - DAY * (7 * week + number % 7);
            let middle = if week == 0 { lately } else { middle };
            let spread = scores.next().unwrap_or_default() - 0.5;
            decision(user, at, "scorecard-1", middle + spread / 4.0, false)
        });
        keep(store.as_ref(), made.collect::<Vec<_>>(), now).await;
    }
}

async fn register(store: &dyn Store, now: ecs_domain::Timestamp) -> UserId {
    let id = UserId::new(Uuid::new_v4());
    let email = format!("{id}@example.com").parse().unwrap();
    store.register(NewUser { id, email, password_hash: "none".to_owned(), now }, None).await.unwrap();
    id
}

/// What was published so far.
async fn alerts(app: &TestApp) -> Vec<Alert> {
    let bus = app.platform.storage().bus().unwrap();
    let page = bus.log(Subject::Alerts, &Frontier::default(), 100).await.unwrap();
    page.records.iter().map(|record| AlertPayload::decode(&record.event).unwrap()).collect()
}

/// A look has seen all of them: it is made when a process starts.
async fn watched(app: &TestApp) -> Value {
    let bearer = format!("Bearer {}", app.token(UserId::new(Uuid::new_v4()), &[Permission::WatchRead]));
    eventually("the decisions are counted", async || {
        let answer = app.http.get("/v1/watch/drift", &[("authorization", &bearer)]).await;
        let measures = answer.json()["measures"].as_array()?.clone();
        measures.into_iter().find(|it| it["measure"] == "score" && it["window"] == PEOPLE)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_becomes_an_alert() {
    let app = TestApp::start().await;
    weeks(&app, 0.3, 0.6).await;
    let app = app.restart().await;
    let alert = eventually("an alert is published", async || alerts(&app).await.pop()).await;
    let AlertAbout::Drift(drift) = &alert.about else { panic!("{alert:?}") };
    assert_eq!((drift.model.as_str(), drift.measure.as_str()), ("scorecard-1", "score"));
    assert_eq!((alert.severity, drift.verdict.as_str()), (Severity::Critical, "major"));
    assert_eq!((drift.window, drift.reference), (u64::from(PEOPLE), u64::from(PEOPLE) * 4));
    let score = watched(&app).await;
    assert_eq!((&score["verdict"], &score["standing"]), (&Value::from("major"), &Value::from("alerted")));
    let psi = [("version", "scorecard-1"), ("measure", "score")];
    eventually("the metric shows it", async || {
        app.metrics().await.sum("ecs_watch_psi", &psi).filter(|psi| *psi > 0.25)
    })
    .await;
    app.settled().await;
    // It is told once, whoever looks again.
    let app = app.restart().await;
    watched(&app).await;
    app.settled().await;
    assert_eq!(alerts(&app).await.len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_shift_it_is_quiet() {
    let app = TestApp::start().await;
    weeks(&app, 0.3, 0.3).await;
    let app = app.restart().await;
    let score = watched(&app).await;
    assert_eq!(score["standing"], "calm", "{score}");
    eventually("a look has ended", async || {
        app.metrics().await.sum("ecs_watch_adverse_groups", &[("attribute", "region")])
    })
    .await;
    app.settled().await;
    assert_eq!(alerts(&app).await, []);
    app.stop().await;
}
