//! `ecs import transactions`

use super::Outcome;
use crate::cli::ImportArgs;
use crate::settings::Settings;

pub(super) async fn run(_args: &ImportArgs, _settings: &Settings) -> anyhow::Result<Outcome> {
    anyhow::bail!("the importer is being written")
}
