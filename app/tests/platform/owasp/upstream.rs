//! Unsafe consumption of APIs: a model elsewhere is no more believed than a stranger.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::IntoResponse as _;
use ecs::role::Role;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::deployment::{Process, Servers, free_address, owned};

/// Whatever the model says next.
type Said = Arc<Mutex<Next>>;

struct Next {
    answer: (StatusCode, String),
    /// How often it was asked for this.
    asked: usize,
}

impl Next {
    fn set(said: &Said, status: StatusCode, body: &str) {
        *said.lock().unwrap() = Self { answer: (status, body.to_owned()), asked: 0 };
    }
}

async fn model(said: &Said) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let said = Arc::clone(said);
    let answer = move || async move {
        let (status, body) = {
            let mut said = said.lock().unwrap();
            said.asked += 1;
            said.answer.clone()
        };
        (status, [("content-type", "application/json"), ("location", "http://127.0.0.1:1/")], body)
            .into_response()
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

/// A reason that weighs more than any number can say.
const ENDLESS: &str = r#"[{"feature": "account_age_days", "log_odds": 1e999}]"#;

fn scored(risk: &Value) -> Value {
    json!({"risk_score": risk, "model_version": "financial-1", "base_log_odds": 0.0, "contributions": []})
}

#[tokio::test(flavor = "multi_thread")]
async fn api10_unsafe_consumption_of_apis() {
    let Some(servers) = Servers::reserve("a model elsewhere that answers nonsense").await else { return };
    let said = Said::new(Mutex::new(Next { answer: (StatusCode::OK, String::new()), asked: 0 }));
    let url = model(&said).await;
    let ours =
        [("ECS_MODE", "testing"), ("ECS_BCRYPT_COST", "4"), ("CREDIT_ANALYSIS_SERVICE_URL", url.as_str())];
    let settings = [servers.settings(), owned(&ours)].concat();
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::CreditAnalysis).collect();
    let platform = Process::start(roles, free_address(), &settings);
    platform.is_ready().await;
    let edge = &platform.edge;
    edge.knows_what_holds().await;
    let ana = edge.person("ana").await;
    let path = format!("/v1/users/{}/credit-analysis", ana.id);
    let long = scored(&json!("x".repeat(200_000))).to_string();
    let huge = format!("{{\"risk_score\": 0.01, \"filler\": \"{}\"}}", "x".repeat(1 << 20));
    let nonsense = [
        (StatusCode::OK, String::new()),
        (StatusCode::OK, "<html>0.01</html>".to_owned()),
        (StatusCode::OK, "[]".to_owned()),
        (StatusCode::OK, scored(&json!(-0.5)).to_string()),
        (StatusCode::OK, scored(&json!(1.5)).to_string()),
        (StatusCode::OK, scored(&json!("0.01")).to_string()),
        (StatusCode::OK, scored(&Value::Null).to_string()),
        (StatusCode::OK, scored(&json!(0.01)).to_string().replace("[]", ENDLESS)),
        (StatusCode::OK, long),
        (StatusCode::OK, huge),
        (StatusCode::FOUND, scored(&json!(0.01)).to_string()),
        (StatusCode::IM_A_TEAPOT, "secret of the model".to_owned()),
    ];
    let sense = scored(&json!(0.01)).to_string();
    for (number, (status, body)) in nonsense.iter().enumerate() {
        Next::set(&said, *status, body);
        let answer = edge.as_person(&ana, "POST", &path, None).await;
        // To whoever asked for a decision it is one more way of being away, with a time to come back.
        answer.expect_problem(503, &[]);
        assert_eq!(said.lock().unwrap().asked, 1, "{status} {body:.60}");
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!told.contains("secret of the model"), "{status} {body:.60}: {told}");
        // Whoever makes sense in between is believed, and is no longer on its way to being left alone.
        Next::set(&said, StatusCode::OK, &sense);
        let decision = edge.analyse(&edge.person(&format!("bia-{number}")).await).await;
        assert_eq!(decision["ml_risk_score"], json!(0.01), "{decision}");
    }
    let offers = edge.as_person(&ana, "GET", &format!("/v1/users/{}/offers", ana.id), None).await;
    assert_eq!(offers.expect_status(200)["total"], 0, "no nonsense made an offer");
    // Five times in a row are enough: then it isn't asked, and the time to come back is the breaker's.
    let mut answer = None;
    for (status, body) in &nonsense[..6] {
        Next::set(&said, *status, body);
        answer = Some(edge.as_person(&ana, "POST", &path, None).await);
    }
    assert_eq!(said.lock().unwrap().asked, 0);
    let retry: u64 = answer.unwrap().headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((10..=30).contains(&retry), "{retry}");
    platform.stop().await;
}
