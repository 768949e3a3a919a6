//! A program of one's own under the guard.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::time::{Duration, Instant};

use ecs_servers::Program;

/// Counts in its log until somebody stops it, in steps too small to wait for.
const COUNT: &str =
    r#"echo "$GREETING"; trap 'echo bye; exit' TERM; while :; do n=$((n + 1)); echo $n; sleep 0.01; done"#;

fn counter() -> Program {
    let line = ["sh", "-c", COUNT].map(str::to_owned);
    Program::start("counter", &line, &[("GREETING".to_owned(), "hello".to_owned())]).unwrap()
}

fn log(program: &Program) -> String {
    std::fs::read_to_string(program.folder().join("log")).unwrap_or_default()
}

async fn says(program: &Program, words: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !log(program).lines().any(|line| line == words) {
        assert!(Instant::now() < deadline, "{words} is not in {}", log(program));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_program_is_killed_and_started_again_in_its_folder() {
    let program = counter();
    says(&program, "hello").await;
    assert!(program.is_alive());
    program.kill().await.unwrap();
    assert!(!program.is_alive());
    std::fs::remove_file(program.folder().join("log")).unwrap();
    program.restart().unwrap();
    says(&program, "hello").await;
    assert!(program.restart().is_err(), "it runs already");
}

#[tokio::test]
async fn a_paused_program_does_nothing_until_it_goes_on() {
    let program = counter();
    says(&program, "3").await;
    program.pause().await.unwrap();
    let before = log(&program);
    let grows = async {
        while log(&program) == before {
            tokio::task::yield_now().await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(200), grows).await.is_err(),
        "a paused program goes on"
    );
    program.resume().unwrap();
    let next = before.lines().count();
    says(&program, &next.to_string()).await;
}

#[tokio::test]
async fn a_program_may_end_in_order() {
    let program = counter();
    says(&program, "1").await;
    program.terminate().await.unwrap();
    assert_eq!(log(&program).lines().last(), Some("bye"));
}

#[tokio::test]
async fn the_folder_goes_with_the_program() {
    let program = counter();
    let folder = program.folder().to_owned();
    drop(program);
    let deadline = Instant::now() + Duration::from_secs(10);
    while folder.exists() {
        assert!(Instant::now() < deadline, "the folder is left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
