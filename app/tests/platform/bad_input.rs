//! Bad input gets the documented 4xx with the field's path: never a 5xx, never a panic, never an effect.

use ecs_domain::permission::Permission;
use ecs_store::LetterFilter;
use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::{INTERNAL_KEY, Person, TestApp, emotion};

fn altered(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[tokio::test]
async fn emotions() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let good = emotion(ana.id, "2026-01-02T03:04:05Z".parse().unwrap(), "1", (0.5, 0.5, 0.5));
    app.emotion(&good).await.expect_status(202);
    let check = async |pointer: &str, value: Value, field: &str| {
        app.emotion(&altered(good.clone(), pointer, value)).await.expect_problem(422, &[field]);
    };
    for metric in ["positivity", "intensity", "stress_level"] {
        let (pointer, field) =
            (format!("/emotionEvent/metrics/{metric}"), format!("emotionEvent.metrics.{metric}"));
        for value in [json!(-0.1), json!(1.0001), json!("0.5"), json!(null), json!(true), json!([])] {
            check(&pointer, value, &field).await;
        }
    }
    check("/userId", json!("nobody"), "userId").await;
    check("/userId", json!(7), "userId").await;
    check("/timestamp", json!("yesterday"), "timestamp").await;
    check("/timestamp", json!("2999-01-01T00:00:00Z"), "timestamp").await;
    check("/timestamp", json!("1960-01-01T00:00:00Z"), "timestamp").await;
    check("/emotionEvent/type", json!(""), "emotionEvent.type").await;
    check("/emotionEvent", json!(["calm", [0.5, 0.5, 0.5]]), "emotionEvent").await;
    check("/emotionEvent/metrics", json!([0.5, 0.5, 0.5]), "emotionEvent.metrics").await;
    check("/eventId", json!(""), "eventId").await;
    check("/eventId", json!("x".repeat(129)), "eventId").await;
    let all = ["userId", "timestamp", "emotionEvent"];
    app.emotion(&json!({})).await.expect_problem(422, &all);
    app.settled().await;
    assert_eq!(app.query::<i64>("SELECT sum(event_count) FROM emotional_events_summary"), [1]);
    app.stop().await;
}

#[tokio::test]
async fn transactions() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let authorization = format!("Bearer {}", ana.token);
    let send = async |amount: &str, rest: &str| -> Answer {
        let body = format!("{{\"userId\":\"{}\",\"amount\":{amount}{rest}}}", ana.id);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        app.http.send("POST", "/v1/transactions", &headers, body).await
    };
    let endless = format!("1{}", "0".repeat(300));
    for amount in
        ["0", "-1", "0.001", "1e300", "1e-3", "1000000000000", "\"12\"", "null", "true", "{}", &endless]
    {
        send(amount, "").await.expect_problem(422, &["amount"]);
    }
    for (rest, field) in [
        (",\"currency\":\"USD\"", "currency"),
        (",\"currency\":\"real\"", "currency"),
        (",\"merchant\":\"\"", "merchant"),
        (",\"occurredAt\":\"2999-01-01T00:00:00Z\"", "occurredAt"),
        (",\"transactionId\":\"\"", "transactionId"),
    ] {
        send("1", rest).await.expect_problem(422, &[field]);
    }
    for malformed in ["NaN", "Infinity", "01", "1.", "", "0x10"] {
        send(malformed, "").await.expect_problem(400, &[]);
    }
    app.settled().await;
    assert_eq!(app.query::<i64>("SELECT count(*) FROM transactions"), [0]);
    app.stop().await;
}

