//! Everything that is held on a person, as an archive: asked for, built behind the answer, fetched, dropped.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::time::Duration;

use axum::body::Bytes;
use ecs_domain::UserId;
use ecs_domain::permission::Permission;
use ecs_store::audit::{Audit as _, EntryFilter};
use ecs_store::personal_data::{PersonalRow, Section};
use ecs_store::{ExportEnd, Exports as _, Progress};
use ecs_store_conformance::biography;
use ecs_store_conformance::fixtures::user;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::support::{Actor, App};

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);

fn path(user: UserId) -> String {
    format!("/v1/users/{user}/exports")
}

/// Asks for an archive. Returns the path of the export.
async fn ask(app: &App, actor: Actor, user: UserId) -> String {
    let asked = app.call(actor, Method::POST, &path(user), None).await.expect(StatusCode::ACCEPTED);
    format!("{}/{}", path(user), asked["id"].as_str().unwrap())
}

/// Waits until the export says this.
async fn until(app: &App, user: UserId, export: &str, state: &str) -> Value {
    let reached = async {
        loop {
            let shown = app.get(Actor::User(user), export).await.expect(StatusCode::OK);
            if shown["state"] == state {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.unwrap_or_else(|_| panic!("{export} never became {state}"))
}

async fn fetch(app: &App, actor: Actor, export: &str) -> Bytes {
    let reply = app.get(actor, &format!("{export}/archive")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    for (name, value) in [
        ("content-type", "application/zip"),
        ("content-disposition", "attachment; filename=\"export-2026-11-20.zip\""),
        ("cache-control", "no-store"),
        ("content-length", &reply.bytes.len().to_string()),
    ] {
        assert_eq!(reply.headers[name], value);
    }
    reply.bytes
}

/// Every file of an archive, by its name.
fn unpack(archive: &[u8]) -> BTreeMap<String, String> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        files.insert(file.name().unwrap().into_owned(), text);
    }
    files
}

/// The rows of a section's JSON.
fn rows(files: &BTreeMap<String, String>, section: Section) -> Vec<PersonalRow> {
    serde_json::from_str(&files[&format!("{}.json", section.as_str())]).unwrap()
}

/// What a person reads in a cell of this value.
fn cell(json: &str) -> String {
    match serde_json::from_str::<Value>(json).unwrap() {
        Value::Null => String::new(),
        Value::String(text) => text,
        _ => json.to_owned(),
    }
}

#[tokio::test]
async fn an_archive_holds_everything_twice() {
    let app = App::start();
    biography::live(app.store.as_ref(), 1).await;
    let _supervisor = app.work();
    let ana = user(1);
    // One is under way since the biography ended.
    let export = ask(&app, Actor::User(ana), ana).await;
    assert!(export.ends_with(&biography::export_id(100).to_string()));
    let ready = until(&app, ana, &export, "ready").await;
    let files = unpack(&fetch(&app, Actor::User(ana), &export).await);
    let mut told = 0;
    for section in Section::ALL {
        let rows = rows(&files, *section);
        assert!(!rows.is_empty(), "{section:?}");
        let csv = &files[&format!("{}.csv", section.as_str())];
        let mut lines = csv::Reader::from_reader(csv.as_bytes());
        assert!(lines.headers().unwrap().iter().eq(section.columns().iter().copied()), "{section:?}");
        let lines: Vec<_> = lines.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), rows.len(), "{section:?}");
        for (row, line) in rows.iter().zip(&lines) {
            assert!(row.members().map(|(_, value)| cell(value)).eq(line.iter()), "{row} is not {line:?}");
        }
        told += rows.len();
    }
    assert_eq!(ready["progress"], json!({"done": told, "total": told}));
    assert_eq!(ready["expires_at"], "2026-11-27T12:00:00.123456Z");
    assert!(files["transactions.json"].contains("\"amount\":999999999999.00,"));
    assert!(
        files["README.txt"].starts_with("O QUE GUARDAMOS SOBRE VOCÊ"),
        "the language that Ana was asked in"
    );
    check_manifest(&files, ana);
    for secret in ["hash of 1", &user(2).to_string(), "secret"] {
        assert!(
            !files.iter().any(|(name, text)| name != "manifest.json" && text.contains(secret)),
            "{secret}"
        );
    }
}

