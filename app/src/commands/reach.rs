//! Where a command finds the platform: running, over HTTP; else in its data, be it a folder or servers.

use std::sync::Arc;

use ecs_client::Client;

use crate::data_dir::DataDir;
use crate::operator;
use crate::platform::{Storage, SystemClock};
use crate::settings::Settings;

/// The platform that the settings name.
pub(super) enum Reach {
    /// A process serves it.
    Running(Box<Client>),
    /// Its data. A data folder is ours as long as this lives, because nobody else has it; servers are shared with whatever
    /// runs.
    Data(Storage),
}

impl Reach {
    /// Looks for the platform. A folder without data is refused rather than made.
    pub(super) async fn of(settings: &Settings) -> anyhow::Result<Self> {
        let data = DataDir::new(&settings.data_dir);
        let in_folder = settings.uses_data_folder();
        if settings.url.is_some() || in_folder && data.running_at()?.is_some() {
            return Ok(Self::Running(Box::new(operator::client(settings, &SystemClock)?)));
        }
        anyhow::ensure!(
            !in_folder || data.store().exists() || data.bus().exists(),
            "there is no data in {} and no platform was named with --url",
            settings.data_dir.display()
        );
        Ok(Self::Data(Storage::open(settings, Arc::new(SystemClock)).await?))
    }

    /// Closes what was opened.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Data(storage) => storage.close().await,
        }
    }
}
