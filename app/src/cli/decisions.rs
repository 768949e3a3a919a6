//! `ecs decisions`

use clap::{Args, Subcommand};
use ecs_domain::{Day, UserId};

use super::audit::VerifyArgs;

/// What to do about the decisions that were made.
#[derive(Debug, Subcommand)]
pub enum DecisionsCommand {
    /// Compute the chain of the decision log again, hold it against the checkpoints and against the decisions that are there; exits with 1
    /// when something was changed, is missing or was cut off
    Verify(VerifyArgs),
    /// Compute decisions again from what they were made from, and compare every bit; exits with 1 when one comes out otherwise, or can't be
    /// computed
    Replay(ReplayArgs),
}

/// `ecs decisions replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Only decisions from this day (UTC) on, such as 2026-11-20
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// Only decisions up to the end of this day
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// Only decisions about this person
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}
