//! The audit log: what is done is told, and what is done to the log is found.

use std::path::Path;

use ecs_client::audit::AuditEntry;
use ecs_domain::permission::Permission;
use rusqlite::Connection;
use serde_json::json;

use crate::support::process::{Server, ecs, run, text};
use crate::support::{PASSWORD, TestApp, eventually};

#[tokio::test]
async fn what_is_done_to_people_is_told_to_those_who_may_know() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    app.operator().change_access(ana.id, &["operator"], &[]).await.unwrap();
    let consent = format!("/v1/users/{}/consents/emotion-analysis", ana.id);
    let session = json!({"email": "ana@example.com", "password": PASSWORD});
    let session = app.http.post("/v1/auth/login", &[], &session).await.expect_status(200);
    let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
    for method in ["DELETE", "DELETE", "PUT"] {
        let answer = app.http.call(method, &consent, &[("authorization", &bearer)], None).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
    let path = format!("/v1/audit/entries?subject={}", ana.id);
    app.http.get(&path, &[("authorization", &bearer)]).await.expect_problem(403, &[]);
    let told = app.operator().audit_entries(10).await.unwrap();
    let told: Vec<_> =
        told.iter().map(|AuditEntry { act, actor, after, .. }| (act.as_str(), actor, after)).collect();
    let nobody = ecs_domain::UserId::new(uuid::Uuid::nil());
    let said = |granted: bool| json!({"purpose": "emotion-analysis", "granted": granted});
    let access = json!({"roles": ["operator"], "permissions": []});
    let expect = [
        ("consent.changed", &ana.id, &said(true)),
        ("consent.changed", &ana.id, &said(false)),
        ("access.changed", &nobody, &access),
    ];
    assert_eq!(told, expect);
    let reader = format!("Bearer {}", app.token(ana.id, &[Permission::AuditRead]));
    for (query, field) in
        [("actor=x", "actor"), ("act=x", "act"), ("before=x", "before"), ("limit=0", "limit")]
    {
        let path = format!("/v1/audit/entries?{query}");
        app.http.get(&path, &[("authorization", &reader)]).await.expect_problem(422, &[field]);
    }
    let path = format!("/v1/audit/entries?act=consent.changed&limit=1&actor={}", ana.id);
    let page = app.http.get(&path, &[("authorization", &reader)]).await.expect_status(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &page["items"][0]["number"]));
    app.stop().await;
}

/// `ecs audit verify` over a stopped platform: its exit code, and what it printed.
async fn verify(data: &Path) -> (Option<i32>, String) {
    let output = run(ecs(data, &["audit", "verify"])).await;
    (output.status.code(), text(&output))
}

/// A log of three batches at least, left by a process that was told to stop.
async fn with_a_log(data: &Path) {
    let server = Server::start(data).await;
    for (n, name) in ["ana", "bia", "caio"].into_iter().enumerate() {
        let email = format!("{name}@example.com");
        let made = run(ecs(data, &["admin", "create", "--email", &email])).await;
        assert!(made.status.success(), "{}", text(&made));
        let store = data.join("store.sqlite");
        eventually("the entry is sealed", async || {
            let store = Connection::open(&store).unwrap();
            let sealed: u64 = store
                .query_row("SELECT coalesce(max(number), 0) FROM audit_batches", [], |row| row.get(0))
                .unwrap();
            (sealed > n as u64).then_some(())
        })
        .await;
    }
    // While it runs, it is asked over HTTP.
    let (code, said) = verify(data).await;
    assert!(code == Some(0) && said.contains("3 entries in 3 batches, held against 3 checkpoints"), "{said}");
    let mut server = server;
    server.signal("TERM");
    server.child.wait().await.unwrap();
}

/// Does this to the store as whoever owns the file can, past the rules that say that the log only grows.
fn tamper(data: &Path, sql: &str) {
    let store = Connection::open(data.join("store.sqlite")).unwrap();
    let triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'audit%'";
    let triggers: Vec<String> = store
        .prepare(triggers)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        store.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    store.execute_batch(sql).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_a_gap_and_a_cut_tail_are_found() {
    let original = tempfile::tempdir().unwrap();
    with_a_log(original.path()).await;
    let check = async |sql: &str, expect: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        for file in ["store.sqlite", "vault.sqlite", "bus.sqlite", "secrets.json", "audit-checkpoints.jsonl"]
        {
            let from = original.path().join(file);
            if from.exists() {
                std::fs::copy(from, folder.path().join(file)).unwrap();
            }
        }
        tamper(folder.path(), sql);
        let (code, said) = verify(folder.path()).await;
        match expect {
            None => assert!(code == Some(0) && said.contains("nothing was changed"), "{sql}: {said}"),
            Some(part) => assert!(code == Some(1) && said.contains(part), "{sql}: {said}"),
        }
    };
    check("", None).await;
    check("UPDATE audit_entries SET became = '{}' WHERE batch = 2", Some("batch 2 was changed")).await;
    check("UPDATE audit_entries SET subject = 'nobody' WHERE batch = 3", Some("batch 3 was changed")).await;
    let stray = "INSERT INTO audit_entries (at, actor, act, subject, was, became, batch)
        SELECT at, actor, act, subject, was, became, 77 FROM audit_entries LIMIT 1";
    check(stray, Some("1 entries say that they are sealed and stand in no batch")).await;
    let endless = "INSERT INTO audit_batches SELECT 1000000000000000, entries, digest, sealed_at FROM audit_batches LIMIT 1";
    check(endless, Some("batch 4 is gone")).await;
    check(
        "UPDATE audit_batches SET sealed_at = sealed_at + 1 WHERE number = 2",
        Some("batch 2 is another one"),
    )
    .await;
    let old = "INSERT INTO audit_entries (at, actor, act, subject, was, became)
        SELECT at - 90000000, actor, act, subject, was, became FROM audit_entries LIMIT 1";
    check(old, Some("1 entries wait for their seal")).await;
    check("DELETE FROM audit_entries WHERE batch = 1", Some("batch 1 had 1 entries and has 0")).await;
    check(
        "DELETE FROM audit_entries WHERE batch = 2; DELETE FROM audit_batches WHERE number = 2",
        Some("batch 2 is gone"),
    )
    .await;
    let tail = "DELETE FROM audit_entries WHERE batch = 3; DELETE FROM audit_batches WHERE number = 3";
    check(tail, Some("batch 3 is gone: a checkpoint knows of it")).await;
}

#[tokio::test]
async fn the_log_only_grows() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    app.operator().change_access(ana.id, &["operator"], &[]).await.unwrap();
    let store = Connection::open(app.folder.path().join("store.sqlite")).unwrap();
    store.busy_timeout(crate::support::DEADLINE).unwrap();
    for sql in [
        "DELETE FROM audit_entries",
        "UPDATE audit_entries SET became = '{}'",
        "UPDATE audit_entries SET batch = NULL",
        "UPDATE audit_batches SET entries = 0",
        "DELETE FROM audit_batches",
        "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries",
        "INSERT OR REPLACE INTO audit_batches SELECT * FROM audit_batches",
        "INSERT INTO audit_batches SELECT number + 2, entries, digest, sealed_at FROM audit_batches",
        "INSERT INTO audit_entries (at, actor, act, subject, was, became, batch) VALUES (1, x'', '', '', '', '', 2)",
    ] {
        eventually("the entry is sealed", async || {
            app.query::<u64>("SELECT number FROM audit_batches").pop()
        })
        .await;
        let refused = store.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains("the audit log only grows"), "{sql}: {refused}");
    }
    app.stop().await;
}
