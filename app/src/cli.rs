//! The command line.

pub mod access;
pub mod audit;
pub mod bridge;
pub mod dead_letters;
pub mod decisions;
pub mod policy;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use ecs_client::import::Mapping;
use ecs_client::simulate::population::Mix;
use ecs_domain::Day;

use crate::role::Role;
use crate::settings::Flags;

/// The Empathic Credit System: emotion events and transactions in, credit decisions out.
#[derive(Debug, Parser)]
#[command(name = "ecs", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// Settings that hold for every command.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings on the command line; they come before the environment and the file.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// A TOML file with settings, keys in lower case
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    pub config: Option<PathBuf>,
    /// Any setting by its name; `ecs config` lists them
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Settings")]
    pub set: Vec<(String, String)>,
    /// The folder of the embedded store, bus and secrets
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Settings")]
    pub data_dir: Option<PathBuf>,
    /// Where commands find the platform, such as http://127.0.0.1:9999
    #[arg(long, global = true, value_name = "URL", help_heading = "Settings")]
    pub url: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the platform: all roles, or those that are named
    Serve(ServeArgs),
    /// Show the platform: all roles, demo users and a simulator, with log-ins and cURL lines to try
    Demo(DemoArgs),
    /// Send events like a crowd of phones, over HTTP, and say how it went
    Simulate(SimulateArgs),
    /// Bring existing data in, over the normal path
    #[command(subcommand)]
    Import(ImportCommand),
    /// Bring the store's tables up to this version; `serve` does so by itself over embedded storage
    Migrate,
    /// Balance the books of a running or stopped platform; exits with 1 when something is off
    Verify(VerifyArgs),
    /// See what events were given up and why, and replay or drop them
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Rebuild the aggregates from the raw events that are still kept, or those of some days from the bus's log, and switch to them; goes
    /// on where it was stopped
    Replay(ReplayArgs),
    /// Copy subjects from one bus to another, to move the platform or to fill an archive; goes on where it was stopped
    Bridge(bridge::BridgeArgs),
    /// See whether the audit log is what it was
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// See whether the decisions are what was logged, and compute them again
    #[command(subcommand)]
    Decisions(decisions::DecisionsCommand),
    /// See what a draft of the credit policy would have decided
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Make the first admin, who grants everybody else what they may do
    #[command(subcommand)]
    Admin(access::AdminCommand),
    /// Make a key for a service or a partner; the platform keeps only its digest
    #[command(subcommand)]
    Keys(access::KeysCommand),
    /// Ask a running platform whether it is ready; exits with 1 when it isn't
    Healthcheck,
    /// Show the settings in force, where each comes from, secrets hidden
    Config(ConfigArgs),
    /// Print the description of all HTTP calls, in OpenAPI 3.1
    Openapi,
}

/// `ecs replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Rebuild only the days from this one on, such as 2026-11-20, and from the log of the bus
    #[arg(long, value_name = "DAY", requires = "to")]
    pub from: Option<Day>,
    /// The last of those days
    #[arg(long, value_name = "DAY", requires = "from")]
    pub to: Option<Day>,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ecs serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A role to run; repeat it for several, leave it out for all
    #[arg(long = "role", value_name = "NAME")]
    pub roles: Vec<Role>,
    /// Address and port to serve HTTP on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// `ecs demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Address and port to serve HTTP on
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Simulated events per second
    #[arg(long, default_value_t = 40.0)]
    pub rate: f64,
    /// Stop by itself after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

