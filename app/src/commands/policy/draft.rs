//! Where a draft comes from: a file, else a policy that is built in, that the settings name, or that the platform has.

use std::path::Path;

use anyhow::Context as _;
use ecs_domain::policy::is_version;
use ecs_work::policies::{Written, built_in};

use super::super::reach::Reach;
use crate::settings::Settings;

/// The draft that was named. One that is no policy is refused with the line.
pub(super) async fn find(named: &str, reach: &Reach, settings: &Settings) -> anyhow::Result<Written> {
    let path = Path::new(named);
    if path.is_file() {
        return read_file(path);
    }
    if let Some(known) = at_hand(settings)?.find(|known| known.policy.version == named) {
        return Ok(known);
    }
    // A path of a file that isn't there is no version.
    let text = if is_version(named) { text_of(named, reach).await? } else { None };
    let nobody = || format!("there is no file {named}, and no policy of this version");
    Written::read(text.with_context(nobody)?).with_context(|| format!("the policy {named}"))
}

fn read_file(path: &Path) -> anyhow::Result<Written> {
    let named = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(named)?;
    Written::read(text).with_context(named)
}

/// Policies that no platform has to be asked for: the one that the settings name, and those that are built in.
pub(in super::super) fn at_hand(settings: &Settings) -> anyhow::Result<impl Iterator<Item = Written>> {
    let named = settings.policy_file.as_deref().map(read_file).transpose().context("ECS_POLICY_FILE")?;
    Ok(named.into_iter().chain(built_in().context("the built-in policies")?))
}

async fn text_of(version: &str, reach: &Reach) -> anyhow::Result<Option<String>> {
    match reach {
        Reach::Running(client) => client.policy_text(version).await.context("can't read the policy"),
        Reach::Data(storage) => {
            let found = storage.store()?.policy_version(version).await.context("can't read the policy")?;
            Ok(found.map(|found| found.text))
        }
    }
}
