//! `ecs policy`: what a draft of the credit policy would have decided.

mod backtest;
pub(super) mod draft;
mod in_words;

use super::Outcome;
use crate::cli::policy::PolicyCommand;
use crate::settings::Settings;

pub(super) async fn run(command: &PolicyCommand, settings: &Settings) -> anyhow::Result<Outcome> {
    match command {
        PolicyCommand::Backtest(args) => backtest::run(args, settings).await,
    }
}
