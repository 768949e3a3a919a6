//! `make bench`: the platform against limits that are taken in the same run, on the same cores, by the same load
//! generator and with the same events. docs/benchmarks.md explains each row.
//!
//! The platform is the release binary in a process of its own, started anew for each row; the load comes from one
//! thread of this process; the HTTP limits are a second process of this binary. So client and server share the cores
//! in the same way in every row that goes over HTTP.
//!
//! `rows` says what is measured against what, `limits` has what it is measured against, `load` the load generator, and
//! `report` everything that happens to the numbers afterwards.

mod args;
mod bench;
mod data;
mod engines;
mod files;
mod limits;
mod load;
mod machine;
mod platform;
mod population;
mod process;
mod report;
mod rows;
mod run;
mod say;
mod settings;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use report::{compare, files as reports, markdown};

/// The allocator of the platform's own binary, so that the limits have it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = process::allow_files().and_then(|()| start(&args));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Some(Command::LimitServer { answer }) => limits::http::serve(*answer),
        Some(Command::Steady { seconds }) => run::steady(args, *seconds),
        Some(Command::Report { file }) => show(file, args.write.as_deref()),
        Some(Command::Compare { old, new }) => compare(old, new),
        None => run::run(args),
    }
}

fn show(file: &Path, document: Option<&Path>) -> anyhow::Result<()> {
    let report = reports::load(file)?;
    if let Some(document) = document {
        reports::write_into(&report, document)?;
    }
    say::say(&markdown::render(&report));
    Ok(())
}

fn compare(old: &Path, new: &Path) -> anyhow::Result<()> {
    say::say(&compare::render(&reports::load(old)?, &reports::load(new)?));
    Ok(())
}
