//! `ecs decisions verify`.

use std::path::Path;

use rusqlite::Connection;

use super::{decide, decisions, sealed};
use crate::support::{TestApp, eventually};

const CHECKPOINTS: &str = "audit-checkpoints.jsonl";

/// Three batches of one decision each, so that no seal comes between two, left by a platform that was told to stop.
async fn with_a_log() -> tempfile::TempDir {
    let app = TestApp::start().await;
    for batches in 1..=3 {
        decide(&app, 1, 1).await;
        assert_eq!(sealed(&app).await, batches);
        let file = app.folder.path().join(CHECKPOINTS);
        eventually("the checkpoint is kept", async || {
            let kept = std::fs::read_to_string(&file).unwrap_or_default();
            (kept.matches(r#""log":"decisions""#).count() as u64 == batches).then_some(())
        })
        .await;
    }
    let url = format!("http://{}", app.platform.address());
    // While it runs, it is asked over HTTP.
    let (code, said) = decisions(app.folder.path(), &["verify", "--url", &url], &[]).await;
    assert!(code == Some(0) && said.contains("3 entries in 3 batches, held against 3 checkpoints"), "{said}");
    app.end().await
}

/// A copy of a folder, to do something to.
fn copy(original: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(original).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    folder
}

/// Does this to the store as whoever owns the file can, past the rules that say that the log only grows.
fn tamper(data: &Path, sql: &str) {
    let store = Connection::open(data.join("store.sqlite")).unwrap();
    let triggers = "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_schema
         WHERE type = 'trigger' AND name LIKE 'decision%'";
    let triggers: String = store.query_row(triggers, [], |row| row.get(0)).unwrap();
    store.execute_batch(&triggers).unwrap();
    store.pragma_update(None, "foreign_keys", false).unwrap();
    store.execute_batch(sql).unwrap();
}

/// Swaps a column of the first decision and the last.
fn swap(column: &str) -> String {
    format!(
        "CREATE TEMP TABLE two AS SELECT d.id, d.{column} AS held FROM decisions d JOIN decision_log l ON l.decision_id = d.id
            WHERE l.number IN (1, 3);
         UPDATE decisions SET {column} = (SELECT held FROM two WHERE two.id <> decisions.id) WHERE id IN (SELECT id FROM two)"
    )
}

/// Does this to a copy of a log, and holds what is said of it against what is expected; nothing where nothing is found.
async fn check(original: &Path, sql: &str, expect: &[&str]) {
    let folder = copy(original);
    tamper(folder.path(), sql);
    let (code, said) = decisions(folder.path(), &["verify"], &[]).await;
    assert_eq!(code, Some(i32::from(!expect.is_empty())), "{sql}: {said}");
    let expect = if expect.is_empty() { &["nothing was changed"] } else { expect };
    assert!(expect.iter().all(|part| said.contains(part)), "{sql}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_decision_is_found() {
    let original = with_a_log().await;
    let check = async |sql: &str, expect: &[&str]| check(original.path(), sql, expect).await;
    check("", &[]).await;
    // What becomes of an offer is no change of its decision.
    check("UPDATE credit_limits SET status = 'expired', updated_at = '2026-11-20T12:00:00.000000Z'", &[])
        .await;

    let first = "(SELECT decision_id FROM decision_log WHERE number = 1)";
    let changed = ["is not what was logged"];
    for column in [
        "model_version",
        "model_digest",
        "policy_version",
        "policy_digest",
        "features",
        "contributions",
        "record",
    ] {
        check(&format!("UPDATE decisions SET {column} = {column} || 'x' WHERE id = {first}"), &changed).await;
    }
    check(&format!("UPDATE decisions SET risk_score = risk_score + 1e-15 WHERE id = {first}"), &changed)
        .await;
    check("UPDATE credit_limits SET credit_limit_minor = credit_limit_minor + 1; UPDATE decisions SET reason = 'x' WHERE reason IS NOT NULL", &changed).await;
    for column in ["features", "user_id", "decided_at", "contributions"] {
        check(&swap(column), &changed).await;
    }
    check(&format!("DELETE FROM decisions WHERE id = {first}"), &["is gone, and nothing says why"]).await;
    let stranger = "INSERT INTO decisions SELECT 'ffffffff-ffff-4fff-8fff-ffffffffffff', user_id, decided_at, 'denied', 'x', NULL,
        risk_score, model_version, policy_version, features, contributions, model_digest, policy_digest, record FROM decisions LIMIT 1";
    check(stranger, &["1 decisions or reviews are there that the log doesn't know"]).await;
    let offer = "INSERT INTO credit_limits SELECT 'ffffffff-ffff-4fff-8fff-ffffffffffff', user_id, 'offered', 1, 1, 'SHORT_TERM',
        decided_at, NULL, NULL, decided_at, decided_at FROM decisions LIMIT 1";
    check(offer, &["1 offers are there that nobody has decided"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_a_gap_and_a_cut_tail_are_found() {
    let original = with_a_log().await;
    let check = async |sql: &str, expect: &[&str]| check(original.path(), sql, expect).await;
    check(
        "UPDATE decision_log SET user_id = 'ffffffff-ffff-4fff-8fff-ffffffffffff' WHERE number = 2",
        &["batch 2 was changed"],
    )
    .await;
    check("UPDATE decision_log SET digest = NULL WHERE number = 3", &["batch 3 was changed"]).await;
    check(
        "DELETE FROM decision_log WHERE number = 1",
        &["batch 1 had 1 entries and has 0", "1 decisions or reviews are there that the log"],
    )
    .await;
    check(
        "UPDATE decision_log SET batch = 77 WHERE number = 1",
        &["1 entries say that they are sealed and stand in no batch"],
    )
    .await;
    check(
        "DELETE FROM decision_log WHERE batch = 2; DELETE FROM decision_batches WHERE number = 2",
        &["batch 2 is gone"],
    )
    .await;
    let tail = "DELETE FROM decisions WHERE id IN (SELECT decision_id FROM decision_log WHERE batch = 3);
        DELETE FROM credit_limits WHERE id NOT IN (SELECT offer_id FROM decisions WHERE offer_id IS NOT NULL);
        DELETE FROM decision_log WHERE batch = 3; DELETE FROM decision_batches WHERE number = 3";
    check(tail, &["batch 3 is gone: a checkpoint knows of it"]).await;
    check(
        "UPDATE decision_batches SET sealed_at = sealed_at + 1 WHERE number = 2",
        &["batch 2 is another one"],
    )
    .await;
    let old = "INSERT INTO decision_log (at, act, decision_id, user_id) SELECT at - 90000000, 'aged', decision_id, user_id FROM decision_log LIMIT 1";
    check(old, &["1 entries wait for their seal"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_was_removed_or_changed_is_told() {
    let original = with_a_log().await;
    let check = async |change: &dyn Fn(&str) -> Option<String>, code: i32, expect: &str| {
        let folder = copy(original.path());
        let file = folder.path().join(CHECKPOINTS);
        let lines: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().filter_map(change).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        let (found, said) = decisions(folder.path(), &["verify"], &[]).await;
        assert!(found == Some(code) && said.contains(expect), "{expect}: {said}");
    };
    let of = |line: &str, batch: u64| line.contains(&format!(r#""log":"decisions","batch":{batch},"#));
    check(&|line| Some(line.to_owned()), 0, "held against 3 checkpoints").await;
    check(&|line| (!of(line, 2)).then(|| line.to_owned()), 0, "of 1 batches no checkpoint was kept").await;
    check(
        &|line| (!line.contains("decisions")).then(|| line.to_owned()),
        0,
        "nobody knows whether the end was cut off",
    )
    .await;
    let renumbered =
        |line: &str| Some(line.replace(r#""log":"decisions","batch":3,"#, r#""log":"decisions","batch":4,"#));
    check(&renumbered, 1, "the checkpoint of batch 4 is not one that we have signed").await;
    // What was signed of the one log is nothing that was signed of the other.
    let other = |line: &str| Some(line.replace(r#""log":"decisions","#, ""));
    let folder = copy(original.path());
    let file = folder.path().join(CHECKPOINTS);
    let lines: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().filter_map(other).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let mut ecs = crate::support::process::command(&["audit", "verify"]);
    ecs.env("ECS_MODE", "testing").env("ECS_DATA_DIR", folder.path()).envs(crate::support::KEYS);
    let output = crate::support::process::run(ecs).await;
    let said = crate::support::process::text(&output);
    assert!(output.status.code() == Some(1) && said.contains("is not one that we have signed"), "{said}");
}

#[tokio::test]
async fn the_chain_holds_when_somebody_is_erased() {
    let app = TestApp::start().await;
    let (ana, bia) = (app.person("ana").await, app.person("bia").await);
    for person in [&ana, &bia] {
        app.live_well(person).await;
    }
    app.settled().await;
    app.analyse(&ana).await;
    app.analyse(&bia).await;
    sealed(&app).await;
    let body = serde_json::json!({"password": crate::support::PASSWORD});
    let erasure = format!("/v1/users/{}/erasure", ana.id);
    app.as_person(&ana, "POST", &erasure, Some(&body)).await.expect_status(202);
    eventually("her rows are gone", async || {
        let left = format!("SELECT count(*) FROM decisions WHERE user_id = '{}'", ana.id);
        (app.query::<u64>(&left) == [0]).then_some(())
    })
    .await;
    let folder = app.end().await;
    let (code, said) = decisions(folder.path(), &["verify"], &[]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("1 decisions and reviews are there, 0 went for their age, 1 with their people"),
        "{said}"
    );
    let (code, said) = decisions(folder.path(), &["replay"], &[]).await;
    assert!(
        code == Some(0) && said.contains("2 decisions: 1 identical to the bit, 0 different, 1 erased"),
        "{said}"
    );
}

#[tokio::test]
async fn the_log_only_grows() {
    let app = TestApp::start().await;
    decide(&app, 2, 2).await;
    sealed(&app).await;
    let store = Connection::open(app.folder.path().join("store.sqlite")).unwrap();
    store.busy_timeout(crate::support::DEADLINE).unwrap();
    for sql in [
        "DELETE FROM decision_log",
        "UPDATE decision_log SET digest = NULL",
        "UPDATE decision_log SET batch = NULL",
        "UPDATE decision_log SET act = 'aged'",
        "UPDATE decision_batches SET entries = 0",
        "DELETE FROM decision_batches",
        "INSERT OR REPLACE INTO decision_log SELECT * FROM decision_log",
        "INSERT OR REPLACE INTO decision_log (at, act, decision_id, user_id) SELECT at, act, decision_id, user_id FROM decision_log",
        "INSERT OR REPLACE INTO decision_batches SELECT * FROM decision_batches",
        "INSERT INTO decision_batches SELECT number + 2, entries, digest, sealed_at FROM decision_batches",
        "INSERT INTO decision_log (at, act, decision_id, user_id, batch) VALUES (1, 'made', '', '', 2)",
    ] {
        let refused = store.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains("the decision log only grows"), "{sql}: {refused}");
    }
    app.stop().await;
}
