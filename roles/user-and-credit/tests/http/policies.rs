//! Policies: drafted by one person, made active by another, decided with from their instant on.

use std::time::Duration;

use ecs_domain::permission::Permission::{self, PoliciesApprove, PoliciesRead, PoliciesWrite};
use ecs_domain::{Timestamp, UserId};
use ecs_store::Credit as _;
use ecs_store::audit::{Audit as _, EntryFilter};
use ecs_work::policies::Written;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Actor, App, Setup, built_in_policy, new_user_id};

/// A policy that denies nobody whose risk is at most 0.9, and offers this much.
fn text(version: &str, limit: &str) -> String {
    format!(
        "version = \"{version}\"\ncut_off = 0.9\n\n[[bands]]\nmax_risk = 0.9\ncredit_limit = \"{limit}\"\n\
         interest_rate = \"12.50\"\ncredit_type = \"SHORT_TERM\"\n"
    )
}

fn staff(permission: Permission) -> Actor {
    Actor::Staff(new_user_id(), permission)
}

async fn draft(app: &App, text: &str) -> Value {
    let reply = app.post(staff(PoliciesWrite), "/v1/policies", json!({"text": text})).await;
    reply.expect(StatusCode::CREATED)
}

async fn act(app: &App, actor: Actor, version: &str, what: &str) -> (StatusCode, Value) {
    let reply = app.call(actor, Method::POST, &format!("/v1/policies/{version}/{what}"), None).await;
    (reply.status, reply.body)
}

#[tokio::test]
async fn a_policy_decides_once_two_people_say_so() {
    let app = App::start();
    let (ana, bob) = (app.busy_and_calm("ana@example.com").await, app.busy_and_calm("bob@example.com").await);
    let drafted = draft(&app, &text("policy-7", "123.00")).await;
    assert_eq!((&drafted["state"], &drafted["approver"]), (&json!("draft"), &Value::Null));
    assert_eq!(drafted["compared"]["against"], "policy-3");
    let diff = drafted["compared"]["diff"].as_array().unwrap();
    assert!(
        diff.contains(&json!("- cut_off = 0.15")) && diff.contains(&json!("+ cut_off = 0.9")),
        "{diff:?}"
    );
    let decided = app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!(decided["policy_version"], "policy-3", "a draft decides nothing");

    let (status, approved) = act(&app, staff(PoliciesApprove), "policy-7", "approve").await;
    assert_eq!((status, &approved["state"]), (StatusCode::OK, &json!("approved")));
    let active_from: Timestamp = approved["active_from"].as_str().unwrap().parse().unwrap();
    assert_eq!(active_from, app.now_in_micros() + Duration::from_secs(10));
    app.pass(Duration::from_micros(9_999_999));
    assert_eq!(app.analyse(bob).await.expect(StatusCode::OK)["policy_version"], "policy-3");
    app.pass(Duration::from_secs(301));
    let decided = app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!(
        (&decided["policy_version"], &decided["offer"]["credit_limit"]),
        (&json!("policy-7"), &json!(123.0))
    );
    let kept = app.store.standing_decision(ana, Timestamp::MIN).await.unwrap().unwrap();
    assert_eq!(json!(kept.policy_digest), approved["digest"]);

    let listed = app.get(staff(PoliciesRead), "/v1/policies").await.expect(StatusCode::OK);
    assert_eq!(listed["active"], json!({"version": "policy-7", "digest": kept.policy_digest}));
    assert_eq!((&listed["total"], &listed["items"][0]["version"]), (&json!(1), &json!("policy-7")));
    assert!(listed["items"][0].get("text").is_none());
}

#[tokio::test]
async fn nobody_approves_what_they_drafted() {
    let app = App::start();
    let author = new_user_id();
    let body = json!({"text": text("policy-7", "100.00"), "active_from": "2026-12-01T00:00:00Z"});
    let drafted = app.post(Actor::Staff(author, PoliciesWrite), "/v1/policies", body).await;
    let drafted = drafted.expect(StatusCode::CREATED);
    assert_eq!(drafted["active_from"], "2026-12-01T00:00:00Z");
    let (status, problem) = act(&app, Actor::Staff(author, PoliciesApprove), "policy-7", "approve").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    assert_eq!(act(&app, Actor::Operator, "policy-7", "approve").await.0, StatusCode::OK);
    assert_eq!(act(&app, Actor::Operator, "policy-7", "approve").await.0, StatusCode::CONFLICT);
    let entries = app.store.entries(&EntryFilter::default(), None, 100).await.unwrap();
    let acts: Vec<_> = entries.iter().map(|entry| (entry.act.as_str(), entry.subject.as_str())).collect();
    assert_eq!(acts, [("policy.approved", "policy policy-7"), ("policy.drafted", "policy policy-7")]);
    assert!(entries[0].after.contains("+ cut_off = 0.9"), "{}", entries[0].after);
}

