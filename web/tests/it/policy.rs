//! Policies: who gets in where, and what the document says of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use ecs_domain::Clock as _;
use ecs_domain::permission::Permission;
use ecs_domain::permission::held::{
    CreditWriteAny, EmotionsWriteAny, ModelScore, OperationsRead, UsersReadAny,
};
use ecs_web::auth::changes::{ListOfChanges, MOST_AGE, Told};
use ecs_web::auth::policy::{ActingFor, Anyone, Bearer, Holding, InPerson, Own, SendingFor, Service};
use ecs_web::auth::service_keys::{ServiceKey, digest};
use ecs_web::auth::{ACCESS, Auth, Changes};
use ecs_web::openapi::OpenApiRouter;
use ecs_web::{Identity, PolicedRoutes as _, Problem, Secret, policed};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Answer, FixedClock, INTERNAL_KEY, KEY, call, tokens, user};

const OTHER: &str = "00000000-0000-0000-0000-000000000008";

type Done = Result<&'static str, Problem>;

#[utoipa::path(get, path = "/anyone", responses((status = OK)))]
async fn anyone(_: Anyone) -> &'static str {
    "in"
}

#[utoipa::path(get, path = "/bearer", responses((status = OK)))]
async fn bearer(_: Bearer) -> &'static str {
    "in"
}

#[utoipa::path(get, path = "/users/{user_id}/in-person", responses((status = OK)))]
async fn in_person(_: InPerson) -> &'static str {
    "in"
}

#[utoipa::path(get, path = "/users/{user_id}/own", responses((status = OK)))]
async fn own(_: Own<UsersReadAny>) -> &'static str {
    "in"
}

#[utoipa::path(get, path = "/acting", responses((status = OK)))]
async fn acting(acting: ActingFor<CreditWriteAny>) -> Done {
    acting.require(OTHER.parse().unwrap()).map(|()| "in")
}

#[utoipa::path(get, path = "/sending", responses((status = OK)))]
async fn sending(sending: SendingFor<CreditWriteAny>) -> Done {
    sending.require(OTHER.parse().unwrap()).map(|()| "in")
}

#[utoipa::path(get, path = "/holding", responses((status = OK)))]
async fn holding(_: Holding<OperationsRead>) -> &'static str {
    "in"
}

#[utoipa::path(get, path = "/service", responses((status = OK)))]
async fn service(_: Service<EmotionsWriteAny>) -> &'static str {
    "in"
}

#[utoipa::path(get, path = "/model", responses((status = OK)))]
async fn model(_: Service<ModelScore>) -> &'static str {
    "in"
}

fn api() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::default()
        .policed(policed!(anyone))
        .policed(policed!(bearer))
        .policed(policed!(in_person))
        .policed(policed!(own))
        .policed(policed!(acting))
        .policed(policed!(sending))
        .policed(policed!(holding))
        .policed(policed!(service))
        .policed(policed!(model))
}

fn auth(changes: Arc<Changes>) -> Arc<Auth> {
    let auth = Auth::alone(tokens(KEY), Secret::new(INTERNAL_KEY), Arc::new(FixedClock));
    Arc::new(Auth { changes, ..auth })
}

async fn get(auth: &Arc<Auth>, path: &str, header: Option<(&str, String)>) -> Answer {
    let mut request = Request::get(path);
    if let Some((name, value)) = &header {
        request = request.header(*name, value);
    }
    let router: Router = api().with_state(Arc::clone(auth)).into();
    call(router, request.body(Body::empty()).unwrap()).await
}

fn token_of(identity: &Identity) -> Option<(&'static str, String)> {
    let token = tokens(KEY).issue(identity, FixedClock.now(), Duration::from_secs(60)).unwrap();
    Some(("authorization", format!("Bearer {token}")))
}