/// The manifest names every file with its digest, and what is missing with the reason.
fn check_manifest(files: &BTreeMap<String, String>, user: UserId) {
    let manifest: Value = serde_json::from_str(&files["manifest.json"]).unwrap();
    assert_eq!((&manifest["user_id"], &manifest["format"]), (&json!(user), &json!("ecs/export/1")));
    let named = manifest["files"].as_array().unwrap();
    assert_eq!(named.len() + 1, files.len());
    for file in named {
        let text = &files[file["name"].as_str().unwrap()];
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        assert_eq!((&file["sha256"], &file["bytes"]), (&json!(digest), &json!(text.len())), "{file}");
    }
    let left_out = manifest["left_out"].as_array().unwrap();
    assert!(left_out.iter().any(|left| left["what"] == "raw_floor"), "{left_out:?}");
}

#[tokio::test]
async fn an_archive_is_its_persons_and_the_privacy_officers() {
    let app = App::start();
    let (ana, bia) = (app.register("ana@example.com").await, app.register("bia@example.com").await);
    let _supervisor = app.work();
    let officer = Actor::Holding(Permission::PrivacyWriteAny);
    let export = ask(&app, officer, ana).await;
    until(&app, ana, &export, "ready").await;
    let archive = format!("{export}/archive");
    let strangers =
        [Actor::User(bia), Actor::Holding(Permission::UsersReadAny), Actor::Holding(Permission::AuditRead)];
    for (method, path) in [
        (Method::POST, &path(ana)),
        (Method::GET, &path(ana)),
        (Method::GET, &export),
        (Method::GET, &archive),
        (Method::DELETE, &export),
    ] {
        for actor in strangers {
            let reply = app.call(actor, method.clone(), path, None).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{actor:?} {method} {path}");
        }
        let reply = app.call(Actor::Anonymous, method.clone(), path, None).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let under_another = export.replace(&ana.to_string(), &bia.to_string());
    for (method, path) in [
        (Method::GET, under_another.clone()),
        (Method::GET, format!("{under_another}/archive")),
        (Method::DELETE, under_another),
    ] {
        app.call(Actor::User(bia), method, &path, None).await.expect(StatusCode::NOT_FOUND);
    }
    let nobody = path(UserId::new(uuid::Uuid::now_v7()));
    app.call(officer, Method::POST, &nobody, None).await.expect(StatusCode::NOT_FOUND);

    fetch(&app, officer, &export).await;
    fetch(&app, Actor::User(ana), &export).await;
    app.call(Actor::User(ana), Method::HEAD, &archive, None).await;
    let about = EntryFilter { subject: Some(ana.to_string()), ..EntryFilter::default() };
    let told = app.store.entries(&about, None, 10).await.unwrap();
    let told: Vec<_> =
        told.iter().rev().map(|entry| (entry.act.as_str(), entry.actor == ana.uuid())).collect();
    assert_eq!(told, [("export.requested", false), ("export.fetched", false), ("export.fetched", true)]);
}

#[tokio::test]
async fn an_export_that_came_to_an_end_says_so() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let export = ask(&app, Actor::User(ana), ana).await;
    let archive = format!("{export}/archive");
    let get = async |path: &str| app.get(Actor::User(ana), path).await;
    assert_eq!(get(&export).await.expect(StatusCode::OK)["state"], "pending");
    get(&archive).await.expect(StatusCode::CONFLICT);
    assert_eq!(ask(&app, Actor::User(ana), ana).await, export, "the one that is under way");
    let hold = app.store.claim_export(app.now(), Duration::from_secs(60)).await.unwrap().unwrap();
    app.store.advance_export(hold, Progress { done: 3, total: 9 }, app.now()).await.unwrap();
    let running = get(&export).await.expect(StatusCode::OK);
    assert_eq!(
        (&running["state"], &running["progress"]),
        (&json!("running"), &json!({"done": 3, "total": 9}))
    );
    get(&archive).await.expect(StatusCode::CONFLICT);
    app.store.end_export(hold, ExportEnd::Failed { failure: "internal", at: app.now() }).await.unwrap();
    assert_eq!(get(&export).await.expect(StatusCode::OK)["failure"], "internal");
    get(&archive).await.expect(StatusCode::GONE);

    let _supervisor = app.work();
    let second = ask(&app, Actor::User(ana), ana).await;
    until(&app, ana, &second, "ready").await;
    let list = get(&path(ana)).await.expect(StatusCode::OK);
    let states: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["ready", "failed"]);
    app.pass(Duration::from_secs(7 * 86_400));
    assert_eq!(get(&second).await.expect(StatusCode::OK)["state"], "expired");
    get(&format!("{second}/archive")).await.expect(StatusCode::GONE);
    app.call(Actor::User(ana), Method::DELETE, &second, None).await.expect(StatusCode::NO_CONTENT);
    for path in [&second, &format!("{second}/archive")] {
        get(path).await.expect(StatusCode::NOT_FOUND);
    }
    app.call(Actor::User(ana), Method::DELETE, &second, None).await.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_killed_worker_began_is_begun_anew() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let export = ask(&app, Actor::User(ana), ana).await;
    // Somebody takes it in hand, writes something, and is never heard of again.
    let dead = app.store.claim_export(app.now(), Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(app.store.write_export_chunk(dead, 0, b"half".to_vec()).await.unwrap());
    assert!(app.store.write_export_chunk(dead, 7, b"of it".to_vec()).await.unwrap());
    let _supervisor = app.work();
    app.pass(Duration::from_secs(61));
    until(&app, ana, &export, "ready").await;
    assert!(!app.store.write_export_chunk(dead, 0, b"late".to_vec()).await.unwrap());
    assert_eq!(app.store.export_chunk(ana, dead.id, 7).await.unwrap(), None);
    let files = unpack(&fetch(&app, Actor::User(ana), &export).await);
    assert_eq!(rows(&files, Section::Profile).len(), 1);
    assert!(files["README.txt"].starts_with("WHAT IS HELD ON YOU"), "nobody knows Ana's language");
}

