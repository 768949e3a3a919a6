//! schemathesis reads the platform's document and makes requests of it, good and bad: no answer is a 5xx, has a status,
//! content type, header or shape that isn't documented, and no bad request is taken.
//!
//! `ECS_TEST_SCHEMA_CASES` is about how many requests, by default for a minute or less; `ECS_TEST_SEED` begins elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ecs_domain::permission::Permission;
use ecs_servers::did_not_run;
use serde_json::json;

use crate::support::deployment::{Deployment, Topology};
use crate::support::process::text;
use crate::support::{INTERNAL_KEY, Person, TestApp, eventually};

/// What is not held against answers. That a good request is taken: it may come too late, name what isn't there, or break a
/// rule that a schema can't say. And whether credentials are asked for, which `owasp` tries for every call and credential.
const NOT_CHECKED: [&str; 5] = [
    "positive_data_acceptance",
    "ensure_resource_availability",
    "use_after_free",
    "ignored_auth",
    "object_level_authorization",
];

/// Its answer has no end.
const STREAM: &str = "/v1/users/{user_id}/notifications/stream";

/// Requests for each call and round.
const PER_CALL: u32 = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The program that `scripts/provision.sh` has installed. `None`, loudly, where it isn't; in CI that is a failure.
fn program() -> Option<PathBuf> {
    let path = root().join(".engines/bin/schemathesis");
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "schemathesis must not be missing in CI");
    did_not_run("schemathesis", "it is not installed: run scripts/provision.sh");
    None
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_gets_an_answer_that_is_not_documented() {
    let Some(program) = program() else { return };
    let Some(platform) = Deployment::start(Topology::Embedded).await else { return };
    let ana = platform.person("ana").await;
    // At random first, where most ids are nobody's, then in the affairs of somebody who is there.
    let strangers = BTreeMap::new();
    let theirs = affairs(&platform, &ana).await;
    let (wanted, first) = (number("ECS_TEST_SCHEMA_CASES", 10_000), number("ECS_TEST_SEED", 1));
    let (mut made, mut round) = (0, 0);
    while made < wanted {
        for ids in [&strangers, &theirs] {
            made += run(&program, &platform, &ana, ids, first + round).await;
        }
        round += 1;
    }
    println!("{made} requests of schemathesis, seeds {first} to {}", first + round - 1);
    platform.stop().await;
}

/// The ids of what somebody has, by the names that they have in paths.
async fn affairs(platform: &Deployment, person: &Person) -> BTreeMap<&'static str, String> {
    platform.live_well(person).await;
    platform.settled_books().await;
    let offer = platform.offer(person).await;
    platform.accept(person, &offer).await.expect_status(202);
    let told = eventually("they are notified", async || platform.notifications(person).await.pop()).await;
    let notification = told["id"].as_str().unwrap().to_owned();
    let user = person.id.to_string();
    let ids = [("user_id", user), ("offer_id", offer), ("notification_id", notification)];
    [ids.as_slice(), &[("purpose", "emotion-analysis".to_owned())]].concat().into_iter().collect()
}

/// How many requests it made; all were answered as they should be.
async fn run(
    program: &Path,
    platform: &Deployment,
    ana: &Person,
    ids: &BTreeMap<&'static str, String>,
    seed: u64,
) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), settings(ids)).unwrap();
    // It holds whatever changes meanwhile: some of these requests end every session and change every right.
    let bearer = format!("Authorization: Bearer {}", platform.token(ana.id, Permission::ALL));
    let mut command = tokio::process::Command::new(program);
    command.current_dir(folder.path()).kill_on_drop(true).stdin(std::process::Stdio::null());
    command.args(["run", &format!("{}/openapi.json", platform.url), "--exclude-path", STREAM]);
    command.args(["-H", &bearer, "-H", &format!("X-Internal-Key: {INTERNAL_KEY}")]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", &PER_CALL.to_string()]);
    command.args(["--seed", &seed.to_string(), "--generation-database", "none", "--continue-on-failure"]);
    command.args(["--no-color", "--warnings", "off", "--request-timeout", "30"]);
    let output = command.output().await.unwrap();
    let said = text(&output);
    assert!(output.status.success(), "seed {seed}, {ids:?}:\n{said}");
    made(&said).unwrap_or_else(|| panic!("how many requests were made?\n{said}"))
}

/// From `  1984 generated, 1984 passed`.
fn made(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.trim().split_once(" generated")?.0.parse().ok())
}

fn settings(ids: &BTreeMap<&'static str, String>) -> String {
    let hooks = root().join("scripts/schemathesis_hooks.py");
    let ids: String = ids.iter().map(|(name, id)| format!("{name} = \"{id}\"\n")).collect();
    let off = |name: &str| format!("checks.{name}.enabled = false\n");
    let unchecked: String = NOT_CHECKED.map(off).concat();
    // A bad line among JSON lines is told of in an answer that is good news for the others.
    let lines = "[[operations]]\ninclude-path = \"/v1/emotions/stream\"\n";
    let hooks = format!("hooks = {:?}\n", hooks.to_str().unwrap());
    format!("{hooks}{unchecked}[parameters]\n{ids}{lines}{}{unchecked}", off("negative_data_rejection"))
}

/// What it found when it was first run.
#[tokio::test]
async fn what_schemathesis_found_stays_found() {
    let app = TestApp::start().await;
    let ana = app.person("ana").await;
    let operator = format!("Bearer {}", app.token(ana.id, Permission::ALL));
    let operator = [("authorization", operator.as_str())];
    let beyond = "9223372036854775808";
    let changes = format!("/v1/access/changes?after={beyond}");
    let answer = app.http.get(&changes, &[("x-internal-key", INTERNAL_KEY)]).await;
    answer.expect_problem(422, &["after"]);
    let letter = "/v1/operations/dead-letters/1?payload=1";
    app.http.get(letter, &operator).await.expect_problem(422, &["payload"]);
    let read = format!("/v1/users/{}/notifications/read", ana.id);
    let up_to = json!({"upTo": beyond.parse::<u64>().unwrap()});
    app.as_person(&ana, "POST", &read, Some(&up_to)).await.expect_problem(422, &["upTo"]);
    for path in ["replay", "drop"] {
        let path = format!("/v1/operations/dead-letters/{path}");
        let answer = app.http.send("DELETE", &path, &operator, "").await;
        answer.expect_problem(405, &[]);
        assert_eq!(answer.headers["allow"], "POST", "{path}");
    }
    app.stop().await;
}
