//! The binary `ecs`.

use std::process::ExitCode;

use clap::Parser as _;
use ecs::cli::Cli;
use ecs::commands;

/// Gives memory back when load passes, and allocates small things from many threads at low cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = std::env::vars().collect();
    commands::run(&Cli::parse(), &environment)
}
