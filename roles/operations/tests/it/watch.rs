//! The watch over decisions: what is compared, who is told of it, and of whom nothing is told.

use std::time::Duration;

use ecs_bus::payload::{Alert, AlertAbout, AlertPayload, Severity};
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::attributes::Attributes;
use ecs_domain::clock::midnight;
use ecs_domain::consent::Purpose;
use ecs_domain::decision::Decision;
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, Timestamp, UserId, utc_day};
use ecs_metrics::read::Exposition;
use ecs_store::{AttributesOfUsers as _, Consents as _, Outbox as _};
use ecs_web::Identity;
use ecs_work_testkit::decisions::{decision, draws, keep};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Scene, get};

const MODEL: &str = "scorecard-1";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn analyst() -> Identity {
    Identity::with(UserId::new(Uuid::nil()), [Permission::WatchRead])
}

impl Scene {
    async fn watched(&self, what: &str) -> Value {
        let (status, answer) = self.send(get(&format!("/v1/watch/{what}")), Some(analyst())).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// What the answer tells of the score.
    async fn score(&self) -> Value {
        let answer = self.watched("drift").await;
        let measures = answer["measures"].as_array().unwrap();
        measures.iter().find(|it| it["measure"] == "score").cloned().unwrap_or_default()
    }

    /// So many decisions about somebody on each of the days from one so many days ago to another, with scores about `middle`.
    async fn decided(&self, [first, last]: [u32; 2], each: u64, middle: f64) -> Vec<Decision> {
        let user = self.platform.user().await;
        let today = midnight(utc_day(self.platform.clock.now()));
        let times = (last..=first).rev().flat_map(|ago| (0..each).map(move |number| (ago, number)));
        let decided = times.zip(draws(middle.to_bits())).map(|((ago, number), drawn)| {
            let at = today - DAY * ago + Duration::from_millis(number);
            decision(user, at, MODEL, middle + (drawn - 0.5) / 4.0, false)
        });
        decided.collect()
    }

    /// The alerts that wait to be published, and no more after that.
    async fn alerts(&self) -> Vec<Alert> {
        let (store, now) = (&self.platform.store, self.platform.clock.now());
        let rows = store.claim_outbox(100, now, Duration::from_secs(60)).await.unwrap();
        store.finish_outbox(&rows).await.unwrap();
        let alert = |row: ecs_store::OutboxRow| {
            assert_eq!(row.subject, Subject::Alerts.as_str());
            let (id, key, payload) = (row.id, row.key, row.payload);
            AlertPayload::decode(&Event {
                id,
                subject: Subject::Alerts,
                key,
                payload,
                headers: Headers::current(),
            })
        };
        rows.into_iter().map(|row| alert(row).unwrap()).collect()
    }

    fn counted(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        Exposition::read(&self.metrics.render()).unwrap().sum(name, labels)
    }
}

fn told(alerts: &[Alert]) -> Vec<(&str, &str, Severity)> {
    let told = alerts.iter().map(|alert| match &alert.about {
        AlertAbout::Drift(drift) => (drift.measure.as_str(), drift.verdict.as_str(), alert.severity),
        AlertAbout::Fairness(group) => (group.group.as_str(), group.finding.as_str(), alert.severity),
    });
    told.collect()
}

/// Without a shift it is quiet, with one there is one alert, and another when it is over.
#[tokio::test]
async fn a_shift_is_told_once_and_so_is_its_end() {
    let scene = Scene::open();
    let (store, clock) = (scene.platform.store.as_ref(), &scene.platform.clock);
    let psi = || scene.counted("ecs_watch_psi", &[("version", MODEL), ("measure", "score")]);
    let few = scene.decided([20, 10], 3, 0.3).await;
    keep(store, few, clock.now()).await;
    scene.role.look_at_decisions().await.unwrap();
    let score = scene.score().await;
    assert_eq!(
        (&score["verdict"], &score["index"], &score["bins"]),
        (&json!("too-few"), &Value::Null, &json!([]))
    );

    keep(store, scene.decided([34, 0], 40, 0.3).await, clock.now()).await;
    scene.role.look_at_decisions().await.unwrap();
    let score = scene.score().await;
    assert_eq!(
        (&score["verdict"], &score["standing"], &score["window"]),
        (&json!("calm"), &json!("calm"), &json!(280))
    );
    assert!(
        score["bins"].as_array().unwrap().len() > 8 && score["critical"].as_f64().unwrap() > 0.0,
        "{score}"
    );
    assert_eq!(told(&scene.alerts().await), []);
    assert!(psi().unwrap() < 0.1, "{:?}", psi());

    keep(store, scene.decided([1, 0], 150, 0.6).await, clock.now()).await;
    scene.role.look_at_decisions().await.unwrap();
    let alerts = scene.alerts().await;
    assert_eq!(told(&alerts), [("score", "major", Severity::Critical)]);
    assert_eq!(
        (&scene.score().await["verdict"], &scene.score().await["standing"]),
        (&json!("major"), &json!("alerted"))
    );
    assert!(psi().unwrap() > 0.25, "{:?}", psi());
    scene.role.look_at_decisions().await.unwrap();
    assert_eq!(told(&scene.alerts().await), [], "it was told");

    clock.advance(DAY * 40);
    scene.role.look_at_decisions().await.unwrap();
    let over = scene.alerts().await;
    assert_eq!(told(&over), [("score", "too-few", Severity::Over)]);
    assert_ne!(over[0].id, alerts[0].id);
    assert_eq!(psi(), None);
    assert_eq!(scene.watched("drift").await["measures"], json!([]));
    assert_eq!(scene.counted("ecs_watch_decisions_total", &[]), Some(33.0 + 1_400.0 + 300.0));
}

/// Several look at the same time: every decision counts once, and each change is told once.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_look_at_once_count_and_tell_once() {
    let scene = Scene::open();
    let store = scene.platform.store.as_ref();
    let mut decisions = scene.decided([34, 7], 20, 0.3).await;
    decisions.extend(scene.decided([6, 0], 60, 0.7).await);
    let count = decisions.len();
    keep(store, decisions, scene.platform.clock.now()).await;
    let looks = futures::future::join_all((0..4).map(|_| scene.role.look_at_decisions()));
    assert!(looks.await.iter().all(Result::is_ok));
    assert_eq!(scene.counted("ecs_watch_decisions_total", &[]), Some(count as f64));
    assert_eq!(told(&scene.alerts().await), [("score", "major", Severity::Critical)]);
    let score = scene.score().await;
    assert_eq!((&score["reference"], &score["window"]), (&json!(560), &json!(420)));
}

