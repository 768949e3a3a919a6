//! `ecs decisions`: whether the decision log is what it was, and whether decisions come out again as they were made.

mod artefacts;
mod recompute;
mod replay;
pub(super) mod source;
mod verify;

use super::Outcome;
use crate::cli::decisions::DecisionsCommand;
use crate::settings::Settings;

pub(super) async fn run(command: &DecisionsCommand, settings: &Settings) -> anyhow::Result<Outcome> {
    match command {
        DecisionsCommand::Verify(args) => verify::run(args, settings).await,
        DecisionsCommand::Replay(args) => replay::run(args, settings).await,
    }
}
