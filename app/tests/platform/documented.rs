//! What the README and the docs tell people to type is typed.
//!
//! Every fenced block of `sh` is run as it stands, by bash, in a folder that looks like the clone after
//! `cargo build --release` and `ecs serve`: the README's first steps come first, for they set the variables that the
//! other pages use. Only the port differs, and lines that build or start what runs already are left out.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use ecs_servers::Program;

use crate::support::deployment::{Servers, free_address};
use crate::support::process::{Server, text};
use crate::support::{DEADLINE, eventually};

/// Lines of the docs that build, or that start what this test has started.
const LEFT_OUT: [&str; 4] = ["make ", "cargo ", "scripts/dev-authority.sh ", "target/release/ecs serve"];

/// The page that starts processes of its own, over real servers; it has a test of its own.
const DISTRIBUTED: &str = "distributed.md";

/// A curl that fails where its server does, so that an answer of 400 and above ends the script.
const PREAMBLE: &str = "set -euo pipefail\ncurl() { command curl --fail-with-body --max-time 30 \"$@\"; }\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The README first, then the pages of `docs/` that have something to type.
fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages.insert(0, root().join("README.md"));
    pages
}

/// The fenced blocks of a page: what stands behind the fence, and the lines.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (open.as_mut(), line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => *text += &format!("{line}\n"),
            (None, None) => assert!(!line.contains("curl -"), "a cURL line outside a block of sh: {line}"),
        }
    }
    assert!(open.is_none(), "a block that doesn't end");
    blocks
}

/// What of a page can be typed, as one script.
fn script(page: &Path) -> String {
    let page = std::fs::read_to_string(page).unwrap();
    let mut script = String::new();
    for (kind, text) in blocks(&page) {
        if kind == "sh" {
            let typed = text.lines().filter(|line| !LEFT_OUT.iter().any(|start| line.starts_with(start)));
            typed.for_each(|line| script += &format!("{line}\n"));
        } else {
            assert!(!text.contains("curl "), "a cURL line in a block of {kind:?}:\n{text}");
        }
    }
    script
}

/// Runs a script in a folder that looks like a clone whose platform is `server`.
async fn run(folder: &Path, script: &str) -> (bool, String) {
    let mut command = tokio::process::Command::new("bash");
    command.arg("-c").arg(format!("{PREAMBLE}{script}")).current_dir(folder);
    // Nothing of the tester's own settings, only the tools.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE * 4, command.output()).await.expect("it ends").unwrap();
    (output.status.success(), text(&output))
}

#[tokio::test]
async fn every_command_in_the_readme_and_the_docs_works_as_it_stands() {
    let first_steps = script(&root().join("README.md"));
    assert!(first_steps.contains("BASE=http://127.0.0.1:9999\n"), "the README names the default address");
    let mut typed = 0;
    for page in pages() {
        let more = if page.ends_with("README.md") { String::new() } else { script(&page) };
        if page.ends_with(DISTRIBUTED) || more.trim().is_empty() && typed > 0 {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(".ecs");
        let built = folder.path().join("target/release");
        std::fs::create_dir_all(&built).unwrap();
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ecs"), built.join("ecs")).unwrap();
        let server = Server::start(&data).await;
        let all = format!("{first_steps}\n{more}").replace("http://127.0.0.1:9999", &server.url);
        let (succeeded, printed) = run(folder.path(), &all).await;
        assert!(succeeded, "{}:\n{printed}", page.display());
        assert!(
            printed.contains("CREDIT_LIMIT_APPLIED") && printed.contains("the books balance"),
            "{printed}"
        );
        server.kill().await;
        typed += 1;
    }
}

/// The page about roles as processes, over private servers and with other ports than it names.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_about_processes_works_as_it_stands() {
    let Some(servers) = Servers::reserve("docs/distributed.md").await else { return };
    let page = std::fs::read_to_string(root().join("docs").join(DISTRIBUTED)).unwrap();
    let typed = blocks(&page).into_iter().filter(|(kind, _)| kind == "sh").map(|(_, text)| text);
    let mut script: String = typed.collect();
    // In two steps: a free port may look like one that is still to be replaced.
    for port in 9100..9110 {
        script = script.replace(&port.to_string(), &format!("<{port}>"));
    }
    for port in 9100..9110 {
        script = script.replace(&format!("<{port}>"), &free_address().port().to_string());
    }
    let built = format!("mkdir -p target/release; ln -s '{}' target/release/ecs", env!("CARGO_BIN_EXE_ecs"));
    let line = [
        "bash",
        "-c",
        &format!(
            "set -eu\ntrap 'kill $(jobs -p)' EXIT\n{built}\n{script}\ntrap - EXIT\necho the page is done"
        ),
    ]
    .map(str::to_owned);
    let program = Program::start("docs", &line, &servers.addresses()).unwrap();
    eventually("the page is done", async || (!program.is_alive()).then_some(())).await;
    let printed = program.last_words();
    assert!(printed.ends_with("the page is done"), "{printed}");
    assert_eq!(printed.matches("the books balance").count(), 2, "running, and stopped: {printed}");
}