#[tokio::test]
async fn each_right_opens_its_own_doors() {
    let app = App::start();
    draft(&app, &text("policy-7", "100.00")).await;
    let body = || Some(json!({"text": text("policy-8", "100.00")}));
    let calls = [
        (Method::POST, "/v1/policies", body(), PoliciesWrite),
        (Method::GET, "/v1/policies", None, PoliciesRead),
        (Method::GET, "/v1/policies/policy-7", None, PoliciesRead),
        (Method::POST, "/v1/policies/policy-7/approve", None, PoliciesApprove),
        (Method::POST, "/v1/policies/policy-8/withdraw", None, PoliciesWrite),
    ];
    for (method, path, body, needed) in calls {
        for permission in [PoliciesRead, PoliciesWrite, PoliciesApprove, Permission::CreditWriteAny] {
            let refused = permission != needed;
            if refused {
                let reply = app.call(Actor::Holding(permission), method.clone(), path, body.clone()).await;
                assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method} {path} {permission}");
            }
        }
        let reply = app.call(Actor::Holding(needed), method.clone(), path, body).await;
        assert!(reply.status.is_success(), "{method} {path}: {}", reply.body);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_draft_is_told_with_its_line() {
    let app = App::start();
    let good = text("policy-7", "100.00");
    let check = async |text: String, expect: &str| {
        let reply = app.post(Actor::Operator, "/v1/policies", json!({"text": text})).await;
        let problem = reply.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let told = &problem["errors"][0];
        assert_eq!(told["field"], "text");
        let message = told["message"].as_str().unwrap();
        assert!(message.starts_with(expect), "{message}");
    };
    check(good.replace("100.00", "much"), "line 6: credit_limit must be a number").await;
    check(good.replace("cut_off = 0.9", "cut_off = 0.95"), "line 2: the last band must reach").await;
    check(good.replace("max_risk", "max_rusk"), "line 5: unknown field `max_rusk`").await;
    check(String::new(), "line 1: missing field `version`").await;
    check(good.replace("policy-7", "a/b"), "version must be 1 to 64 letters").await;
    check(format!("# {}\n{good}", "long".repeat(9_000)), "may have at most 32768 bytes").await;
    check(format!("# \0\n{good}"), "must not hold U+0000").await;
    let both = json!({"active_from": "tomorrow"});
    let fields = app.post(Actor::Operator, "/v1/policies", both).await.invalid_fields();
    assert_eq!(fields, ["text", "active_from"]);
}

#[tokio::test]
async fn a_version_means_one_text() {
    let app = App::start();
    draft(&app, &text("policy-7", "100.00")).await;
    let active = built_in_policy("policy-3").text.to_string();
    for taken in [
        text("policy-7", "200.00"),
        text("policy-7", "100.00"),
        text("policy-1", "100.00"),
        text("policy-2", "100.00"),
        text("policy-3", "100.00"),
    ] {
        let reply = app.post(Actor::Operator, "/v1/policies", json!({"text": taken})).await;
        assert_eq!(reply.status, StatusCode::CONFLICT, "{}", reply.body);
    }
    // One that is built in can be made active again as it stands.
    let again = draft(&app, &active).await;
    assert_eq!((&again["version"], &again["compared"]["diff"]), (&json!("policy-3"), &json!([])));
}

#[tokio::test]
async fn policies_can_be_read_built_in_ones_included() {
    let app = App::start();
    let second = built_in_policy("policy-2");
    let shown = app.get(staff(PoliciesRead), "/v1/policies/policy-2").await.expect(StatusCode::OK);
    assert_eq!((&shown["state"], &shown["author"]), (&json!("built-in"), &Value::Null));
    assert_eq!((&shown["text"], &shown["digest"]), (&json!(*second.text), &json!(second.policy.digest)));
    for unknown in ["policy-9", "%7Bversion%7D", "..%2F"] {
        let reply = app.get(staff(PoliciesRead), &format!("/v1/policies/{unknown}")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{unknown}");
        for (permission, what) in [(PoliciesApprove, "approve"), (PoliciesWrite, "withdraw")] {
            assert_eq!(
                act(&app, staff(permission), unknown, what).await.0,
                StatusCode::NOT_FOUND,
                "{unknown}"
            );
        }
    }
}

#[tokio::test]
async fn a_policy_is_withdrawn_before_its_time_and_not_after() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    for version in ["policy-7", "policy-8"] {
        draft(&app, &text(version, "100.00")).await;
        act(&app, staff(PoliciesApprove), version, "approve").await;
        if version == "policy-7" {
            let (status, withdrawn) = act(&app, staff(PoliciesWrite), version, "withdraw").await;
            assert_eq!((status, &withdrawn["state"]), (StatusCode::OK, &json!("withdrawn")));
        }
    }
    app.pass(Duration::from_secs(1));
    let (status, problem) = act(&app, staff(PoliciesWrite), "policy-8", "withdraw").await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    app.pass(Duration::from_secs(10));
    assert_eq!(app.analyse(ana).await.expect(StatusCode::OK)["policy_version"], "policy-8");
}

/// What somebody could owe cuts the next offer, until too little is left.
#[tokio::test]
async fn offers_are_cut_to_what_one_person_may_owe() {
    let app = App::start();
    let ana = app.busy_and_calm("ana@example.com").await;
    let mut limits = Vec::new();
    for _ in 0..4 {
        let answer = app.analyse(ana).await.expect(StatusCode::OK);
        limits.push(answer["offer"]["credit_limit"].clone());
        app.pass(Duration::from_secs(300));
    }
    assert_eq!(limits, [json!(5000.0), json!(5000.0), json!(2000.0), Value::Null]);
    let kept = app.store.standing_decision(ana, Timestamp::MIN).await.unwrap().unwrap();
    assert_eq!(kept.facts.exposure.minor_units(), 1_200_000);
    assert_eq!(reason_codes(&app, ana).await, ["EXISTING_CREDIT"]);
    // The offers are gone by then, and so are the days after the denial.
    app.pass(Duration::from_secs(8 * 86_400));
    app.transactions(ana, 10, 30_000).await;
    assert_eq!(app.analyse(ana).await.expect(StatusCode::OK)["approved"], true);
}

async fn reason_codes(app: &App, user: UserId) -> Vec<&'static str> {
    let kept = app.store.standing_decision(user, Timestamp::MIN).await.unwrap().unwrap();
    match kept.outcome {
        ecs_domain::decision::Outcome::Denied(denial) => {
            denial.reasons.into_iter().map(ecs_domain::reason::Reason::code).collect()
        }
        ecs_domain::decision::Outcome::Approved(_) => Vec::new(),
    }
}