/// People of an age band with their last answers, some days ago.
async fn people(scene: &Scene, band: &str, count: usize, approved: usize) {
    let (store, now): (_, Timestamp) = (&scene.platform.store, scene.platform.clock.now());
    let mut decisions = Vec::new();
    for number in 0..count {
        let user = scene.platform.user().await;
        store.set_consent(user, Purpose::Demographics, true.into(), now).await.unwrap();
        let told = Attributes { age_band: Some(band.parse().unwrap()), region: None };
        store.put_attributes(user, told, now).await.unwrap().unwrap();
        decisions.push(decision(user, now - DAY * 3, MODEL, 0.3, number < approved));
    }
    keep(store.as_ref(), decisions, now).await;
}

/// A group that is approved less is told of, a small one is not, and nothing at all of people who took their consent back.
#[tokio::test]
async fn groups_are_compared_and_small_ones_kept_secret() {
    let scene = Scene::open();
    people(&scene, "25-34", 60, 48).await;
    people(&scene, "65+", 40, 12).await;
    people(&scene, "18-24", 9, 0).await;
    scene.role.look_at_decisions().await.unwrap();
    let answer = scene.watched("fairness").await;
    let bands = &answer["attributes"][0];
    assert_eq!((&bands["attribute"], &bands["suppressed_groups"]), (&json!("age_band"), &json!(1)));
    let groups: Vec<_> = bands["groups"].as_array().unwrap().iter().collect();
    let expect = [("25-34", 60, 48, "largest"), ("65+", 40, 12, "adverse")];
    let found = |group: &Value| json!([group["group"], group["people"], group["approved"], group["finding"]]);
    assert_eq!(groups.iter().map(|group| found(group)).collect::<Vec<_>>(), expect.map(|group| json!(group)));
    assert!(!answer.to_string().contains("18-24"), "{answer}");
    assert_eq!(answer["attributes"][1]["groups"], json!([]));
    assert_eq!(told(&scene.alerts().await), [("65+", "adverse", Severity::Warning)]);
    let ratio =
        |band| scene.counted("ecs_watch_approval_ratio", &[("attribute", "age_band"), ("group", band)]);
    assert_eq!((ratio("25-34"), ratio("65+")), (Some(0.8), Some(0.3)));
    assert_eq!(ratio("18-24"), None);
    assert_eq!(scene.counted("ecs_watch_adverse_groups", &[("attribute", "age_band")]), Some(1.0));

    // A day later more of them have been approved.
    scene.platform.clock.advance(DAY);
    people(&scene, "65+", 19, 19).await;
    scene.role.look_at_decisions().await.unwrap();
    assert_eq!(told(&scene.alerts().await), [("65+", "unremarkable", Severity::Over)]);
}

#[tokio::test]
async fn the_watch_is_for_those_who_may_read_it() {
    let scene = Scene::open();
    for path in ["/v1/watch/drift", "/v1/watch/fairness"] {
        let (status, _) = scene.send(get(path), Some(analyst())).await;
        assert_eq!(status, StatusCode::OK);
        let (status, _) = scene.get(path).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
}
