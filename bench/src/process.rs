//! What the kernel says about a process.

use anyhow::Context as _;

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
