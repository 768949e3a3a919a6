//! What no log holds, whatever its level: everything that is sent here is marked, and the marks are looked for in all that the
//! platform and its libraries say at level trace.

use ecs_domain::Clock as _;
use serde_json::{Value, json};

use crate::support::deployment::{Deployment, Topology};
use crate::support::http::Answer;
use crate::support::{INTERNAL_KEY, Person, SECRET, eventually};

/// Stands in every word that is sent and that says who somebody is or what they did.
const WORD: &str = "xq7mark9";
const PASSWORD: &str = "xq7mark9 correct horse";
/// Digits that nothing else has: of metrics (in billionths), of features, and of an amount (in hundredths).
const METRICS: [f64; 3] = [0.712_345_671, 0.412_345_672, 0.112_345_673];
const AMOUNT: &str = "81234567.89";
/// In how many emotions and transactions they are sent.
const TIMES: usize = 3;
const TWO_MONTHS: std::time::Duration = std::time::Duration::from_secs(61 * 24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_about_a_person_is_logged_in_one_process_over_embedded_storage() {
    nothing_is_logged(Topology::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_about_a_person_is_logged_by_processes_over_real_servers() {
    nothing_is_logged(Topology::SplitInTwo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_about_a_person_is_logged_over_kafka() {
    nothing_is_logged(Topology::RolePerProcessOverKafka).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_about_a_person_is_logged_over_rabbitmq() {
    nothing_is_logged(Topology::RolePerProcessOverRabbitMq).await;
}

async fn nothing_is_logged(topology: Topology) {
    let Some(platform) = Deployment::start_with(topology, &[("ECS_LOG", "trace")]).await else { return };
    let mut marks = vec![WORD.to_owned(), INTERNAL_KEY.to_owned(), SECRET.to_owned()];
    marks.extend(METRICS.map(|metric| digits(&metric.to_string())));
    marks.push(AMOUNT.split_once('.').unwrap().0.to_owned());
    let ana = live(&platform, &mut marks).await;
    be_wrong(&platform, &ana).await;
    platform.settled_books().await;
    let logs: Vec<String> = platform
        .processes()
        .iter()
        .map(|process| {
            let log = process.whole_log();
            assert!(log.contains("\"serving\""), "{:?} says too little", process.roles);
            log
        })
        .collect();
    assert!(marks.len() > 15, "what the platform makes of it is marked, too: {marks:?}");
    for mark in marks {
        // As text, and as the numbers of its bytes.
        let bytes = mark.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        for line in logs.iter().flat_map(|log| log.lines()) {
            assert!(!line.contains(&mark) && !line.contains(&bytes), "{mark} is in the log: {line}");
        }
    }
    platform.stop().await;
}

/// What stands behind the point, without the zeros before it.
fn digits(number: &str) -> String {
    number.split_once('.').map_or(number, |(_, digits)| digits).trim_start_matches('0').to_owned()
}

/// A life from the registration to an active credit. What the platform makes of the marks is marked, too.
async fn live(platform: &Deployment, marks: &mut Vec<String>) -> Person {
    let login = json!({"email": format!("{WORD}-ana@example.com"), "password": PASSWORD});
    let registered = platform.http.post("/v1/auth/register", &[("idempotency-key", "k1")], &login).await;
    let registered = registered.expect_status(201);
    let session = platform.http.post("/v1/auth/login", &[], &login).await.expect_status(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let refresh = json!({"refresh_token": text(&session["refresh_token"])});
    let renewed = platform.http.post("/v1/auth/refresh", &[], &refresh).await.expect_status(200);
    for tokens in [&session, &renewed] {
        marks.extend([text(&tokens["access_token"]), text(&tokens["refresh_token"])]);
    }
    let ana = Person { id: text(&registered["id"]).parse().unwrap(), token: text(&renewed["access_token"]) };
    let operator = platform.token(ana.id, ecs_domain::permission::Permission::ALL);
    let provision =
        json!({"externalId": format!("{WORD}-partner"), "email": format!("{WORD}-bia@example.com")});
    let bearer = format!("Bearer {operator}");
    let headers = [("authorization", bearer.as_str())];
    platform.http.post("/v1/users", &headers, &provision).await.expect_status(201);
    marks.push(operator);
    // So long ago that no decision looks at it: there would be no offer.
    let bought = platform.clock.now() - TWO_MONTHS;
    for number in 0..TIMES {
        let body = feeling(platform, &ana, &format!("{WORD}-{number}"));
        platform.emotion(&body).await.expect_status(202);
        // By hand, so that the digits are those of the mark.
        let body = format!(
            "{{\"userId\": \"{}\", \"amount\": {AMOUNT}, \"merchant\": \"{WORD}\", \"transactionId\": \"{WORD}-{number}\", \"occurredAt\": \"{bought}\"}}",
            ana.id
        );
        sent(platform, &ana, "/v1/transactions", body).await.expect_status(202);
    }
    platform.live_well(&ana).await;
    platform.settled_books().await;
    let path = format!("/v1/users/{}/credit-analysis", ana.id);
    let decision = platform.as_person(&ana, "POST", &path, None).await.expect_status(200);
    marks.push(digits(&decision["ml_risk_score"].to_string()));
    let reasons = decision["explanation"].as_array().unwrap().iter();
    let weights = reasons.map(|reason| digits(&reason["contribution"].to_string()));
    // Short ones may stand for anything.
    marks.extend(weights.filter(|weight| weight.len() >= 8));
    be_reviewed(platform, &ana, &decision).await;
    let offer = decision["offer"]["offer_id"].as_str().unwrap_or_else(|| panic!("no offer: {decision}"));
    platform.accept(&ana, offer).await.expect_status(202);
    let is_told = async || {
        let told = platform.notifications(&ana).await;
        told.into_iter().find(|told| told["type"] == "CREDIT_LIMIT_APPLIED")
    };
    eventually("Ana is notified", is_told).await;
    ana
}

/// Ana has something to say about her decision, and an officer about that.
async fn be_reviewed(platform: &Deployment, ana: &Person, decision: &Value) {
    let path = format!("/v1/decisions/{}/review", decision["decision_id"].as_str().unwrap());
    let comment = json!({"comment": format!("{WORD} please")});
    let review = platform.as_person(ana, "POST", &path, Some(&comment)).await.expect_status(201);
    let officer = ecs_domain::UserId::new(uuid::Uuid::from_u128(8));
    let bearer = format!("Bearer {}", platform.token(officer, ecs_domain::permission::Permission::ALL));
    let headers = [("authorization", bearer.as_str())];
    let review = format!("/v1/reviews/{}", review["review_id"].as_str().unwrap());
    platform.http.call("POST", &format!("{review}/claim"), &headers, None).await.expect_status(200);
    let upheld = json!({"outcome": "upheld", "explanation": format!("{WORD} seen")});
    platform.http.post(&format!("{review}/outcome"), &headers, &upheld).await.expect_status(200);
}

fn feeling(platform: &Deployment, person: &Person, client_id: &str) -> Value {
    let [positivity, intensity, stress_level] = METRICS;
    let metrics = json!({"positivity": positivity, "intensity": intensity, "stress_level": stress_level});
    json!({
        "userId": person.id, "timestamp": platform.clock.now(), "eventId": client_id,
        "emotionEvent": {"type": WORD, "metrics": metrics},
    })
}

async fn sent(platform: &Deployment, ana: &Person, path: &str, body: String) -> Answer {
    let bearer = format!("Bearer {}", ana.token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    platform.http.send("POST", path, &headers, body).await
}

/// What goes wrong says what it was, and must not say with what.
async fn be_wrong(platform: &Deployment, ana: &Person) {
    let login = json!({"email": format!("{WORD}-ana@example.com"), "password": format!("{WORD} wrong")});
    platform.http.post("/v1/auth/login", &[], &login).await.expect_status(401);
    let taken = json!({"email": format!("{WORD}-ana@example.com"), "password": PASSWORD});
    platform.http.post("/v1/auth/register", &[], &taken).await.expect_status(409);
    let known = format!("/v1/users/{}?email={WORD}@example.com", ana.id);
    platform.as_person(ana, "GET", &known, None).await.expect_status(200);
    let forged = [("authorization", format!("Bearer {WORD}.{WORD}.{WORD}"))];
    let forged = [(forged[0].0, forged[0].1.as_str())];
    platform.http.get(&format!("/v1/users/{}/offers", ana.id), &forged).await.expect_status(401);
    for body in [
        format!("{{\"userId\": \"{}\", \"amount\": \"{AMOUNT}\"}}", ana.id),
        format!("{{\"userId\": \"{}\", \"amount\": -{AMOUNT}}}", ana.id),
        format!("{{\"userId\": \"{WORD}\", \"amount\": {AMOUNT}}}"),
        format!("{{\"amount\": {AMOUNT}, \"{WORD}\""),
    ] {
        let answer = sent(platform, ana, "/v1/transactions", body).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 422), "{answer:?}");
    }
    let mut extreme = feeling(platform, ana, WORD);
    extreme["emotionEvent"]["metrics"]["positivity"] = json!(1.0 + METRICS[0]);
    platform.emotion(&extreme).await.expect_problem(422, &["emotionEvent.metrics.positivity"]);
    // Of nobody who is known, so a worker gives it up and an operator looks at it.
    let stranger = Person { id: ecs_domain::UserId::new(uuid::Uuid::from_u128(7)), token: String::new() };
    platform.emotion(&feeling(platform, &stranger, WORD)).await.expect_status(202);
    let operator = platform.operator();
    eventually("the dead letter is there", async || {
        let page = operator.dead_letters(&Default::default(), None, 10).await.unwrap();
        (!page.items.is_empty()).then_some(())
    })
    .await;
}
