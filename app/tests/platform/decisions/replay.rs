//! `ecs decisions replay`.

use ecs_domain::permission::Permission;
use ecs_servers::{Engine, Postgres, PostgresOptions, did_not_run, unavailable_privately};
use serde_json::{Value, json};

use super::{decide, decisions, sealed};
use crate::support::TestApp;

/// How many decisions come out again.
const COUNT: usize = 10_000;

async fn replay(app: &std::path::Path, more: &[&str], set: &[(&str, &str)]) -> (Option<i32>, Value) {
    let (code, said) = decisions(app, &[&["replay", "--json"], more].concat(), set).await;
    (code, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}")))
}

/// Makes them, starts again over the same store, and computes them there: while it runs over HTTP, when it has stopped in its data.
async fn ten_thousand_come_out_again(app: TestApp, set: &[(&str, &str)]) {
    decide(&app, COUNT, 100).await;
    let app = app.restart().await;
    sealed(&app).await;
    let url = format!("http://{}", app.platform.address());
    let check = |(code, found): (Option<i32>, Value)| {
        assert_eq!((code, &found["identical"], &found["different"]), (Some(0), &json!(COUNT), &json!([])));
        assert_eq!(found["decisions"], COUNT);
    };
    check(replay(app.folder.path(), &["--url", &url], set).await);
    let (code, said) = decisions(app.folder.path(), &["verify", "--url", &url], set).await;
    assert_eq!((code, said.contains("10000 decisions and reviews are there")), (Some(0), true), "{said}");
    let folder = app.end().await;
    let begun = std::time::Instant::now();
    check(replay(folder.path(), &[], set).await);
    eprintln!("{COUNT} decisions, computed again in {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_decisions_come_out_again_to_the_bit() {
    Box::pin(ten_thousand_come_out_again(TestApp::start().await, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_decisions_come_out_again_to_the_bit_over_postgresql() {
    if let Some(reason) = unavailable_privately(Engine::Postgres) {
        return did_not_run("decisions of PostgreSQL, computed again", &reason);
    }
    let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    for database in ["ecs", "vault"] {
        postgres.execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    }
    let addresses = [("DATABASE_URL", postgres.url("ecs")), ("ECS_VAULT_URL", postgres.url("vault"))];
    let set = addresses.each_ref().map(|(name, value)| (*name, value.as_str()));
    Box::pin(ten_thousand_come_out_again(TestApp::with(&set).await, &set)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_decides_comes_out_again_for_those_who_may() {
    let app = TestApp::start().await;
    let people = [app.person("ana").await, app.person("bia").await];
    for person in &people {
        app.live_well(person).await;
    }
    app.settled().await;
    app.analyse(&people[0]).await;
    app.analyse(&people[1]).await;
    app.clock.advance(std::time::Duration::from_secs(301));
    app.analyse(&people[0]).await;
    let url = format!("http://{}", app.platform.address());
    let today = app.platform_now().to_string()[..10].to_owned();
    let count = async |more: &[&str]| {
        let (code, found) = replay(app.folder.path(), &[&["--url", &url], more].concat(), &[]).await;
        assert_eq!((code, &found["identical"]), (Some(0), &found["decisions"]), "{found}");
        found["identical"].as_u64().unwrap()
    };
    assert_eq!(count(&[]).await, 3);
    assert_eq!(count(&["--user", &people[0].id.to_string()]).await, 2);
    assert_eq!(count(&["--from", "2026-01-01", "--to", "2026-01-31"]).await, 0);
    assert!((2..=3).contains(&count(&["--from", &today]).await));
    let told = app.operator().audit_entries(3).await.unwrap();
    assert!(told.iter().all(|entry| entry.act == "decisions.replayed"), "{told:?}");
    assert_eq!(told[1].subject, people[0].id.to_string());
    for (may, status) in
        [(vec![], 403), (vec![Permission::AuditRead], 403), (vec![Permission::DecisionsReplay], 200)]
    {
        let bearer = format!("Bearer {}", app.token(people[1].id, &may));
        let answer = app.http.get("/v1/decision-log/decisions", &[("authorization", &bearer)]).await;
        assert_eq!(answer.status.as_u16(), status, "{may:?}");
    }
    app.stop().await;
}

/// What was not there, or can't be opened, is told apart from what comes out otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_computed_again_is_named() {
    let app = TestApp::start().await;
    let users = decide(&app, 6, 6).await;
    sealed(&app).await;
    app.platform.storage().keyring().unwrap().destroy(users[5], app.platform_now()).await.unwrap();
    let folder = app.end().await;
    let store = rusqlite::Connection::open(folder.path().join("store.sqlite")).unwrap();
    for (user, change) in [
        (users[0], "risk_score = risk_score / 2"),
        (users[1], "model_digest = 'another'"),
        (users[2], "policy_digest = 'another'"),
        (users[3], "features = '~1.AAAA'"),
    ] {
        let sql = format!("UPDATE decisions SET {change} WHERE user_id = '{user}'");
        assert_eq!(store.execute(&sql, []).unwrap(), 1);
    }
    drop(store);
    let (code, found) = replay(folder.path(), &[], &[]).await;
    assert_eq!(code, Some(1));
    let counts = ["decisions", "identical", "erased", "aged", "gone", "unreadable"]
        .map(|name| found[name].as_u64().unwrap());
    assert_eq!(counts, [6, 1, 1, 0, 0, 1], "{found}");
    assert_eq!(
        (&found["models_unknown"], &found["policies_unknown"]),
        (&json!({"another": 1}), &json!({"another": 1}))
    );
    let different = found["different"].as_array().unwrap();
    let fields: Vec<_> =
        different[0]["differences"].as_array().unwrap().iter().map(|it| &it["field"]).collect();
    assert_eq!((different.len(), fields), (1, vec![&json!("risk_score")]), "{found}");
    let (code, said) = decisions(folder.path(), &["replay", "--user", &users[0].to_string()], &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("0 identical to the bit, 1 different") && said.contains("risk_score: stored"),
        "{said}"
    );
}