#[tokio::test]
async fn who_gets_in_where() {
    let auth = auth(Changes::none());
    let check = async |path: &str, permissions: &[Permission], expect: u16| {
        let header = token_of(&Identity::with(user(), permissions.iter().copied()));
        let answer = get(&auth, path, header).await;
        assert_eq!(answer.status.as_u16(), expect, "{path} {permissions:?} {:?}", answer.json);
    };
    let of = |whose: &str, what: &str| format!("/users/{whose}/{what}");
    let me = user().to_string();
    check("/anyone", &[], 200).await;
    check("/bearer", &[], 200).await;
    check(&of(&me, "in-person"), &[], 200).await;
    check(&of(OTHER, "in-person"), Permission::ALL, 403).await;
    check(&of("x", "in-person"), &[], 422).await;
    check(&of(&me, "own"), &[], 200).await;
    check(&of(OTHER, "own"), &[], 403).await;
    check(&of(OTHER, "own"), &[Permission::CreditWriteAny], 403).await;
    check(&of(OTHER, "own"), &[Permission::UsersReadAny], 200).await;
    check(&of("x", "own"), &[], 422).await;
    for path in ["/acting", "/sending"] {
        check(path, &[Permission::UsersReadAny], 403).await;
        check(path, &[Permission::CreditWriteAny], 200).await;
    }
    check("/holding", &[], 403).await;
    check("/holding", &[Permission::OperationsWrite], 403).await;
    check("/holding", &[Permission::OperationsRead], 200).await;
    check("/service", Permission::ALL, 401).await;
    for path in
        ["/bearer", &of(&me, "own"), &of(&me, "in-person"), "/acting", "/sending", "/holding", "/service"]
    {
        let expect = (401, "Bearer".to_owned());
        let answer = get(&auth, path, None).await;
        let challenge = answer.headers["www-authenticate"].to_str().unwrap().to_owned();
        assert_eq!((answer.status.as_u16(), challenge), expect, "{path}");
    }
    assert_eq!(get(&auth, "/anyone", None).await.status, 200);
}

#[tokio::test]
async fn a_key_opens_what_it_is_listed_for_while_it_is() {
    let auth = auth(Changes::none());
    let listed = |key: &str, permission, from: Option<&str>, until: Option<&str>| ServiceKey {
        name: key.to_owned(),
        digest: digest(key.as_bytes()),
        permissions: [permission].into(),
        from: from.map(|at| at.parse().unwrap()),
        until: until.map(|at| at.parse().unwrap()),
    };
    let check = async |path: &str, key: &str, expect: u16| {
        let answer = get(&auth, path, Some(("x-internal-key", key.to_owned()))).await;
        assert_eq!(answer.status.as_u16(), expect, "{path} {key} {:?}", answer.json);
    };
    // The test clock stands at noon.
    let (before, noon, after) = ("2025-08-19T11:59:59Z", "2025-08-19T12:00:00Z", "2025-08-19T12:00:01Z");
    auth.keys.replace([
        listed("phones", Permission::EmotionsWriteAny, Some(noon), Some(after)),
        listed("model", Permission::ModelScore, None, None),
        listed("past", Permission::EmotionsWriteAny, Some(before), Some(noon)),
        listed("future", Permission::EmotionsWriteAny, Some(after), None),
    ]);
    for (key, emotions, scores) in [
        (INTERNAL_KEY, 200, 200),
        ("phones", 200, 403),
        ("model", 403, 200),
        ("past", 401, 401),
        ("future", 401, 401),
        ("", 401, 401),
    ] {
        check("/service", key, emotions).await;
        check("/model", key, scores).await;
    }
    auth.keys.replace([listed("new", Permission::EmotionsWriteAny, None, None)]);
    check("/service", "new", 200).await;
    check("/service", "phones", 401).await;
    check("/service", INTERNAL_KEY, 200).await;
}

/// Says that user 7 changed, unless it is away.
struct List(std::sync::atomic::AtomicBool);

