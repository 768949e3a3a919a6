//! The binary as its users meet it.

use std::path::Path;
use std::process::Stdio;

use ecs_servers::{Engine, Nats, NatsOptions, did_not_run, unavailable_privately};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::support::process::{Server, ecs, run, text};
use crate::support::{DEADLINE, INTERNAL_KEY, MASTER_KEY, SECRET, eventually};

async fn refused(data: &Path, arguments: &[&str], environment: &[(&str, &str)], code: i32, expect: &[&str]) {
    let mut command = ecs(data, arguments);
    command.envs(environment.iter().copied());
    let output = run(command).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for part in expect {
        assert!(text.contains(part), "{arguments:?} doesn't say {part:?}: {text}");
    }
}

#[tokio::test]
async fn a_start_that_cannot_succeed_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(data, &["serve", "--listen", &address], &[], 1, &[&address, "can't be listened on", "in use"])
        .await;
    assert!(!data.join("store.sqlite").exists(), "the port comes before any work");
    refused(data, &["serve"], &[("ECS_LISTN", "x")], 2, &["ECS_LISTN", "did you mean ECS_LISTEN?"]).await;
    let other_engine = [("DATABASE_URL", "mysql://ecs:hunter2@x/ecs")];
    refused(data, &["serve"], &other_engine, 2, &["DATABASE_URL names the engine \"mysql\""]).await;
    let elsewhere = [("CREDIT_ANALYSIS_SERVICE_URL", "http://127.0.0.1:1")];
    let split = ["CREDIT_ANALYSIS_SERVICE_URL names a role of another process", "SQLite", "one process"];
    refused(data, &["serve", "--role", "user-and-credit"], &elsewhere, 2, &split).await;
    refused(data, &["serve"], &[("ECS_MODE", "production")], 2, &["SECRET_KEY must be set"]).await;
    refused(data, &["serve", "--role", "gateway"], &[], 2, &["api-gateway", "emotion-processing"]).await;
    let lacking = ["serve", "--role", "user-and-credit"];
    refused(data, &lacking, &[], 2, &["user-and-credit calls credit-analysis", "--role credit-analysis"])
        .await;
    refused(data, &["verify"], &[], 1, &["there is no data"]).await;
    refused(data, &["healthcheck"], &[], 1, &["no platform runs"]).await;
}

/// What was acknowledged must be on disk. The monitor of NATS says whether it is, where a setting says where that is.
#[tokio::test]
async fn a_nats_that_does_not_flush_is_refused_where_its_monitor_is_named() {
    if let Some(reason) = unavailable_privately(Engine::Nats) {
        return did_not_run("a start over a NATS that does not flush", &reason);
    }
    let nats = Nats::start(NatsOptions { sync_always: false, ..NatsOptions::default() }).await.unwrap();
    let monitor = format!("http://{}", nats.monitor_address().unwrap());
    let settings = [
        ("NATS_URL", nats.url()),
        ("NATS_MONITOR_URL", &monitor),
        ("SECRET_KEY", SECRET),
        ("INTERNAL_SERVICE_API_KEY", INTERNAL_KEY),
        ("ECS_MASTER_KEY", MASTER_KEY),
    ];
    let folder = tempfile::tempdir().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--role", "emotion-ingestion"];
    let reason = ["acknowledges before it flushes", "sync_interval: always"];
    refused(folder.path(), &serve, &settings, 1, &reason).await;
}

#[tokio::test]
async fn one_process_holds_the_data_and_a_second_start_carries_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data).await;
    refused(data, &["serve", "--listen", "127.0.0.1:0"], &[], 1, &["in use by another process"]).await;
    refused(data, &["migrate"], &[], 1, &["in use by another process"]).await;
    let healthy = run(ecs(data, &["healthcheck"])).await;
    assert!(healthy.status.success() && text(&healthy).contains("ready"), "{}", text(&healthy));
    let simulated = run(ecs(data, &["simulate", "--users", "3", "--count", "100", "--rate", "0"])).await;
    assert!(text(&simulated).contains("100 accepted"), "{}", text(&simulated));
    server.signal("INT");
    let mut child = server.child;
    let ended = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "the first Ctrl-C drains: {ended}");
    let stopped = run(ecs(data, &["verify"])).await;
    assert!(text(&stopped).contains("the books balance"), "{}", text(&stopped));

    let again = Server::start(data).await;
    let verified = run(ecs(data, &["verify", "--wait", "30"])).await;
    let text = text(&verified);
    assert!(verified.status.success() && text.contains("0 pending"), "{text}");
    let migrated = run(ecs(data, &["config"])).await;
    assert!(migrated.status.success());
    again.kill().await;
}

