//! `ecs import transactions`

use std::path::PathBuf;

use anyhow::Context as _;
use ecs_client::Bar;
use ecs_client::import::{Import, Mapping};
use tokio_util::sync::CancellationToken;

use super::stop::Signals;
use super::{Outcome, in_words, say};
use crate::cli::ImportArgs;
use crate::operator;
use crate::platform::SystemClock;
use crate::settings::Settings;

pub(super) async fn run(args: &ImportArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let client = operator::client(settings, &SystemClock)?;
    let mapping = match (&args.map, args.preset.as_deref()) {
        (Some(mapping), _) => mapping.clone(),
        (None, preset) => {
            preset.and_then(Mapping::preset).context("choose a --preset, or say with --map what is where")?
        }
    };
    let mut import = Import::new(args.file.clone(), mapping);
    import.state = Some(state_file(args, settings)?);
    let stop = CancellationToken::new();
    let (mut signals, told) = (Signals::listen()?, stop.clone());
    tokio::spawn(async move {
        signals.stop().await;
        told.cancel();
        signals.exit_on_next();
    });
    let report = import.run(&client, &Bar::new(), &stop).await?;
    say(&in_words::import(&report, args.all_refusals));
    Ok(if report.is_complete() { Outcome::Fine } else { Outcome::Off })
}

/// One per file name; what is in it says for which content, mapping and platform it holds.
fn state_file(args: &ImportArgs, settings: &Settings) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.state {
        return Ok(path.clone());
    }
    let folder = settings.data_dir.join("imports");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let name = args.file.file_name().context("the file has no name")?;
    Ok(folder.join(name).with_added_extension("json"))
}
