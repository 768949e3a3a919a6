//! Where a command finds the platform: running, over HTTP; stopped, in its data folder.

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
    /// Nobody does, so its data is ours as long as this lives.
    Stopped(Storage),
}

impl Reach {
    /// Looks for the platform. A folder without data is refused rather than made.
    pub(super) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let data = DataDir::new(&settings.data_dir);
        if settings.url.is_some() || data.running_at()?.is_some() {
            return Ok(Self::Running(Box::new(operator::client(settings, &SystemClock)?)));
        }
        anyhow::ensure!(
            data.store().exists(),
            "there is no data in {} and no platform was named with --url",
            settings.data_dir.display()
        );
        Ok(Self::Stopped(Storage::open(settings, &data, Arc::new(SystemClock))?))
    }

    /// Closes what was opened.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Stopped(storage) => storage.close().await,
        }
    }
}
