//! Signals to a server and its children, read from /proc.
//!
//! PostgreSQL puts each of its backends into a session of its own, so no process group has them all.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(2);

/// Stops a process and all its children where they are.
pub(crate) async fn pause(pid: Pid) -> Result<()> {
    for child in freeze(pid).await? {
        signal(child, Signal::STOP);
        reach(&[child], |state| matches!(state, None | Some('T' | 'Z' | 'X'))).await?;
    }
    Ok(())
}

/// Lets a paused process and its children go on.
pub(crate) fn resume(pid: Pid) {
    for child in children(pid) {
        signal(child, Signal::CONT);
    }
    signal(pid, Signal::CONT);
}

/// Kills a process and its children without a word, and waits until all are gone.
pub(crate) async fn kill(pid: Pid) -> Result<()> {
    // A process that is frozen makes no new children while we count them.
    let mut family = freeze(pid).await?;
    family.push(pid);
    for member in &family {
        signal(*member, Signal::KILL);
    }
    reach(&family, |state| matches!(state, None | Some('Z' | 'X'))).await
}

/// Asks a process to end in order, and waits until it has.
pub(crate) async fn terminate(pid: Pid) -> Result<()> {
    signal(pid, Signal::TERM);
    reach(&[pid], |state| matches!(state, None | Some('Z' | 'X'))).await
}

/// Whether a process runs, paused or not. One that has ended and that nobody waited for doesn't.
pub(crate) fn is_alive(pid: Pid) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// Stops a process, then tells its children.
async fn freeze(pid: Pid) -> Result<Vec<Pid>> {
    signal(pid, Signal::STOP);
    reach(&[pid], |state| matches!(state, None | Some('T' | 'Z' | 'X'))).await?;
    Ok(children(pid))
}

async fn reach(processes: &[Pid], wanted: impl Fn(Option<char>) -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !processes.iter().all(|pid| wanted(state(*pid))) {
        if Instant::now() > deadline {
            bail!("the processes {processes:?} don't do what they were told");
        }
        tokio::time::sleep(GLANCE).await;
    }
    Ok(())
}

/// A process that is gone needs no signal any more.
fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

fn children(pid: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|candidate| stat(*candidate).is_some_and(|(_, parent)| parent == pid.as_raw_nonzero().get()))
        .collect()
}

/// The state of a process. Its first thread may have ended before the others, which still hold its files and ports: it runs then.
fn state(pid: Pid) -> Option<char> {
    let (state, _) = stat(pid)?;
    if state != 'Z' {
        return Some(state);
    }
    let threads =
        std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).map_or(0, Iterator::count);
    Some(if threads > 1 { 'R' } else { state })
}

/// State and parent of a process. They stand behind its name, which may hold anything but is closed by the last parenthesis.
fn stat(pid: Pid) -> Option<(char, i32)> {
    let line = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let mut fields = line.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
