//! What the kernel says about a process, and what it is asked to allow.

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that this process wants to have open: a socket for each connection of the largest load, on either side of it,
/// and some more.
const FILES: u64 = 4096;

/// Raises the limit of open files, which many systems set to 1,024, as far as it may be and is needed. Where that is too
/// little, the connections will say so.
pub(crate) fn allow_files() -> anyhow::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if current.is_some_and(|current| current < most) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })
            .context("the limit of open files can't be raised")?;
    }
    Ok(())
}

/// Ticks per second in `/proc/PID/stat`; the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// User and system time that a process has used so far, in seconds. `who` is a process id or `self`.
pub(crate) fn cpu_seconds(who: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{who}/stat"))?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(") ").context("/proc stat is not understood")?;
    let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
}

/// Memory of a process in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// What is resident now.
    pub(crate) resident: f64,
    /// The most that ever was.
    pub(crate) peak: f64,
}

pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib =
            line.and_then(|line| line.split_whitespace().next()).context("/proc status lacks a field")?;
        anyhow::Ok(kib.parse::<f64>()? / 1024.0)
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_time_and_memory() {
        assert!(cpu_seconds("self").unwrap() >= 0.0);
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > 0.5 && memory.peak >= memory.resident, "{memory:?}");
    }
}