/// Who is denied is denied again for a week, counted from the first time however often they ask.
#[tokio::test]
async fn a_denial_denies_for_a_week() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!(reason_codes(&app, ana).await, ["NO_RECENT_TRANSACTION", "LOW_TRANSACTION_VALUE"]);
    app.transactions(ana, 10, 30_000).await;
    app.emotions(ana, 5, [0.8, 0.4, 0.1]).await;
    for day in 1..7 {
        app.pass(Duration::from_secs(86_400));
        app.analyse(ana).await.expect(StatusCode::OK);
        assert_eq!(reason_codes(&app, ana).await, ["DENIED_RECENTLY"], "day {day}");
    }
    app.pass(Duration::from_secs(86_400));
    app.emotions(ana, 5, [0.8, 0.4, 0.1]).await;
    let answer = app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!(answer["approved"], true, "{answer}");
}

/// A policy's file that an operator names decides until one from the store is active.
#[tokio::test]
async fn an_operators_file_decides_first() {
    let policy = Some(Written::read(text("of-the-operator", "77.00")).unwrap());
    let app = App::with(Setup { policy, ..Setup::default() });
    let ana = app.busy_and_calm("ana@example.com").await;
    let answer = app.analyse(ana).await.expect(StatusCode::OK);
    assert_eq!(
        (&answer["policy_version"], &answer["offer"]["credit_limit"]),
        (&json!("of-the-operator"), &json!(77.0))
    );
    let shown = app.get(Actor::Operator, "/v1/policies/of-the-operator").await.expect(StatusCode::OK);
    assert_eq!(shown["compared"], json!({"against": "of-the-operator", "diff": []}));
}
