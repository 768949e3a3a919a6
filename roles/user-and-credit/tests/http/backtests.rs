//! Backtests of policies: asked for by those who may, run behind the answer, read by those who may.

use std::time::Duration;

use ecs_domain::backtest::LossGivenDefault;
use ecs_domain::permission::Permission::{self, PoliciesBacktest, PoliciesRead, PoliciesWrite, UsersReadAny};
use ecs_domain::{BacktestId, Timestamp, UserId};
use ecs_store::audit::{Audit as _, EntryFilter};
use ecs_store::{Backtests as _, NewBacktest};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App};

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);
const ASK: &str = "/v1/policies/strict/backtests";

fn days() -> Value {
    json!({"from": "2026-11-01", "to": "2026-11-30"})
}

/// Drafts a policy that approves nobody whose risk is above a thousandth.
async fn draft(app: &App) {
    let text = "version = \"strict\"\ncut_off = 0.001\n[[bands]]\nmax_risk = 0.001\ncredit_limit = \"900.00\"\n\
                interest_rate = \"14.25\"\ncredit_type = \"SHORT_TERM\"\n";
    app.post(Actor::Holding(PoliciesWrite), "/v1/policies", json!({"text": text}))
        .await
        .expect(StatusCode::CREATED);
}

/// Waits until the backtest says this.
async fn until(app: &App, path: &str, state: &str) -> Value {
    let reached = async {
        loop {
            let shown = app.get(Actor::Holding(PoliciesRead), path).await.expect(StatusCode::OK);
            if shown["state"] == state {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.unwrap_or_else(|_| panic!("{path} never became {state}"))
}

#[tokio::test]
async fn a_backtest_is_run_behind_its_answer() {
    let app = App::start();
    for email in ["ana@example.com", "bob@example.com"] {
        let user = app.busy_and_calm(email).await;
        app.offer_to(user).await;
    }
    draft(&app).await;
    let asked = app.post(Actor::Holding(PoliciesBacktest), ASK, days()).await;
    let place = asked.headers["location"].to_str().unwrap().to_owned();
    let asked = asked.expect(StatusCode::ACCEPTED);
    assert_eq!(place, format!("/v1/backtests/{}", asked["id"].as_str().unwrap()));
    assert_eq!(
        (&asked["state"], &asked["report"], &asked["lgd"]),
        (&json!("pending"), &Value::Null, &json!(0.45))
    );
    assert_eq!((&asked["from"], &asked["to"]), (&json!("2026-11-01"), &json!("2026-11-30")));
    assert_eq!(until(&app, &place, "pending").await, asked);
    let supervisor = app.work();
    let shown = until(&app, &place, "finished").await;
    let report = &shown["report"];
    assert_eq!((&report["looked_at"], &report["lost"]["count"]), (&json!(2), &json!(2)), "{report}");
    assert_eq!((&report["draft"]["limits"], &report["policy"]), (&Value::Null, &json!("strict")));
    // Two people are too few to be told apart.
    assert_eq!(report["groups"]["ages_suppressed"], json!({"groups": 1, "decisions": 2}));
    let flips = |way: &str| format!("{place}/flips?direction={way}");
    let lost = app.get(Actor::Holding(UsersReadAny), &flips("lost")).await.expect(StatusCode::OK);
    assert_eq!((lost["items"].as_array().unwrap().len(), &lost["next"]), (2, &Value::Null));
    let behind = format!("{}&cursor={}", flips("lost"), lost["items"][0]["decision_id"].as_str().unwrap());
    let behind = app.get(Actor::Holding(UsersReadAny), &behind).await.expect(StatusCode::OK);
    assert_eq!(behind["items"], json!([lost["items"][1]]));
    let gained = app.get(Actor::Holding(UsersReadAny), &flips("gained")).await.expect(StatusCode::OK);
    assert_eq!(gained["items"], json!([]));
    let entries = app.store.entries(&EntryFilter::default(), None, 100).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| entry.act.as_str()).take(3).collect();
    assert_eq!(
        told,
        ["backtest.flips-read", "backtest.flips-read", "policy.backtested"],
        "none of an empty page"
    );
    app.pass(Duration::from_secs(30 * 86_400));
    let gone = app.get(Actor::Holding(PoliciesRead), &place).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "though nobody removed it yet");
    assert!(supervisor.drain(DEADLINE).await.is_clean());
    assert_eq!(attempts(&app), [Some(1.0), Some(1.0), None]);
    assert_eq!(app.counted("ecs_backtest_decisions_total", &[]), Some(2.0));
}

/// Attempts that were begun, those that finished, and those that failed.
fn attempts(app: &App) -> [Option<f64>; 3] {
    let ended = |outcome| app.counted("ecs_backtest_attempt_duration_seconds_count", &[("outcome", outcome)]);
    let begun = app.counted("ecs_backtest_attempts_begun_total", &[]);
    [begun, ended("finished"), ended("failed")]
}

/// Nobody has the text that it was asked for by, as when a newer program wrote it.
#[tokio::test]
async fn a_backtest_of_a_policy_that_nobody_has_is_given_up() {
    let app = App::start();
    let (id, now) = (BacktestId::new(uuid::Uuid::now_v7()), app.now_in_micros());
    let request = NewBacktest {
        id,
        version: "lost".to_owned(),
        digest: "0".repeat(64),
        from: Timestamp::UNIX_EPOCH,
        until: now,
        loss_given_default: LossGivenDefault::DEFAULT,
        actor: UserId::new(uuid::Uuid::nil()),
        now,
    };
    app.store.request_backtest(request, 1).await.unwrap().unwrap();
    let supervisor = app.work();
    let shown = until(&app, &format!("/v1/backtests/{id}"), "failed").await;
    assert_eq!((&shown["failure"], &shown["report"]), (&json!("policy"), &Value::Null));
    assert!(supervisor.drain(DEADLINE).await.is_clean());
    assert_eq!(attempts(&app), [Some(1.0), None, Some(1.0)]);
    assert_eq!(app.counted("ecs_backtest_decisions_total", &[]), Some(0.0));
}

#[tokio::test]
async fn who_may_ask_is_not_who_may_read_which_decisions_flip() {
    let app = App::start();
    draft(&app).await;
    let asked = app.post(Actor::Holding(PoliciesBacktest), ASK, days()).await.expect(StatusCode::ACCEPTED);
    let place = format!("/v1/backtests/{}", asked["id"].as_str().unwrap());
    let calls = [
        (Method::POST, ASK.to_owned(), Some(days()), PoliciesBacktest),
        (Method::GET, ASK.to_owned(), None, PoliciesRead),
        (Method::GET, place.clone(), None, PoliciesRead),
        (Method::GET, format!("{place}/flips"), None, UsersReadAny),
    ];
    for (method, path, body, needed) in calls {
        for permission in
            [PoliciesRead, PoliciesWrite, PoliciesBacktest, UsersReadAny, Permission::DecisionsReplay]
        {
            let reply = app.call(Actor::Holding(permission), method.clone(), &path, body.clone()).await;
            let refused = reply.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, permission != needed, "{method} {path} {permission}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_is_told_with_its_field() {
    let app = App::start();
    let check = async |body: Value, expect: &[&str]| {
        let reply = app.post(Actor::Operator, "/v1/policies/policy-1/backtests", body.clone()).await;
        assert_eq!(reply.invalid_fields(), expect, "{body}");
    };
    check(json!({}), &["from", "to"]).await;
    check(json!({"from": "November", "to": "2026-11-31"}), &["from", "to"]).await;
    check(json!({"from": "2026-11-02", "to": "2026-11-01"}), &["to"]).await;
    check(json!({"from": "2026-11-02", "to": "9999-12-31"}), &["to"]).await;
    for lgd in [-0.1, 1.1, 0.123_45, 1e300] {
        check(json!({"from": "2026-11-01", "to": "2026-11-01", "lgd": lgd}), &["lgd"]).await;
    }
    let nobody = uuid::Uuid::nil();
    for (method, path, body) in [
        (Method::POST, "/v1/policies/nobodys/backtests".to_owned(), Some(days())),
        (Method::GET, "/v1/policies/%2e/backtests".to_owned(), None),
        (Method::GET, format!("/v1/backtests/{nobody}"), None),
        (Method::GET, format!("/v1/backtests/{nobody}/flips"), None),
    ] {
        let reply = app.call(Actor::Operator, method, &path, body).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    let one = json!({"from": "2026-11-20", "to": "2026-11-20", "lgd": 1});
    let mut last = Value::Null;
    for _ in 0..10 {
        let reply = app.post(Actor::Operator, "/v1/policies/policy-1/backtests", one.clone()).await;
        last = reply.expect(StatusCode::ACCEPTED);
    }
    assert_eq!(
        (&last["from"], &last["to"], &last["lgd"]),
        (&json!("2026-11-20"), &json!("2026-11-20"), &json!(1))
    );
    let reply = app.post(Actor::Operator, "/v1/policies/policy-1/backtests", one).await;
    assert_eq!(reply.expect(StatusCode::CONFLICT)["detail"], "too many backtests are under way");
    let listed = app.get(Actor::Operator, "/v1/policies/policy-1/backtests").await.expect(StatusCode::OK);
    let items = listed["items"].as_array().unwrap();
    assert!(items.len() == 10 && items.iter().all(|item| item.get("report").is_none()), "{listed}");
    let flips = format!("/v1/backtests/{}/flips", last["id"].as_str().unwrap());
    for (query, field) in [("direction=up", "direction"), ("cursor=7", "cursor")] {
        let reply = app.get(Actor::Operator, &format!("{flips}?{query}")).await;
        assert_eq!(reply.invalid_fields(), [field]);
    }
}
