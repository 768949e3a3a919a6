//! `make bench`: the platform against limits that are taken in the same run, on the same cores, by the same load
//! generator and with the same events. docs/benchmarks.md explains each row.
//!
//! The platform is the release binary in a process of its own, started anew for each round; the load comes from one
//! thread of this process; the HTTP limits are a second process of this binary. So client and server share the cores
//! in the same way in every row that goes over HTTP.

mod args;
mod drain;
mod files;
mod limits;
mod load;
mod platform;
mod population;
mod process;
mod report;
mod round;
mod run;
mod sample;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use args::{Args, Command};

/// The allocator of the platform's own binary, so that the limits have it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        Some(Command::LimitServer { answer }) => limits::http::serve(answer),
        Some(Command::Steady { seconds }) => run::steady(&args, Duration::from_secs(seconds)),
        None => run::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
