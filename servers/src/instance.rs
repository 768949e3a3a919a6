//! A server's process under its guard.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Pid;

use crate::processes;

/// How long a server may take to answer. A replay of a log after a kill is part of that.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(5);

/// A server's process. Dropping it ends the server and removes its folder, in the background.
#[derive(Debug)]
pub(crate) struct Instance {
    name: String,
    folder: PathBuf,
    guard: Mutex<Guard>,
}

#[derive(Debug)]
struct Guard {
    /// Its end is what ends the server.
    starts: ChildStdin,
    pids: BufReader<ChildStdout>,
    pid: Option<Pid>,
}

impl Instance {
    /// Makes the guard for `command`, a server that keeps what it has in `folder`, and starts nothing yet. `quick_end` is the
    /// signal that ends the server at once but cleanly. What stands in `environment` is all that the server sees of ours.
    pub(crate) fn guarded(
        name: impl Into<String>,
        folder: PathBuf,
        quick_end: &str,
        command: &[String],
        environment: &[(String, String)],
    ) -> Result<Self> {
        let script = folder.join("guard.sh");
        std::fs::write(&script, include_str!("guard.sh")).context("can't write to the temporary folder")?;
        let mut process = Command::new("sh");
        process.arg(script).arg(&folder).arg(quick_end).args(command);
        // What is set for a client here must not reach a server.
        process.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        process.envs(environment.iter().map(|(name, value)| (name, value)));
        // A group of its own: a Ctrl-C at the terminal must not end the guard before its charge.
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        process.current_dir(&folder);
        let mut guard = process.spawn().context("can't start a shell")?;
        let starts = guard.stdin.take().context("the guard has no input")?;
        let pids = BufReader::new(guard.stdout.take().context("the guard has no output")?);
        // Waited for by a thread, so that a long run doesn't collect processes that have ended.
        std::thread::spawn(move || guard.wait());
        Ok(Self { name: name.into(), folder, guard: Mutex::new(Guard { starts, pids, pid: None }) })
    }

    /// Starts the server, or starts it again over the same folder after it has ended.
    pub(crate) fn start(&self) -> Result<()> {
        let mut guard = self.guard();
        if guard.pid.is_some_and(processes::is_alive) {
            bail!("{} is still running", self.name);
        }
        guard.starts.write_all(b"start\n").context("the guard has gone")?;
        let mut line = String::new();
        guard.pids.read_line(&mut line).context("the guard has gone")?;
        guard.pid =
            Some(line.trim().parse().ok().and_then(Pid::from_raw).context("the guard started nothing")?);
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process id of the server that runs now or ran last.
    pub(crate) fn pid(&self) -> Result<Pid> {
        self.guard().pid.with_context(|| format!("{} was never started", self.name))
    }

    pub(crate) async fn kill(&self) -> Result<()> {
        processes::kill(self.pid()?).await
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) async fn terminate(&self) -> Result<()> {
        processes::terminate(self.pid()?).await
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.guard().pid.is_some_and(processes::is_alive)
    }

    pub(crate) async fn pause(&self) -> Result<()> {
        processes::pause(self.pid()?).await
    }

    pub(crate) fn resume(&self) -> Result<()> {
        processes::resume(self.pid()?);
        Ok(())
    }

    /// Waits until the server answers as `is_ready` wants it to.
    ///
    /// # Errors
    /// The end of the server's log when it ended instead or takes too long.
    pub(crate) async fn wait_until<Ready>(&self, is_ready: impl Fn() -> Ready) -> Result<()>
    where
        Ready: Future<Output = Result<()>>,
    {
        let pid = self.pid()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(reason) = is_ready().await else { return Ok(()) };
            if !processes::is_alive(pid) {
                bail!("{} ended by itself:\n{}", self.name, self.last_words());
            }
            if Instant::now() > deadline {
                bail!("{} is not ready ({reason:#}):\n{}", self.name, self.last_words());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// The end of the server's log.
    pub(crate) fn last_words(&self) -> String {
        last_lines(&self.folder.join("log"))
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
