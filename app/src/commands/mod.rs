//! The commands, one file each.

mod admin;
mod audit;
mod bridge;
mod chain;
mod config;
mod dead_letters;
mod decisions;
mod demo;
mod healthcheck;
mod import;
mod in_words;
mod keys;
mod migrate;
mod openapi;
mod policy;
mod reach;
mod replay;
mod serve;
mod simulate;
mod stop;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::access::{AdminCommand, KeysCommand};
use crate::cli::audit::AuditCommand;
use crate::cli::{Cli, Command, ImportCommand};
use crate::logging;
use crate::settings::{Environment, Raw, Settings, merge};

/// How a command that ran to its end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As wished.
    Fine,
    /// It says no: the books are off, the platform isn't ready.
    Off,
}

/// Runs a command and tells how it went: 0 fine, 1 it says no or failed, 2 it couldn't start for want of sound settings.
#[must_use]
pub fn run(cli: &Cli, environment: &Environment) -> ExitCode {
    let settings = merge(environment, &cli.flags()).and_then(|raw| Ok((Settings::from_raw(&raw)?, raw)));
    let (settings, raw) = match settings {
        Ok(settings) => settings,
        Err(problems) => {
            complain(&format!("{problems}"));
            return ExitCode::from(2);
        }
    };
    match dispatch(cli, &settings, &raw) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Off) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: &Cli, settings: &Settings, raw: &Raw) -> anyhow::Result<Outcome> {
    match &cli.command {
        Command::Config(args) => config::run(args, raw),
        Command::Openapi => Ok(openapi::run()),
        Command::Serve(_) => {
            logging::start(raw).map_err(anyhow::Error::msg)?;
            block_on(serve::run(settings))
        }
        Command::Demo(args) => {
            logging::start(&demo::quiet(raw)).map_err(anyhow::Error::msg)?;
            block_on(demo::run(args, settings))
        }
        Command::Simulate(args) => block_on(simulate::run(args, settings)),
        Command::Import(ImportCommand::Transactions(args)) => block_on(import::run(args, settings)),
        Command::Migrate => block_on(migrate::run(settings)),
        Command::Verify(args) => block_on(verify::run(args, settings)),
        Command::DeadLetters(command) => block_on(dead_letters::run(command, settings)),
        Command::Replay(args) => block_on(replay::run(args, settings)),
        Command::Bridge(args) => block_on(bridge::run(args, settings, raw)),
        Command::Audit(AuditCommand::Verify(args)) => block_on(audit::run(args, settings)),
        Command::Decisions(command) => block_on(decisions::run(command, settings)),
        Command::Policy(command) => block_on(policy::run(command, settings)),
        Command::Admin(AdminCommand::Create(args)) => block_on(admin::run(args, settings)),
        Command::Keys(KeysCommand::New(args)) => keys::run(args),
        Command::Healthcheck => block_on(healthcheck::run(settings)),
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<Outcome>>) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the runtime can't start")?;
    let outcome = runtime.block_on(command);
    // Whatever still runs holds nothing that a stop should wait for.
    runtime.shutdown_background();
    outcome
}

/// Prints a command's answer. A reader that went away, such as `head`, is no failure.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "ecs: {text}");
}