#[tokio::test]
async fn an_unknown_user_gets_202_and_ends_as_a_dead_letter() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let stranger = ecs_domain::UserId::new(uuid::Uuid::from_u128(7));
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    app.emotion(&emotion(stranger, at, "1", (0.5, 0.5, 0.5))).await.expect_status(202);
    app.emotion(&emotion(ana.id, at, "1", (0.5, 0.5, 0.5))).await.expect_status(202);
    app.settled().await;
    assert_eq!(app.query::<i64>("SELECT event_count FROM emotional_events_summary"), [1]);
    let letters = app
        .platform
        .storage()
        .store()
        .unwrap()
        .dead_letters(&LetterFilter::default(), None, 10)
        .await
        .unwrap();
    assert!(
        letters.len() == 1
            && letters[0].key == stranger
            && letters[0].reason.contains("no account has this user id"),
        "{letters:?}"
    );
    let books = app.operator().books().await.unwrap();
    assert_eq!(
        (&books["emotions"]["accepted"], &books["emotions"]["deadLettered"]),
        (&json!(2), &json!(1)),
        "{books}"
    );
    app.stop().await;
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be() {
    let app = TestApp::start().await;
    let key = ("x-internal-key", INTERNAL_KEY);
    let check = async |content_type: &str, body: String, expect: u16| {
        let headers = [key, ("content-type", content_type)];
        app.http.send("POST", "/v1/emotions/stream", &headers, body).await.expect_problem(expect, &[]);
    };
    check("application/json", "{".to_owned(), 400).await;
    check("application/json", String::new(), 400).await;
    check("application/json", "{\"a\": NaN}".to_owned(), 400).await;
    check("application/json", format!("{{\"a\":{}", "[".repeat(10_000)), 400).await;
    check("application/json", "\u{feff}{}".to_owned(), 400).await;
    check("application/json", "{\"userId\": \"\\ud800\"}".to_owned(), 400).await;
    check("text/plain", "{}".to_owned(), 415).await;
    check("application/xml", "<a/>".to_owned(), 415).await;
    check("application/json", format!("{{\"userId\": \"{}\"}}", "x".repeat(1 << 20)), 413).await;
    app.http.send("POST", "/v1/emotions/stream", &[key], "{}").await.expect_problem(415, &[]);
    for content_type in ["application/json", "application/x-ndjson"] {
        let headers = [key, ("content-type", content_type), ("content-encoding", "gzip")];
        app.http.send("POST", "/v1/emotions/stream", &headers, "{}").await.expect_problem(415, &[]);
    }
    app.http.get("/v1/nowhere", &[]).await.expect_problem(404, &[]);
    app.http.send("DELETE", "/v1/transactions", &[], "").await.expect_problem(405, &[]);
    app.stop().await;
}

#[tokio::test]
async fn credentials_come_before_the_body() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let huge = "x".repeat(1 << 20);
    for key in [None, Some("wrong"), Some("")] {
        let headers: Vec<_> = key.map(|key| ("x-internal-key", key)).into_iter().collect();
        app.http.send("POST", "/v1/emotions/stream", &headers, huge.clone()).await.expect_problem(401, &[]);
    }
    for token in bad_tokens(&app, &ana) {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        app.http.send("POST", "/v1/transactions", &headers, huge.clone()).await.expect_problem(401, &[]);
        let path = format!("/v1/users/{}/offers", ana.id);
        app.http.get(&path, &headers).await.expect_problem(401, &[]);
    }
    app.http.send("POST", "/v1/transactions", &[], huge).await.expect_problem(401, &[]);
    app.stop().await;
}

