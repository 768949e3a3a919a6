//! Everything that is held on a person, from what they did to the archive that they fetch.

use std::io::{Cursor, Read as _};

use serde_json::{Value, json};
use zip::ZipArchive;

use crate::support::deployment::Deployment;
use crate::support::process::Server;
use crate::support::{Edge, INTERNAL_KEY, MovableClock, Person, SECRET, TestApp, eventually};

#[tokio::test]
async fn a_life_on_the_platform_is_in_the_archive() {
    let app = TestApp::start().await;
    let (ana, bia) = (app.person("ana").await, app.person("bia").await);
    let consent = format!("/v1/users/{}/consents/emotion-analysis", ana.id);
    let shown = json!({"text_version": 1, "locale": "es"});
    app.as_person(&ana, "PUT", &consent, Some(&shown)).await.expect_status(200);
    app.live_well(&ana).await;
    app.settled().await;
    let offer = app.offer(&ana).await;
    app.accept(&ana, &offer).await.expect_status(202);
    let told = eventually("Ana is notified", async || app.notifications(&ana).await.pop()).await;

    let ready = app.export(&ana).await;
    let archive = format!("/v1/users/{}/exports/{}/archive", ana.id, ready["id"].as_str().unwrap());
    app.as_person(&bia, "GET", &archive, None).await.expect_status(403);
    let another = archive.replace(&ana.id.to_string(), &bia.id.to_string());
    app.as_person(&bia, "GET", &another, None).await.expect_status(404);

    // It is a row like any other, so it is there when the platform comes back.
    let app = app.restart().await;
    let files = fetch(&app, &ana, &archive).await;
    let rows = |name: &str| files.json(name).as_array().unwrap().clone();
    for (name, expect) in [
        ("profile", 1),
        ("consents", 1),
        ("transactions", 10),
        ("emotion_events", 10),
        ("emotion_summaries", 1),
        ("credit_limits", 1),
        ("decisions", 1),
        ("notifications", 1),
        ("sessions", 1),
        ("exports", 1),
        ("dead_letters", 0),
    ] {
        assert_eq!(rows(&format!("{name}.json")).len(), expect, "{name}");
        assert_eq!(files.text(&format!("{name}.csv")).lines().count(), expect + 1, "{name}");
    }
    assert_eq!(rows("credit_limits.json")[0]["id"], json!(offer));
    assert_eq!(rows("notifications.json")[0]["id"], told["id"]);
    let acts: Vec<_> = rows("audit.json").iter().map(|entry| entry["act"].clone()).collect();
    assert_eq!(acts, ["consent.changed", "export.requested"]);
    assert!(files.text("README.txt").starts_with("LO QUE GUARDAMOS SOBRE USTED"));
    assert_eq!(files.json("manifest.json")["user_id"], json!(ana.id));
    app.stop().await;
}

/// Whatever moment the process dies at, the archive is built by the next one, whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_an_archive_to_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, key) = (format!("SECRET_KEY={SECRET}"), format!("INTERNAL_SERVICE_API_KEY={INTERNAL_KEY}"));
    let settings = ["--set", &secret, "--set", &key];
    let mut server = Server::start_with(folder.path(), &settings).await;
    let ana = edge(&server).person("ana").await;
    edge(&server).live_well(&ana).await;
    edge(&server).settled_books().await;
    for round in 1..=3 {
        let path = format!("/v1/users/{}/exports", ana.id);
        let asked = edge(&server).as_person(&ana, "POST", &path, None).await.expect_status(202);
        server.kill().await;
        server = Server::start_with(folder.path(), &settings).await;
        let ready = edge(&server).export(&ana).await;
        // Had it been built before the kill, another one was asked for.
        let archive = format!("{path}/{}/archive", asked["id"].as_str().unwrap());
        let files = fetch(&edge(&server), &ana, &archive).await;
        assert_eq!(files.json("transactions.json").as_array().unwrap().len(), 10, "round {round}");
        assert_eq!(ready["progress"]["done"], ready["progress"]["total"], "round {round}");
    }
    server.kill().await;
}

fn edge(server: &Server) -> Edge {
    Edge::new(server.url.strip_prefix("http://").unwrap().parse().unwrap(), MovableClock::default())
}

/// Asked for at one process, built by whichever is first, and fetched from another one through its gateway.
pub(crate) async fn fetched_wherever_it_was_asked_for(platform: &Deployment) {
    let edge = &platform.gateways()[0];
    let ana = edge.person("ana").await;
    edge.live_well(&ana).await;
    edge.settled_books().await;
    let ready = edge.export(&ana).await;
    let archive = format!("/v1/users/{}/exports/{}/archive", ana.id, ready["id"].as_str().unwrap());
    let files = fetch(platform.other(), &ana, &archive).await;
    assert_eq!(files.json("transactions.json").as_array().unwrap().len(), 10);
    assert_eq!(files.json("profile.json")[0]["email"], "ana@example.com");
    assert_eq!(files.json("transactions.json")[0]["amount"], 300.0);
}

/// An archive.
struct Files(Vec<u8>);

async fn fetch(edge: &Edge, person: &Person, path: &str) -> Files {
    let answer = edge.as_person(person, "GET", path, None).await;
    answer.expect_status(200);
    assert_eq!(answer.headers["content-type"], "application/zip");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
    Files(answer.body.to_vec())
}

impl Files {
    fn text(&self, name: &str) -> String {
        let mut archive = ZipArchive::new(Cursor::new(&self.0)).unwrap();
        let mut text = String::new();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }
}
