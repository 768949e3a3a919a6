//! The real binary as a process of its own.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};

use ecs_client::{Client, Credentials};
use ecs_tls::Roots;
use tokio::process::{Child, Command};

use super::{DEADLINE, eventually};

/// `ecs` over a data folder, with an environment that holds nothing of the tester's.
pub(crate) fn ecs(data: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = command(arguments);
    command.env("ECS_DATA_DIR", data);
    command
}

/// `ecs` with nothing in its environment.
pub(crate) fn command(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs"));
    command.env_clear().args(arguments).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Runs a command to its end, which must come in time.
pub(crate) async fn run(mut command: Command) -> Output {
    tokio::time::timeout(DEADLINE * 2, command.output()).await.expect("the command ended in time").unwrap()
}

/// What a command printed, on both outputs.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `ecs serve` as a process.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts it over `data` on a free port and waits until it is ready.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_with(data: &Path, more: &[&str]) -> Self {
        let client = |url: &str| Client::new(url, &Credentials::default());
        let settings = |mut command: Command| {
            command.args(more);
            command
        };
        Self::start_as(data, settings, client).await
    }

    /// The same with settings that make it speak TLS, with this certificate.
    pub(crate) async fn start_encrypted(
        data: &Path,
        settings: impl FnOnce(Command) -> Command,
        certificate: &Path,
    ) -> Self {
        let roots = || Ok(Roots::load(None)?.or_oneself(certificate)?);
        let client = |url: &str| Client::trusting(url, &Credentials::default(), roots);
        Self::start_as(data, settings, client).await
    }

    async fn start_as(
        data: &Path,
        settings: impl FnOnce(Command) -> Command,
        client: impl FnOnce(&str) -> anyhow::Result<Client>,
    ) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(data.join("serve.log")).unwrap();
        // A stale address would be taken for the new process's.
        let _ = std::fs::remove_file(data.join("address"));
        let mut child = settings(ecs(data, &["serve", "--listen", "127.0.0.1:0"]))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let url = eventually("the server says where it listens", async || {
            assert!(
                child.try_wait().unwrap().is_none(),
                "{}",
                std::fs::read_to_string(data.join("serve.log")).unwrap()
            );
            std::fs::read_to_string(data.join("address")).ok()
        })
        .await;
        let client = client(&url).unwrap();
        eventually("the server is ready", async || client.ready().await.ok()).await;
        Self { child, url }
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }
}
