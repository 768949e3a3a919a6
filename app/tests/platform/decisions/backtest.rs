//! The policy lab: what a draft would have said, over HTTP and by the command, against what is counted by hand.

use std::path::Path;

use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_domain::decision::Decision;
use ecs_domain::{Clock as _, UserId};
use ecs_store::Store;
use ecs_store::audit::EntryFilter;
use ecs_store::decision_log::{Left, WantedDecisions};
use serde_json::{Value, json};
use tokio::process::Command;

use super::decide;
use crate::support::process::{Server, command, run};
use crate::support::{Edge, KEYS, MovableClock, TestApp, eventually};

/// Above this risk the draft denies, and to all others it offers a thousand at 20 %.
const CUT_OFF: f64 = 0.2;
const LIMIT: i64 = 100_000;

fn draft(version: &str) -> String {
    format!(
        "version = \"{version}\"\ncut_off = {CUT_OFF}\n[[bands]]\nmax_risk = {CUT_OFF}\ncredit_limit = \"1000.00\"\n\
         interest_rate = \"20.00\"\ncredit_type = \"SHORT_TERM\"\n"
    )
}

/// `ecs policy backtest`, as operators of the tests' platforms run it: its exit code, and what it printed.
async fn backtest(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut ecs: Command = command(&[&["policy", "backtest"], arguments].concat());
    ecs.env("ECS_MODE", "testing").env("ECS_DATA_DIR", data).envs(KEYS);
    let output = run(ecs).await;
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// What is counted by hand: the draft has no rule but its cut-off.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    recorded: u64,
    drafted: u64,
    gained: Vec<String>,
    lost: Vec<String>,
    sum_recorded: i64,
    /// Of risk × limit, of the draft.
    at_risk: f64,
}

async fn count(store: &dyn Store) -> Counted {
    let logged = store.logged_decisions(&WantedDecisions::default(), 0, 100_000).await.unwrap();
    let mut counted = Counted::default();
    for logged in logged {
        let Left::Whole(decision) = logged.left else { panic!("all of them are there") };
        let Decision { id, assessment, .. } = decision.as_ref();
        let (then, now) = (decision.offer(), assessment.risk_score <= CUT_OFF);
        counted.recorded += u64::from(then.is_some());
        counted.sum_recorded += then.map_or(0, |offer| offer.terms.credit_limit.minor_units());
        counted.drafted += u64::from(now);
        counted.at_risk += if now { assessment.risk_score * LIMIT as f64 } else { 0.0 };
        match (then.is_some(), now) {
            (false, true) => counted.gained.push(id.to_string()),
            (true, false) => counted.lost.push(id.to_string()),
            _ => {}
        }
    }
    counted.gained.sort();
    counted.lost.sort();
    counted
}

fn cents(amount: &Value) -> f64 {
    amount.as_f64().unwrap() * 100.0
}

#[track_caller]
fn check(report: &Value, counted: &Counted, decisions: u64) {
    assert_eq!((&report["decisions"], &report["skipped"]), (&json!(decisions), &json!([])), "{report}");
    let approved = |side: &str| report[side]["approved"]["count"].as_u64().unwrap();
    assert_eq!((approved("recorded"), approved("draft")), (counted.recorded, counted.drafted));
    assert_eq!(report["recorded"]["approved"]["of"], decisions);
    let share = counted.drafted as f64 / decisions as f64;
    let [low, found, high] =
        ["low", "fraction", "high"].map(|name| report["draft"]["approved"][name].as_f64().unwrap());
    assert!(low < share && share < high && (found - share).abs() < 1e-12, "{report}");
    assert_eq!(report["gained"]["count"], counted.gained.len());
    assert_eq!(report["lost"]["count"], counted.lost.len());
    assert!((cents(&report["recorded"]["limits"]["sum"]) - counted.sum_recorded as f64).abs() < 0.01);
    let (limits, drafted) = (&report["draft"]["limits"], counted.drafted as f64);
    assert!((cents(&limits["sum"]) - LIMIT as f64 * drafted).abs() < 0.01);
    assert_eq!((&limits["mean"], &report["draft"]["mean_rate"]), (&json!(1000.0), &json!(20.0)));
    assert!((cents(&report["draft"]["expected_loss"]) - counted.at_risk * 0.45).abs() < 0.51, "{report}");
    let both: u64 =
        ["raised", "lowered", "same"].iter().map(|name| report["both"][name].as_u64().unwrap()).sum();
    assert_eq!(both + counted.lost.len() as u64, counted.recorded);
    assert_eq!(report["lost"]["causes"][0]["rule"], "cut-off");
    assert_eq!(report["bands"][0]["draft"]["count"], counted.drafted);
}