#[tokio::test]
async fn a_subset_of_roles_serves_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        ecs(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--role", "emotion-ingestion"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let serving = tokio::time::timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let line: serde_json::Value = serde_json::from_str(&serving).unwrap();
    assert_eq!(
        (&line["message"], &line["roles"]),
        (&"serving".into(), &"emotion-ingestion".into()),
        "{line}"
    );
    let http = crate::support::http::Http::new(line["address"].as_str().unwrap().parse().unwrap());
    http.get("/readyz", &[]).await.expect_status(200);
    http.send("POST", "/v1/emotions/stream", &[], "").await.expect_problem(401, &[]);
    http.send("POST", "/v1/transactions", &[], "").await.expect_problem(404, &[]);
    child.kill().await.unwrap();
}

#[tokio::test]
async fn the_settings_in_force_hide_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = ecs(folder.path(), &["config", "--set", "ECS_CACHE=none"]);
    command.env("SECRET_KEY", "0123456789abcdef0123456789abcdef").env("ECS_LOG", "debug");
    let text = text(&run(command).await);
    let shown = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_default().split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown("SECRET_KEY"), "(hidden) environment");
    assert_eq!(shown("DATABASE_READ_URLS"), "(unset)");
    assert_eq!(shown("ECS_CACHE"), "none command line");
    assert!(!text.contains("0123456789abcdef"), "{text}");
}

/// What the demo prints for people to paste is pasted.
#[tokio::test]
async fn the_demo_shows_the_platform_and_its_curl_lines_work() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut command = ecs(data, &["demo", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut banner = Vec::new();
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let done = line.contains("simulated crowd is at work");
            banner.push(line);
            if done {
                return;
            }
        }
        panic!("the demo ended early: {banner:#?}");
    };
    tokio::time::timeout(DEADLINE * 2, read).await.unwrap();
    let all = banner.join("\n");
    assert!(
        all.contains("Ana accepted and reads") && all.contains("Bia applied for credit and was denied"),
        "{all}"
    );
    let verify = format!("target/release/ecs verify --data-dir '{}'", data.display());
    assert!(banner.contains(&verify), "the books of this folder, not of another: {all}");
    let pasted = |line: &&String| {
        line.split('=').next().is_some_and(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let variables: Vec<_> = banner.iter().filter(|line| line.contains('=')).filter(pasted).cloned().collect();
    assert_eq!(variables.len(), 4, "{variables:?}");
    let curls: Vec<_> = banner.iter().filter(|line| line.starts_with("curl ")).collect();
    assert!(curls.len() >= 6, "{curls:?}");
    for curl in curls {
        let script = format!("{}\n{curl} -w '\\n%{{http_code}}'", variables.join("\n"));
        let output = tokio::process::Command::new("bash").arg("-c").arg(script).output().await.unwrap();
        let printed = text(&output);
        assert!(matches!(printed.lines().last(), Some("200" | "202")), "{curl}: {printed}");
    }
    let server = Server { child, url: String::new() };
    server.signal("INT");
    let mut child = server.child;
    let mut rest = String::new();
    lines.into_inner().read_to_string(&mut rest).await.unwrap();
    let ended = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    assert!(ended.success() && rest.contains("accepted"), "{rest}");
}

#[tokio::test]
async fn an_import_refuses_rows_one_by_one_resumes_and_never_doubles() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::start(data).await;
    let file = data.join("purchases.txt");
    let mut rows = vec![" customer_id  date number_of_cds  dollar_value".to_owned()];
    // Two customers; every tenth purchase looks exactly like the one before it, and two rows can't be right.
    for n in 0..200 {
        rows.push(format!(" {:05} 199701{:02}  1 {:6}", n / 10 % 2, n / 10 % 20 + 1, "11.77"));
    }
    rows.push(" 00001 19970301  1   0.00".to_owned());
    rows.push(" 00001 19970399  1   5.00".to_owned());
    std::fs::write(&file, rows.join("\n")).unwrap();
    let import = ["import", "transactions", file.to_str().unwrap(), "--preset", "cdnow"];
    for round in 0..3 {
        if round == 2 {
            // Without its memory of what is done it sends everything again, to no effect.
            std::fs::remove_dir_all(data.join("imports")).unwrap();
        }
        let output = run(ecs(data, &import)).await;
        let text = text(&output);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("202 read = 200 accepted + 2 refused"), "{text}");
        assert!(text.contains("2354.00 accepted") && text.contains("customers       2 ("), "{text}");
        assert!(text.contains("line 202: the amount is 0") && text.contains("line 203: "), "{text}");
    }
    let verified = run(ecs(data, &["verify", "--wait", "30"])).await;
    assert!(text(&verified).contains("200 accepted = 200 counted"), "{}", text(&verified));
    server.kill().await;
    let store = rusqlite::Connection::open(data.join("store.sqlite")).unwrap();
    let (count, first): (i64, String) = store
        .query_row("SELECT count(*), min(occurred_at) FROM transactions", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((count, &first[..10]), (200, "1997-01-01"));
}