#[tokio::test]
async fn a_stop_gives_back_what_is_being_built() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    app.transactions(ana, 5_000, 100).await;
    let export = ask(&app, Actor::User(ana), ana).await;
    let supervisor = app.work();
    until(&app, ana, &export, "running").await;
    assert!(supervisor.drain(DEADLINE).await.is_clean());
    let left = app.get(Actor::User(ana), &export).await.expect(StatusCode::OK);
    assert_eq!((&left["state"], &left["progress"]["done"]), (&json!("pending"), &json!(0)));
    let _supervisor = app.work();
    until(&app, ana, &export, "ready").await;
    let files = unpack(&fetch(&app, Actor::User(ana), &export).await);
    assert_eq!(rows(&files, Section::Transactions).len(), 5_000);
}

#[tokio::test]
async fn half_an_archive_never_looks_like_the_whole() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let _supervisor = app.work();
    let export = ask(&app, Actor::User(ana), ana).await;
    until(&app, ana, &export, "ready").await;
    let begun = app.begin(Actor::User(ana), &format!("{export}/archive")).await;
    assert_eq!(begun.status(), StatusCode::OK);
    app.call(Actor::User(ana), Method::DELETE, &export, None).await.expect(StatusCode::NO_CONTENT);
    assert!(begun.into_body().collect().await.is_err(), "the answer breaks off");
}

#[tokio::test]
async fn archives_past_their_time_are_dropped_behind_the_calls() {
    let app = App::start();
    let ana = app.register("ana@example.com").await;
    let supervisor = app.work();
    let export = ask(&app, Actor::User(ana), ana).await;
    until(&app, ana, &export, "ready").await;
    supervisor.drain(DEADLINE).await;
    app.pass(Duration::from_secs(7 * 86_400));
    let kept = app.store.exports(ana).await.unwrap().remove(0);
    assert!(app.store.export_chunk(ana, kept.id, 0).await.unwrap().is_some());
    let _supervisor = app.work();
    let dropped = async {
        while app.store.export_chunk(ana, kept.id, 0).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, dropped).await.unwrap();
}