/// `ecs simulate`
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// How many users there are
    #[arg(long, default_value_t = 100)]
    pub users: u32,
    /// Who they are, as PERSONA=WEIGHT,…: steady-earner, stressed-spender, seasonal-merchant, new-arrival, fraudster
    /// [default: 45, 25, 12, 15 and 3 of 100]
    #[arg(long, value_name = "MIX")]
    pub personas: Option<Mix>,
    /// Events per second; 0 for as many as the platform takes [default: 100, and 0 for a history]
    #[arg(long)]
    pub rate: Option<f64>,
    /// For how many seconds [default: 30, and until its end for a history]
    #[arg(long, conflicts_with = "count")]
    pub seconds: Option<u64>,
    /// How many events, instead of for how long
    #[arg(long)]
    pub count: Option<u64>,
    /// The same seed meets the same users and tells the same story
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Send what happened on the last so many whole days (UTC), instead of what happens now; sent again it changes nothing
    #[arg(long, value_name = "DAYS", conflicts_with = "from")]
    pub history: Option<u32>,
    /// A history that begins on this day, such as 2026-10-01
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// Its last day [default: yesterday]
    #[arg(long, value_name = "DAY", requires = "from")]
    pub to: Option<Day>,
    /// Of 100 events, how many are emotions; the rest are transactions [default: what the personas do]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100), conflicts_with_all = ["history", "from"])]
    pub emotions: Option<u8>,
    /// Upload emotions as NDJSON, so many lines in a request
    #[arg(long, value_name = "LINES")]
    pub ndjson: Option<usize>,
    /// Every so many seconds a user applies for credit, accepts an offer, and waits for the notification
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub journeys_every: Option<Duration>,
    /// Write what was sent and accepted to this file, for `ecs verify --journal`
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Write who of the users would default on a credit, and the features a decision would look at, to this file, as CSV;
    /// the platform never hears of it
    #[arg(long, value_name = "FILE")]
    pub outcomes: Option<PathBuf>,
    /// Send nothing and ask nobody, only write the outcomes
    #[arg(long, requires = "outcomes")]
    pub outcomes_only: bool,
    /// Show nothing while it runs
    #[arg(long)]
    pub quiet: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ecs import`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Purchases or sales, one row each; running it again sends only what is missing
    Transactions(ImportArgs),
}

/// `ecs import transactions`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file to read
    pub file: PathBuf,
    /// A known layout
    #[arg(long, value_parser = ["cdnow"], conflicts_with = "map", required_unless_present = "map")]
    pub preset: Option<String>,
    /// Where things stand: user=COLUMN,date=COLUMN,amount=COLUMN, columns by name or number from 1. Also
    /// quantity=COLUMN, date-format=%d/%m/%Y, delimiter=comma|semicolon|tab|pipe|whitespace, header=yes|no, skip=LINES,
    /// currency=CODE, namespace=NAME
    #[arg(long, value_name = "MAPPING")]
    pub map: Option<Mapping>,
    /// Where progress is kept [default: a file in the data folder]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Print every refused row, not just the first ones
    #[arg(long)]
    pub all_refusals: bool,
}

/// `ecs verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A sender's journal: each id that got its 202 must be in the books
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Wait up to this many seconds for what is pending
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ecs config`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Print an annotated example of all settings instead
    #[arg(long)]
    pub example: bool,
}

impl Cli {
    /// What the command line says about settings.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let mut set = self.settings.set.clone();
        let mut flag =
            |name: &str, value: Option<String>| set.extend(value.map(|value| (name.to_owned(), value)));
        flag("ECS_DATA_DIR", self.settings.data_dir.as_ref().map(|path| path.display().to_string()));
        flag("ECS_URL", self.settings.url.clone());
        match &self.command {
            Command::Serve(args) => {
                let roles: Vec<_> = args.roles.iter().map(|role| role.as_str()).collect();
                flag("ECS_ROLES", (!roles.is_empty()).then(|| roles.join(",")));
                flag("ECS_LISTEN", args.listen.clone());
            }
            Command::Demo(args) => flag("ECS_LISTEN", args.listen.clone()),
            Command::Simulate(_)
            | Command::Import(_)
            | Command::Migrate
            | Command::Verify(_)
            | Command::DeadLetters(_)
            | Command::Replay(_)
            | Command::Bridge(_)
            | Command::Audit(_)
            | Command::Decisions(_)
            | Command::Policy(_)
            | Command::Admin(_)
            | Command::Keys(_)
            | Command::Healthcheck
            | Command::Config(_)
            | Command::Openapi => {}
        }
        Flags { config: self.settings.config.clone(), set }
    }
}

/// Seconds, at least a millisecond, at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) | Err(_) => Err("must be seconds from 0.001 to 86400".to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn roles_are_taken_by_name() {
        let cli =
            Cli::try_parse_from(["ecs", "serve", "--role", "credit-analysis", "--role", "notification"])
                .unwrap();
        assert_eq!(cli.flags().set, [("ECS_ROLES".to_owned(), "credit-analysis,notification".to_owned())]);
        let error = Cli::try_parse_from(["ecs", "serve", "--role", "gateway"]).unwrap_err().to_string();
        assert!(error.contains("api-gateway"), "{error}");
    }
}
