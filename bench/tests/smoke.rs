//! The benchmark works: every row comes out with a number, and the reports can be read. How fast anything is, is not
//! asked here.
//!
//! This is the platform, too: started as `smoke serve`, it is the binary `ecs`, so that the test needs no other build.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop, and this one reports by itself"
)]

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use clap::Parser as _;
use ecs_servers::{Engine, did_not_run, unavailable};
use serde_json::Value;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return ecs::commands::run(&ecs::cli::Cli::parse(), &std::env::vars().collect());
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    every_row_has_numbers(folder.path());
    reports_can_be_made_again(folder.path(), "report", "bench");
    let mut passed = 2;
    if every_row_over_the_engines_has_numbers(folder.path()) {
        reports_can_be_made_again(folder.path(), "engines", "engines");
        passed += 2;
    }
    if every_row_over_the_transports_has_numbers(folder.path()) {
        reports_can_be_made_again(folder.path(), "transports", "transports");
        passed += 2;
    }
    // In the words of the harness that this test does without, for whoever adds them up.
    println!("test result: ok. {passed} passed; 0 failed");
    ExitCode::SUCCESS
}

fn bench(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_ecs-bench")).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let warned = || {
        arguments.iter().map(|argument| warnings(&Path::new(argument).join("ecs.log"))).collect::<String>()
    };
    assert!(output.status.success(), "ecs-bench {arguments:?}: {errors}\n{}", warned());
    output
}

/// What the platform warned of, the last first, for whoever has to find out what went wrong.
fn warnings(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let warned = log.lines().rev().filter(|line| !line.contains(r#""level":"INFO""#)).take(100);
    warned.map(|line| format!("{line}\n")).collect()
}

fn every_row_has_numbers(folder: &Path) {
    let file = folder.join("purchases.txt");
    std::fs::write(
        &file,
        "id date quantity amount\n 00001 19970101  1   11.77\n 00002 19970112  2   12.00\n",
    )
    .unwrap();
    smoke(folder, &["--cdnow", file.to_str().unwrap()]);
    numbers(&folder.join("report.json"), 15);
}

/// False, loudly, where an engine can't be had.
fn every_row_over_the_engines_has_numbers(folder: &Path) -> bool {
    if !are_there("the benchmark over the engines", &[Engine::Postgres, Engine::Nats, Engine::Redis]) {
        return false;
    }
    smoke(folder, &["--engines"]);
    numbers(&folder.join("engines.json"), 20);
    true
}

/// The same of transports.
fn every_row_over_the_transports_has_numbers(folder: &Path) -> bool {
    let engines = [Engine::Postgres, Engine::Redis, Engine::Nats, Engine::RabbitMq, Engine::Kafka];
    if !are_there("the benchmark over the transports", &engines) {
        return false;
    }
    smoke(folder, &["--transports"]);
    numbers(&folder.join("transports.json"), 11);
    true
}

fn are_there(who: &str, engines: &[Engine]) -> bool {
    let missing = engines.iter().find_map(|engine| unavailable(*engine));
    if let Some(reason) = &missing {
        did_not_run(who, reason);
    }
    missing.is_none()
}

/// The least that touches everything, with this as the platform.
fn smoke(folder: &Path, more: &[&str]) {
    let platform = std::env::current_exe().unwrap();
    let arguments = ["--smoke", "--binary", platform.to_str().unwrap(), "--out", folder.to_str().unwrap()];
    bench(&[&arguments, more].concat());
}

/// Each row has one reading above nothing, and so has its limit.
fn numbers(file: &Path, more_rows_than: usize) {
    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let samples = |name: &Value| -> Vec<f64> {
        let measures = report["measures"].as_array().unwrap();
        let measure = measures.iter().find(|measure| measure["name"] == *name).unwrap();
        measure["samples"].as_array().unwrap().iter().map(|sample| sample.as_f64().unwrap()).collect()
    };
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() > more_rows_than, "{rows:#?}");
    for name in rows.iter().flat_map(|row| [&row["measure"], &row["limit"]]).filter(|name| !name.is_null()) {
        let samples = samples(name);
        assert!(samples.len() == 1 && samples.iter().all(|sample| *sample > 0.0), "{name}: {samples:?}");
    }
}

fn reports_can_be_made_again(folder: &Path, name: &str, marks: &str) {
    let (json, document) = (folder.join(format!("{name}.json")), folder.join("document.md"));
    let text = format!("before\n<!-- {marks}:begin -->\n<!-- {marks}:end -->\nafter\n");
    std::fs::write(&document, text).unwrap();
    let (json, path) = (json.to_str().unwrap(), document.to_str().unwrap());
    let shown = String::from_utf8(bench(&["report", json, "--write", path]).stdout).unwrap();
    let written = std::fs::read_to_string(folder.join(format!("{name}.md"))).unwrap();
    assert_eq!(shown.trim_end(), written.trim_end());
    assert!(std::fs::read_to_string(&document).unwrap().contains(&written));
    let compared = String::from_utf8(bench(&["compare", json, json]).stdout).unwrap();
    assert!(compared.contains("too few rounds to tell"), "{compared}");
}
