//! Dead letters over HTTP.

use axum::body::Body;
use bytes::Bytes;
use ecs_bus::{Bus as _, Frontier, Subject};
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, UserId};
use ecs_store::{DeadLetterRow, DeadLetters as _, LetterId, Outbox as _};
use ecs_web::Identity;
use ecs_work::{Relay, RelayDeps, Wake, retention};
use ecs_work_testkit::platform::{emotion, until};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Scene, get, operator};

const SECRETIVE: &str = "0.123454321";

impl Scene {
    /// Keeps so many letters, numbered from 1: odd ones of unknown users, even ones that were given up.
    async fn with_letters(count: i64) -> Self {
        let scene = Self::open();
        let now = scene.platform.clock.now();
        for number in 1..=count {
            let event = emotion(UserId::new(Uuid::from_u128(7)), &number.to_string(), now);
            let (kind, reason) = if number % 2 == 1 {
                (DeadLetterKind::UnknownUser, "no account has this user id")
            } else {
                (DeadLetterKind::GaveUp, "gave up after 10 attempts; the last one: it Broke")
            };
            let letter = DeadLetterRow {
                subject: Subject::Emotions.as_str().to_owned(),
                group: Subject::Emotions.group().to_string(),
                id: event.id,
                key: event.key,
                kind,
                reason: reason.to_owned(),
                history: vec![(now, reason.to_owned())],
                payload: Bytes::from(format!("{{\"stress_level\":{SECRETIVE}}}")),
                schema_version: 1,
                request_id: Some("request-1".to_owned()),
                traceparent: None,
                at: now,
            };
            scene.platform.store.add_dead_letters(&[letter]).await.unwrap();
        }
        scene
    }