#[async_trait]
impl ListOfChanges for List {
    async fn after(&self, number: Option<u64>) -> Result<Told, String> {
        if self.0.load(std::sync::atomic::Ordering::SeqCst) {
            return Err("away".to_owned());
        }
        let changes = vec![(5, Uuid::from_u128(7)), (6, Uuid::from_u128(70))];
        Ok(Told { changes: if number.is_none() { changes } else { Vec::new() }, newest: 6 })
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_holds_no_more_after_a_change_and_nothing_is_believed_that_may_have_changed() {
    let (changes, list) = (Changes::followed(), Arc::new(List(false.into())));
    let auth = auth(Arc::clone(&changes));
    let own = format!("/users/{}/own", user());
    let check = async |path: &str, version, session, expect: u16| {
        let session = Some(Uuid::from_u128(session));
        let identity = Identity { version, session, ..Identity::with(user(), [Permission::CreditWriteAny]) };
        let answer = get(&auth, path, token_of(&identity)).await;
        assert_eq!(answer.status.as_u16(), expect, "{path} {version} {:?}", answer.json);
        assert_eq!(answer.headers.contains_key("retry-after"), expect == 503);
    };
    // Before the list was read, only what is taken in goes on.
    check(&own, 5, 1, 503).await;
    check("/sending", 5, 1, 200).await;
    let stop = CancellationToken::new();
    let mut news = changes.watch();
    tokio::spawn(Arc::clone(&changes).follow(Arc::clone(&list) as _, stop.clone()));
    news.changed().await.unwrap();
    tokio::task::yield_now().await;
    for path in [own.as_str(), "/bearer", "/acting", "/sending"] {
        check(path, 5, 1, 200).await;
        check(path, 4, 1, 401).await;
        check(path, 5, 70, 401).await;
    }
    list.0.store(true, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(MOST_AGE + Duration::from_secs(1)).await;
    for path in [own.as_str(), "/bearer", "/acting"] {
        check(path, 5, 1, 503).await;
        check(path, 4, 1, 401).await;
    }
    check("/sending", 5, 1, 200).await;
    check("/sending", 4, 1, 401).await;
    assert_eq!(get(&auth, "/anyone", None).await.status, 200);
    let key = Some(("x-internal-key", INTERNAL_KEY.to_owned()));
    assert_eq!(get(&auth, "/service", key).await.status, 200);
    stop.cancel();
}

#[test]
fn the_document_says_what_a_handler_asks_for() {
    let document = serde_json::to_value(api().into_openapi()).unwrap();
    let check = |path: &str, security: Value, access: Value, refusal: Option<&str>| {
        let operation = &document["paths"][path]["get"];
        assert_eq!(operation["security"], security, "{path}");
        assert_eq!(operation[ACCESS], access, "{path}");
        assert_eq!(operation["responses"]["403"]["description"].as_str(), refusal, "{path}");
    };
    let (bearer, key) = (json!([{"bearer": []}]), json!([{"internalKey": []}]));
    let not_theirs = Some("the user is not the token's");
    let own = |permission: &str| json!({"who": "own-or-permission", "permission": permission});
    check("/anyone", Value::Null, json!({"who": "anyone"}), None);
    check("/bearer", bearer.clone(), json!({"who": "token"}), None);
    let in_person = Some("the user is not the token's, and this is done in person");
    check("/users/{user_id}/in-person", bearer.clone(), json!({"who": "in-person"}), in_person);
    check("/users/{user_id}/own", bearer.clone(), own("users:read-any"), not_theirs);
    check("/acting", bearer.clone(), own("credit:write-any"), not_theirs);
    check("/sending", bearer.clone(), own("credit:write-any"), not_theirs);
    let holding = json!({"who": "permission", "permission": "operations:read"});
    check("/holding", bearer, holding, Some("the permission operations:read is needed"));
    let service = json!({"who": "service-key", "permission": "emotions:write-any"});
    check("/service", key, service, Some("the permission emotions:write-any is needed"));
}