#[tokio::test]
async fn the_second_ctrl_c_does_not_wait() {
    use tokio::io::AsyncWriteExt as _;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    // A request that never ends keeps the drain busy.
    let mut slow = tokio::net::TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
    slow.write_all(b"POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    let log = folder.path().join("serve.log");
    let says = async |what: &str| std::fs::read_to_string(&log).unwrap().contains(what).then_some(());
    server.signal("INT");
    eventually("the drain has begun", async || says("\"stopping\"").await).await;
    server.signal("INT");
    let mut child = server.child;
    let ended = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(130));
    says("exiting at once").await.expect("it says why");
}

/// Secrets, tokens, addresses, emotion values and scores never reach a log, not even the most talkative one.
#[tokio::test]
async fn logs_carry_ids_and_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut command = ecs(data, &["serve", "--listen", "127.0.0.1:0", "--set", "ECS_LOG=trace"]);
    let log = std::fs::File::create(data.join("serve.log")).unwrap();
    let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let url = eventually("it listens", async || std::fs::read_to_string(data.join("address")).ok()).await;
    let http = crate::support::http::Http::new(url.trim_start_matches("http://").parse().unwrap());
    let login = serde_json::json!({"email": "secretive@example.com", "password": "a password to hide"});
    let id = http.post("/v1/auth/register", &[], &login).await.expect_status(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let session = http.post("/v1/auth/login", &[], &login).await.expect_status(200);
    let token = session["access_token"].as_str().unwrap().to_owned();
    let kept = std::fs::read_to_string(data.join("secrets.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let key = kept["internal_key"].as_str().unwrap();
    for stress in ["0.987654321", "\"0.987654321\"", "9.87654321"] {
        let body = format!(
            "{{\"userId\":\"{id}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"eventId\":\"1\",\"emotionEvent\":{{\"type\":\"sorrow\",\
             \"metrics\":{{\"positivity\":0.123454321,\"intensity\":0.5,\"stress_level\":{stress}}}}}}}"
        );
        let headers = [("x-internal-key", key), ("content-type", "application/json")];
        http.send("POST", "/v1/emotions/stream", &headers, body).await;
    }
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("x-request-id", "the-analysis")];
    let analysis = http
        .call("POST", &format!("/v1/users/{id}/credit-analysis"), &headers, None)
        .await
        .expect_status(200);
    let score = analysis["ml_risk_score"].to_string();
    let server = Server { child, url };
    server.signal("TERM");
    let mut child = server.child;
    tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    let log = std::fs::read_to_string(data.join("serve.log")).unwrap();
    let secrets =
        [kept["secret_key"].as_str().unwrap(), key, &token, "a password to hide", "secretive@example.com"];
    for secret in secrets.into_iter().chain(["987654321", "87654321", "123454321", "sorrow", &score[..8]]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret:?} is in the log: {}", line.unwrap_or_default());
    }
    let answered =
        log.lines().find(|line| line.contains("the-analysis") && line.contains("answered")).unwrap();
    let answered: serde_json::Value = serde_json::from_str(answered).unwrap();
    assert_eq!(
        (&answered["span"]["user_id"], &answered["span"]["role"]),
        (&id.into(), &"user-and-credit".into())
    );
    assert!(answered["span"]["trace_id"].is_string() && answered["status"] == 200, "{answered}");
}