    async fn list(&self, query: &str) -> Vec<i64> {
        let (status, page) = self.get(&format!("/v1/operations/dead-letters?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    }

    async fn act(&self, action: &str, body: &Value) -> (StatusCode, Value) {
        self.send(post(action, body.to_string()), Some(operator())).await
    }
}

fn post(action: &str, body: String) -> Request<Body> {
    let request = Request::post(format!("/v1/operations/dead-letters/{action}"));
    request.header("content-type", "application/json").body(Body::from(body)).unwrap()
}

fn with(permissions: &[Permission]) -> Identity {
    Identity::with(UserId::new(Uuid::nil()), permissions.iter().copied())
}

#[tokio::test]
async fn looking_and_doing_need_their_permissions() {
    let scene = Scene::with_letters(1).await;
    let looks = || {
        ["dead-letters", "dead-letter-counts", "dead-letters/1"].map(|p| get(&format!("/v1/operations/{p}")))
    };
    let deeds = || ["replay", "drop"].map(|action| post(action, "not even JSON".to_owned()));
    let all_but =
        |but: Permission| with(&Permission::ALL.iter().copied().filter(|p| *p != but).collect::<Vec<_>>());
    for request in looks().into_iter().chain(deeds()) {
        assert_eq!(scene.send(request, None).await.0, StatusCode::UNAUTHORIZED);
    }
    for request in looks() {
        let identity = all_but(Permission::OperationsRead);
        assert_eq!(scene.send(request, Some(identity)).await.0, StatusCode::FORBIDDEN);
    }
    let reader = all_but(Permission::OperationsWrite);
    for request in looks() {
        assert_eq!(scene.send(request, Some(reader.clone())).await.0, StatusCode::OK);
    }
    for request in deeds().into_iter().chain([get("/v1/operations/dead-letters/1?payload=true")]) {
        assert_eq!(scene.send(request, Some(reader.clone())).await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn letters_are_listed_newest_first_filtered_and_page_by_page() {
    let scene = Scene::with_letters(5).await;
    assert_eq!(scene.list("").await, [5, 4, 3, 2, 1]);
    assert_eq!(scene.list("limit=2").await, [5, 4]);
    let (_, page) = scene.get("/v1/operations/dead-letters?limit=2").await;
    assert_eq!(page["next"], json!(4));
    assert_eq!(scene.list("limit=2&before=4").await, [3, 2]);
    let (_, page) = scene.get("/v1/operations/dead-letters?limit=2&before=2").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));

    assert_eq!(scene.list("kind=gave-up").await, [4, 2]);
    assert_eq!(scene.list("reason=it%20broke").await, [4, 2]);
    assert_eq!(scene.list("subject=transactions.topic").await, [0; 0]);
    assert_eq!(scene.list("subject=user.emotions.topic&group=emotion-processing&limit=500").await.len(), 5);
    assert_eq!(scene.list(&format!("user={}", Uuid::from_u128(7))).await.len(), 5);
    assert_eq!(scene.list(&format!("user={}", Uuid::from_u128(8))).await, [0; 0]);
    assert_eq!(scene.list("since=2100-01-01T00:00:00Z").await, [0; 0]);
    assert_eq!(scene.list("until=2100-01-01T00:00:00Z&state=waiting").await.len(), 5);
    assert_eq!(scene.list("state=dropped").await, [0; 0]);
}

#[tokio::test]
async fn a_letter_is_shown_with_its_history_and_what_it_held_only_when_asked_for() {
    let scene = Scene::with_letters(1).await;
    let (status, letter) = scene.get("/v1/operations/dead-letters/1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&letter["kind"], &letter["state"], &letter["stateChangedAt"], &letter["replays"]),
        (&json!("unknown-user"), &json!("waiting"), &Value::Null, &json!(0))
    );
    assert_eq!(letter["history"][0]["reason"], "no account has this user id");
    assert_eq!((&letter["requestId"], &letter["traceparent"]), (&json!("request-1"), &Value::Null));
    assert_eq!((&letter["schemaVersion"], &letter["payloadBytes"]), (&json!(1), &json!(28)));
    assert!(!letter.to_string().contains(SECRETIVE), "{letter}");
    let (_, list) = scene.get("/v1/operations/dead-letters").await;
    assert!(!list.to_string().contains(SECRETIVE), "{list}");
    let (_, shown) = scene.get("/v1/operations/dead-letters/1?payload=true").await;
    assert_eq!(shown["payload"], format!("{{\"stress_level\":{SECRETIVE}}}"));
    assert_eq!(scene.get("/v1/operations/dead-letters/2").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_payload_that_is_no_text_is_shown_in_digits() {
    let scene = Scene::with_letters(1).await;
    let mut letter = scene.platform.letters().await.remove(0);
    letter.payload = Bytes::from_static(&[0xff, 0x00, 0x7b]);
    scene.platform.store.add_dead_letters(&[letter]).await.unwrap();
    let (_, shown) = scene.get("/v1/operations/dead-letters/2?payload=true").await;
    assert_eq!((&shown["payloadHex"], &shown["payload"]), (&json!("ff007b"), &Value::Null));
}

#[tokio::test]
async fn replays_go_out_through_the_outbox_and_are_answered_by_number() {
    let scene = Scene::with_letters(3).await;
    let (status, answer) = scene.act("replay", &json!({"ids": [2, 1, 99]})).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"done": [1, 2], "skipped": [99], "next": null})));
    assert_eq!(scene.list("state=replayed").await, [2, 1]);
    let (_, again) = scene.act("replay", &json!({"ids": [1]})).await;
    assert_eq!(again, json!({"done": [], "skipped": [1], "next": null}));

    let platform = &scene.platform;
    let (bus, store, clock) = (platform.bus.clone(), platform.store.clone(), platform.clock.clone());
    Relay::create(RelayDeps { bus, store, clock, wake: Wake::new() }).start(&platform.supervisor);
    until("they are published", || async { platform.store.outbox_depth().await.unwrap() == 0 }).await;
    let log = platform.bus.log(Subject::Emotions, &Frontier::default(), 10).await.unwrap();
    assert_eq!(log.records.len(), 2);
    platform.drain().await;
}

#[tokio::test]
async fn all_that_matches_is_dropped_page_by_page() {
    let scene = Scene::with_letters(7).await;
    let filter = json!({"kind": "unknown-user"});
    let (_, first) = scene.act("drop", &json!({"filter": filter, "limit": 3})).await;
    assert_eq!(first, json!({"done": [3, 5, 7], "skipped": [], "next": 3}));
    let (_, rest) = scene.act("drop", &json!({"filter": filter, "limit": 3, "before": 3})).await;
    assert_eq!(rest, json!({"done": [1], "skipped": [], "next": null}));
    assert_eq!(scene.list("state=waiting").await, [6, 4, 2]);
    let (_, all) = scene.act("drop", &json!({"filter": {}})).await;
    assert_eq!(all["done"], json!([2, 4, 6]));
    let (_, counts) = scene.get("/v1/operations/dead-letter-counts").await;
    let count = |kind: &str, count| {
        json!({"subject": "user.emotions.topic", "group": "emotion-processing", "kind": kind, "state": "dropped",
            "count": count})
    };
    assert_eq!(counts, json!({"counts": [count("gave-up", 3), count("unknown-user", 4)]}));
}

#[tokio::test]
async fn wrong_questions_hear_which_field_is_wrong() {
    let scene = Scene::with_letters(1).await;
    let check = |(status, problem): (StatusCode, Value), fields: &[&str]| {
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        let errors = problem["errors"].as_array().unwrap().iter();
        let errors: Vec<&str> = errors.map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(errors, fields, "{problem}");
    };
    let list = "/v1/operations/dead-letters";
    check(scene.get(&format!("{list}?state=lost&kind=odd")).await, &["state", "kind"]);
    check(
        scene.get(&format!("{list}?user=1&event=2&since=x&until=y")).await,
        &["user", "event", "since", "until"],
    );
    check(scene.get(&format!("{list}?limit=501&before=x")).await, &["limit", "before"]);
    check(scene.get(&format!("{list}/seventeen")).await, &["letter_id"]);
    check(scene.act("replay", &json!({})).await, &["ids"]);
    check(scene.act("replay", &json!({"ids": [1], "filter": {}})).await, &["ids"]);
    check(scene.act("drop", &json!({"ids": vec![1; 501]})).await, &["ids"]);
    check(scene.act("drop", &json!({"ids": [1], "limit": 5})).await, &["ids"]);
    check(scene.act("drop", &json!({"filter": {"state": "replayed"}})).await, &["filter.state"]);
    check(scene.act("drop", &json!({"filter": {"user": "x"}, "limit": 0})).await, &["filter.user", "limit"]);
    // A misspelt field must not mean "all".
    check(scene.act("drop", &json!({"filter": {"subjet": "x"}})).await, &["filter.subjet"]);
    check(scene.act("drop", &json!({"filters": {}})).await, &["filters"]);
    assert_eq!(scene.list("state=waiting").await, [1]);
    assert_eq!(scene.get(&format!("{list}?state=waiting&state=dropped")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn letters_that_were_decided_long_ago_go_and_the_others_stay() {
    let scene = Scene::with_letters(3).await;
    scene.act("drop", &json!({"ids": [1]})).await;
    scene.platform.clock.advance(retention::OTHERS_ON_BUS + std::time::Duration::from_secs(25 * 60 * 60));
    scene.act("drop", &json!({"ids": [2]})).await;
    scene.role.start(&scene.platform.supervisor);
    let gone = || async { scene.platform.store.dead_letter(LetterId(1)).await.unwrap().is_none() };
    until("the oldest is forgotten", gone).await;
    assert_eq!(scene.list("").await, [3, 2]);
    scene.platform.drain().await;
}

#[tokio::test]
async fn letters_that_nobody_decided_about_are_dropped_for_their_age() {
    let scene = Scene::with_letters(2).await;
    scene.platform.clock.advance(std::time::Duration::from_secs(91 * 24 * 60 * 60));
    scene.role.start(&scene.platform.supervisor);
    let dropped = || async { scene.list("state=dropped").await == [2, 1] };
    until("they are dropped", dropped).await;
    let letter = scene.platform.store.dead_letter(LetterId(1)).await.unwrap().unwrap();
    assert_eq!(letter.payload, None);
    scene.platform.drain().await;
}
