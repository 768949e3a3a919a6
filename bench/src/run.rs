//! The whole run: build, start-up and memory, then round after round.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use ecs_domain::Timestamp;

use crate::args::{Args, Scale};
use crate::platform::{self, DataFolder, Server};
use crate::population::Population;
use crate::process::{self, Memory};
use crate::report::{self, Report};
use crate::round::Setting;

/// How often the start is measured.
const STARTS: usize = 5;
/// How long an idle platform settles before its memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// A process that nobody has asked for anything.
#[derive(Debug, Clone)]
pub(crate) struct Idle {
    /// Seconds from start to ready, each over an empty data folder.
    pub(crate) starts: Vec<f64>,
    /// Some seconds after the last of them.
    pub(crate) memory: Memory,
}

/// The whole run.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let scale = args.scale();
    let (place, setting) = prepare(args, scale)?;
    report::progress("start-up and idle memory");
    let idle = idle(&setting.binary, setting.folder.path())?;
    let mut rounds = Vec::new();
    for number in 1..=scale.rounds {
        report::progress(&format!("round {number} of {}", scale.rounds));
        rounds.push(setting.round(number)?);
    }
    finish(&place, scale, &idle, &rounds)
}

/// Only the durable POST.
pub(crate) fn steady(args: &Args, time: Duration) -> anyhow::Result<()> {
    let (_, setting) = prepare(args, Scale { steady: time, ..args.scale() })?;
    report::say(&format!("{:#?}", setting.only_steady()?));
    Ok(())
}

/// The folder of the reports, and what every measurement needs.
fn prepare(args: &Args, scale: Scale) -> anyhow::Result<(PathBuf, Setting)> {
    anyhow::ensure!(!cfg!(debug_assertions), "a debug build measures nothing: run `make bench`");
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => platform::build()?,
    };
    let place = report::folder()?;
    let folder = tempfile::tempdir_in(&place).context("no folder for the data")?;
    let population = Population::new(scale.users, Timestamp::now());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok((place, Setting { scale, binary, folder, population, runtime }))
}

fn finish(place: &Path, scale: Scale, idle: &Idle, rounds: &[crate::round::Round]) -> anyhow::Result<()> {
    let report = Report::of(scale, idle, rounds)?;
    std::fs::write(place.join("report.json"), serde_json::to_string_pretty(&report)?)?;
    std::fs::write(place.join("report.md"), report.markdown())?;
    report::say(&report.markdown());
    Ok(())
}

fn idle(binary: &Path, folder: &Path) -> anyhow::Result<Idle> {
    let mut starts = Vec::new();
    let mut memory = Memory { resident: 0.0, peak: 0.0 };
    for number in 0..STARTS {
        let path: PathBuf = folder.join(format!("idle-{number}"));
        let server = Server::platform(binary, &DataFolder::new(path.clone()))?;
        starts.push(server.ready_after.as_secs_f64());
        if number + 1 == STARTS {
            std::thread::sleep(IDLE);
            memory = process::memory(server.pid())?;
        }
        server.stop()?;
        std::fs::remove_dir_all(path)?;
    }
    Ok(Idle { starts, memory })
}