/// Tokens that look right and aren't: forged, unsigned, of another algorithm, expired, cut, empty.
pub(crate) fn bad_tokens(app: &TestApp, ana: &Person) -> Vec<String> {
    let mut parts = ana.token.split('.');
    let (header, claims, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
    let rs256 = encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let admin = encode(&format!(
        r#"{{"iss":"ecs","sub":"{}","iat":1,"exp":99999999999,"permissions":["operations:read"]}}"#,
        ana.id
    ));
    let expired = {
        let past = ecs_web::auth::Tokens::new(
            &ecs_web::auth::SecretKey::new(ecs_web::Secret::new(crate::support::SECRET)).unwrap(),
        );
        let now = ecs_domain::Clock::now(&app.clock) - std::time::Duration::from_secs(7200);
        let operator = ecs_web::Identity::with(ana.id, Permission::ALL.iter().copied());
        past.issue(&operator, now, std::time::Duration::from_secs(3600)).unwrap()
    };
    vec![
        format!("{none}.{claims}."),
        format!("{none}.{admin}."),
        format!("{none}.{claims}.{signature}"),
        format!("{rs256}.{claims}.{signature}"),
        format!("{header}.{admin}.{signature}"),
        format!("{header}.{claims}.{}", signature.chars().rev().collect::<String>()),
        format!("{header}.{claims}"),
        expired,
        "nonsense".to_owned(),
        String::new(),
    ]
}

#[tokio::test]
async fn ids_in_paths_and_pages() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let check = async |method: &str, path: String, expect: u16, fields: &[&str]| {
        app.as_person(&ana, method, &path, None).await.expect_problem(expect, fields);
    };
    check("GET", "/v1/users/nobody/offers".to_owned(), 422, &["user_id"]).await;
    check("POST", "/v1/users/nobody/credit-analysis".to_owned(), 422, &["user_id"]).await;
    for (query, field) in
        [("page=0", "page"), ("page=x", "page"), ("page_size=0", "page_size"), ("page_size=101", "page_size")]
    {
        check("GET", format!("/v1/users/{}/offers?{query}", ana.id), 422, &[field]).await;
        check("GET", format!("/v1/users/{}/notifications?{query}", ana.id), 422, &[field]).await;
    }
    check("GET", format!("/v1/users/{}/offers?page=1&page=2", ana.id), 400, &[]).await;
    check("GET", "/v1/users/%FF/offers".to_owned(), 404, &[]).await;
    check("GET", format!("/v1/users/{}/offers/", ana.id), 404, &[]).await;
    check("GET", format!("/v1/users/{}?page=0", uuid::Uuid::nil()), 403, &[]).await;
    check("GET", format!("/v1/users/{}/offers?page=0", uuid::Uuid::nil()), 403, &[]).await;
    check("GET", format!("/v1/users/{}/consents/world-domination", ana.id), 404, &[]).await;
    let accept = json!({"userId": ana.id});
    let unknown = "/v1/credit-offers/00000000-0000-7000-8000-000000000000/accept";
    app.as_person(&ana, "POST", unknown, Some(&accept)).await.expect_problem(404, &[]);
    app.as_person(&ana, "POST", "/v1/credit-offers/x/accept", Some(&accept))
        .await
        .expect_problem(422, &["offer_id"]);
    app.stop().await;
}

#[tokio::test]
async fn accounts() {
    let app = TestApp::start().await;
    let check = async |body: Value, fields: &[&str]| {
        app.http.post("/v1/auth/register", &[], &body).await.expect_problem(422, fields);
    };
    check(json!({}), &["email", "password"]).await;
    check(json!({"email": "nowhere", "password": "short"}), &["email", "password"]).await;
    check(json!({"email": "a@example.com", "password": "é".repeat(37)}), &["password"]).await;
    let (letters, too_long) = (json!("long enough, this"), format!("{}@example.com", "İ".repeat(120)));
    check(json!({"email": too_long, "password": letters}), &["email"]).await;
    check(json!({"email": "a\u{0}@example.com", "password": letters}), &["email"]).await;
    let twice = r#"{"email": "a@example.com", "email": "b@example.com", "password": "long enough, this"}"#;
    let headers = [("content-type", "application/json")];
    app.http.send("POST", "/v1/auth/register", &headers, twice).await.expect_problem(422, &["email"]);
    check(json!({"email": 1, "password": "long enough, this"}), &["email"]).await;
    for (email, password) in [("nobody@example.com", "long enough, this"), ("nobody", "x")] {
        let login = json!({"email": email, "password": password});
        let answer = app.http.post("/v1/auth/login", &[], &login).await;
        assert!(matches!(answer.status.as_u16(), 401 | 422), "{answer:?}");
    }
    app.stop().await;
}
