//! A whole run: round after round, in each of them row after row.

use std::path::PathBuf;

use crate::args::{Args, Over, Settings};
use crate::bench::Bench;
use crate::report::{Report, Values, files, markdown};
use crate::rows::{self, Group};
use crate::{platform, say};

/// The whole run.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let settings = args.settings();
    let groups = match settings.over {
        Over::Embedded => rows::all(args.cdnow.as_deref()),
        Over::Engines => rows::engines::all(&settings, &args.rows),
        Over::Transports => rows::transports::all(),
    };
    let groups = rows::select(groups, &args.rows);
    anyhow::ensure!(!groups.is_empty(), "no row is called {}", args.rows.join(" or "));
    let place = place(args)?;
    let bench = Bench::prepare(settings, binary(args)?, &place)?;
    let rounds = (0..bench.settings.rounds)
        .map(|number| round(&bench, &groups, number))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (measures, rows): (Vec<_>, Vec<_>) =
        groups.into_iter().map(|group| (group.measures, group.rows)).unzip();
    let report = Report::of(bench.settings, measures.concat(), rows.concat(), &rounds)?;
    let report = files::save(&report, &place)?;
    if let Some(document) = &args.write {
        files::write_into(&report, document)?;
    }
    say::say(&markdown::render(&report));
    Ok(())
}

/// Takes every group once. Each round begins with another group, so that none has the same neighbours' heat every time.
fn round(bench: &Bench, groups: &[Group], number: usize) -> anyhow::Result<Values> {
    let mut values = Values::new();
    let (later, first) = groups.split_at(number % groups.len().max(1));
    for group in first.iter().chain(later) {
        say::progress(&format!("round {} of {}: {}", number + 1, bench.settings.rounds, group.name));
        (group.take)(bench, &mut values)?;
    }
    Ok(values)
}

/// Only the durable POST.
pub(crate) fn steady(args: &Args, seconds: u32) -> anyhow::Result<()> {
    let settings = Settings { steady_seconds: seconds.into(), ..args.settings() };
    let bench = Bench::prepare(settings, binary(args)?, &place(args)?)?;
    for (name, value) in rows::emotions::only_steady(&bench)? {
        say::say(&format!("{name:40} {value:.2}"));
    }
    Ok(())
}

fn binary(args: &Args) -> anyhow::Result<PathBuf> {
    if let Some(binary) = &args.binary {
        return Ok(binary.clone());
    }
    anyhow::ensure!(!cfg!(debug_assertions), "a debug build measures nothing: run `make bench`");
    platform::build()
}

fn place(args: &Args) -> anyhow::Result<PathBuf> {
    let Some(place) = &args.out else { return files::folder() };
    std::fs::create_dir_all(place)?;
    Ok(std::path::absolute(place)?)
}
