//! A process that nobody has asked for anything, beside a bare server that nobody has asked for anything.

use super::{Goal, Group, Measure, Row, Unit, Values};
use crate::args::Answer;
use crate::bench::Bench;
use crate::platform::Server;
use crate::process;
use crate::report::Stats;

/// 60 MB.
const MEMORY_MIB: f64 = 60e6 / 1024.0 / 1024.0;

pub(super) fn group() -> Group {
    Group {
        name: "start and idle memory".to_owned(),
        measures: vec![
            Measure::new("start", "start to ready, over an empty folder", Unit::Seconds),
            Measure::new("start.bare", "start of the bare handler", Unit::Seconds),
            Measure::new("memory", "idle memory", Unit::Mebibytes),
            Measure::new("memory.bare", "idle memory of the bare handler", Unit::Mebibytes),
        ],
        rows: vec![
            Row::of("start", "start.bare").with(Goal::AtMost(1.0)),
            Row::of("memory", "memory.bare").with(Goal::AtMost(MEMORY_MIB)),
        ],
        take: Box::new(take),
    }
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    for (name, bare) in [("", false), (".bare", true)] {
        let (start, memory) = starts(bench, bare)?;
        values.insert(format!("start{name}"), start);
        values.insert(format!("memory{name}"), memory);
    }
    Ok(())
}

/// The median of some starts, and the memory of the last of them.
fn starts(bench: &Bench, bare: bool) -> anyhow::Result<(f64, f64)> {
    let mut times = Vec::new();
    let mut memory = 0.0;
    for number in 1..=bench.settings.starts {
        let data = bench.empty("idle")?;
        let server = if bare { Server::limit(Answer::Bare)? } else { bench.launcher.start(&data)? };
        times.push(server.ready_after.as_secs_f64());
        if number == bench.settings.starts {
            std::thread::sleep(bench.settings.idle());
            memory = process::memory(server.pid())?.resident;
        }
        if !bare {
            server.stop()?;
        }
    }
    Ok((Stats::of(times).map_or(0.0, |times| times.median), memory))
}
