//! `ecs policy`

use clap::{Args, Subcommand};
use ecs_domain::Day;
use ecs_domain::backtest::LossGivenDefault;

/// What to do about the credit policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// See what a draft would have said of the decisions that were made: how many more or fewer it approves, at which limits and which
    /// expected loss
    Backtest(BacktestArgs),
}

/// `ecs policy backtest`
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The draft: a policy's file, or the version of one that the platform has
    #[arg(value_name = "FILE_OR_VERSION")]
    pub draft: String,
    /// Decisions from this day (UTC) on, such as 2026-11-01
    #[arg(long, value_name = "DAY")]
    pub from: Day,
    /// Decisions up to the end of this day
    #[arg(long, value_name = "DAY")]
    pub to: Day,
    /// The part of a limit that is lost when somebody doesn't pay, between 0 and 1
    #[arg(long, value_name = "PART", default_value_t = LossGivenDefault::DEFAULT)]
    pub lgd: LossGivenDefault,
    /// Name up to this many decisions that flip, each way
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub flips: usize,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}