/// Who tells what of themselves: 12 people one age, three another, and nobody else anything.
async fn tell(store: &dyn Store, users: &[UserId], app: &TestApp) {
    for (place, user) in users.iter().enumerate().take(15) {
        let now = app.clock.now();
        store.set_consent(*user, Purpose::Demographics, true.into(), now).await.unwrap();
        let band = if place < 12 { "25-34" } else { "65+" };
        let attributes = Attributes { age_band: Some(band.parse().unwrap()), region: None };
        store.put_attributes(*user, attributes, now).await.unwrap().unwrap();
    }
}

/// Every page of what flips this way.
async fn flips(app: &TestApp, id: &str, direction: &str) -> Vec<String> {
    let bearer = app.bearer_of_an_operator();
    let path = format!("/v1/backtests/{id}/flips?direction={direction}");
    let page = app.http.get(&path, &[("authorization", &bearer)]).await.expect_status(200);
    assert_eq!(page["next"], Value::Null);
    let ids = page["items"].as_array().unwrap().iter();
    ids.map(|item| item["decision_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_draft_is_counted_as_by_hand() {
    let app = TestApp::start().await;
    let users = decide(&app, 300, 30).await;
    let store = app.platform.storage().store().unwrap();
    tell(store.as_ref(), &users, &app).await;
    let counted = count(store.as_ref()).await;
    assert!(counted.lost.len() > 5 && counted.gained.len() > 5, "{counted:?}");
    let (bearer, body) = (app.bearer_of_an_operator(), json!({"text": draft("stricter")}));
    app.http.post("/v1/policies", &[("authorization", &bearer)], &body).await.expect_status(201);

    let shown = app.backtest("stricter", "2026-01-01", "2026-12-31").await;
    check(&shown["report"], &counted, 300);
    assert_eq!(shown["progress"], json!({"done": 300, "total": 300}));
    let groups = &shown["report"]["groups"];
    let suppressed = json!({"groups": 2, "decisions": 150});
    assert_eq!((&groups["ages"][0]["group"], &groups["ages_suppressed"]), (&json!("unknown"), &suppressed));
    assert_eq!(groups["ages"][0]["recorded"]["of"], 150);
    assert_eq!(
        (&groups["regions"][0]["recorded"]["of"], groups["ages"].as_array().unwrap().len()),
        (&json!(300), 1)
    );
    let id = shown["id"].as_str().unwrap();
    assert_eq!(
        (flips(&app, id, "gained").await, flips(&app, id, "lost").await),
        (counted.gained.clone(), counted.lost.clone())
    );
    let listed = app.http.get("/v1/policies/stricter/backtests", &[("authorization", &bearer)]).await;
    assert_eq!(listed.expect_status(200)["items"][0]["id"], id);
    let told = store.entries(&EntryFilter::default(), None, 100).await.unwrap();
    let acts: Vec<_> =
        told.iter().map(|entry| entry.act.as_str()).filter(|act| act.contains("backtest")).collect();
    assert_eq!(acts, ["backtest.flips-read", "backtest.flips-read", "policy.backtested"]);

    let url = format!("http://{}", app.platform.address());
    let days = ["--from", "2026-01-01", "--to", "2026-12-31", "--json"];
    let arguments = [&["stricter", "--url", &url, "--flips", "1000"], &days[..]].concat();
    let (code, said) = backtest(app.folder.path(), &arguments).await;
    let found: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    check(&found, &counted, 300);
    assert_eq!((code, &found["groups"]), (Some(0), &Value::Null));
    let sorted = |flips: &Value| {
        let mut ids: Vec<_> =
            flips.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(
        (sorted(&found["flips"]["gained"]), sorted(&found["flips"]["lost"])),
        (counted.gained.clone(), counted.lost.clone())
    );

    let folder = Box::pin(app.end()).await;
    in_the_data_of_a_stopped_platform(folder.path(), &shown["report"], &counted).await;
}

/// A file is asked like a version, and what isn't a policy is refused with the line.
async fn in_the_data_of_a_stopped_platform(data: &Path, report: &Value, counted: &Counted) {
    let file = data.join("draft.toml");
    std::fs::write(&file, draft("stricter")).unwrap();
    let file = file.to_str().unwrap();
    let days = ["--from", "2026-01-01", "--to", "2026-12-31"];
    let (code, said) = backtest(data, &[&[file, "--json"], &days[..]].concat()).await;
    let mut found: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    check(&found, counted, 300);
    found.as_object_mut().unwrap().remove("flips");
    assert_eq!((code, &found), (Some(0), report), "the worker says the same");
    let (code, said) =
        backtest(data, &[&["stricter", "--lgd", "1", "--flips", "2"], &days[..]].concat()).await;
    let lost = format!("approved then, denied by the draft: {}", counted.lost.len());
    for part in
        ["stricter, asked of 300 decisions", &lost, "expected loss at 1", "150 decisions about 2 groups"]
    {
        assert!(code == Some(0) && said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.matches("would be denied by the draft").count(), 2, "{said}");
    let (code, said) = backtest(data, &[file, "--from", "2025-01-01", "--to", "2025-12-31"]).await;
    assert!(code == Some(0) && said.contains("asked of 0 decisions"), "{said}");
    std::fs::write(file, draft("stricter").replace("1000.00", "much")).unwrap();
    let (code, said) = backtest(data, &[&[file], &days[..]].concat()).await;
    assert!(code == Some(1) && said.contains("line 5: credit_limit must be a number"), "{said}");
    let (code, said) = backtest(data, &[&["nobody's"], &days[..]].concat()).await;
    assert!(
        code == Some(1) && said.contains("there is no file nobody's, and no policy of this version"),
        "{said}"
    );
    let (code, said) = backtest(data, &["policy-1", "--from", "2026-02-01", "--to", "2026-01-31"]).await;
    assert!(code == Some(1) && said.contains("--from comes before --to"), "{said}");
}

/// Whoever stops in the middle gives the backtest back, and the next process begins it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_outlives_the_process_that_ran_it() {
    let app = TestApp::start().await;
    decide(&app, 2_000, 100).await;
    let counted = count(app.platform.storage().store().unwrap().as_ref()).await;
    let bearer = app.bearer_of_an_operator();
    let headers = [("authorization", bearer.as_str())];
    let body = json!({"text": draft("stricter")});
    app.http.post("/v1/policies", &headers, &body).await.expect_status(201);
    let days = json!({"from": "2026-01-01", "to": "2026-12-31"});
    let asked = app.http.post("/v1/policies/stricter/backtests", &headers, &days).await;
    let location = asked.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(location, format!("/v1/backtests/{}", asked.expect_status(202)["id"].as_str().unwrap()));
    eventually("it has begun", async || {
        let shown = app.http.get(&location, &headers).await.expect_status(200);
        (shown["progress"]["done"] != 0).then_some(())
    })
    .await;
    let app = app.restart().await;
    let shown = eventually("it is finished", async || {
        let shown = app.http.get(&location, &headers).await.expect_status(200);
        (shown["state"] == "finished").then_some(shown)
    })
    .await;
    check(&shown["report"], &counted, 2_000);
    let id = shown["id"].as_str().unwrap();
    assert_eq!(
        app.query::<u64>(&format!("SELECT count(*) FROM backtest_flips WHERE backtest_id = '{id}'")),
        [(counted.gained.len() + counted.lost.len()) as u64]
    );
    app.stop().await;
}

/// Whatever moment the process dies at, the next one tells the whole of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_a_backtest_to_the_next_one() {
    let app = TestApp::start().await;
    decide(&app, 1_000, 50).await;
    let counted = count(app.platform.storage().store().unwrap().as_ref()).await;
    let folder = Box::pin(app.end()).await;
    let settings = KEYS.iter().chain(&[("ECS_MODE", "testing")]);
    let settings: Vec<String> = settings.map(|(name, value)| format!("{name}={value}")).collect();
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let mut server = Server::start_with(folder.path(), &settings).await;
    let bearer = edge(&server).bearer_of_an_operator();
    let headers = [("authorization", bearer.as_str())];
    let body = json!({"text": draft("stricter")});
    edge(&server).http.post("/v1/policies", &headers, &body).await.expect_status(201);
    let days = json!({"from": "2026-01-01", "to": "2026-12-31"});
    for _ in 0..2 {
        let asked = edge(&server).http.post("/v1/policies/stricter/backtests", &headers, &days).await;
        let path = format!("/v1/backtests/{}", asked.expect_status(202)["id"].as_str().unwrap());
        eventually("it has begun", async || {
            let shown = edge(&server).http.get(&path, &headers).await.expect_status(200);
            (shown["progress"]["done"] != 0).then_some(())
        })
        .await;
        server.kill().await;
        server = Server::start_with(folder.path(), &settings).await;
        let shown = eventually("it is finished", async || {
            let shown = edge(&server).http.get(&path, &headers).await.expect_status(200);
            (shown["state"] == "finished").then_some(shown)
        })
        .await;
        check(&shown["report"], &counted, 1_000);
    }
    server.kill().await;
}

fn edge(server: &Server) -> Edge {
    Edge::new(server.url.strip_prefix("http://").unwrap().parse().unwrap(), MovableClock::default())
}
