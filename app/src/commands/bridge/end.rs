//! One end of a bridge: a bus that is named on the command line.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use ecs_vault::Keyring;

use crate::data_dir::DataDir;
use crate::platform::{Storage, SystemClock, bus_name, existing_keyring};
use crate::settings::{Address, BusAt, Raw, Settings, Source, Value, bus_at, catalogue};

/// A bus, not opened yet.
pub(super) struct End {
    label: &'static str,
    /// The settings of this command, with this bus.
    settings: Settings,
}

impl End {
    /// Reads an address. What is wrong with it is told under `label`, without the address.
    pub(super) fn named(
        label: &'static str,
        address: &Address,
        settings: &Settings,
        raw: &Raw,
    ) -> anyhow::Result<Self> {
        let address = read(label, address)?;
        let bus = bus_at(raw, label, &address)?;
        let folder = address.expose().strip_prefix("embedded:").filter(|folder| !folder.is_empty());
        let data_dir = match folder {
            Some(folder) => PathBuf::from(folder),
            None => settings.data_dir.clone(),
        };
        Ok(Self { label, settings: Settings { bus, data_dir, ..settings.clone() } })
    }

    /// Whether both addresses say the same. Two that say different things may still lead to the same bus.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.settings.bus, &other.settings.bus) {
            (BusAt::DataFolder, BusAt::DataFolder) => {
                let place = |end: &Self| end.settings.data_dir.canonicalize().ok();
                self.settings.data_dir == other.settings.data_dir
                    || place(self).is_some() && place(self) == place(other)
            }
            (one, two) => one == two,
        }
    }

    /// Refuses a folder without a bus: opening it would make an empty one.
    pub(super) fn must_exist(&self) -> anyhow::Result<()> {
        let bus = DataDir::new(&self.settings.data_dir).bus();
        anyhow::ensure!(
            self.settings.bus.is_shared() || bus.exists(),
            "{self}: there is no bus in {}",
            self.settings.data_dir.display()
        );
        Ok(())
    }

    /// The keys of this end's platform, if they can be found here.
    pub(super) async fn keyring(&self) -> anyhow::Result<Option<Keyring>> {
        existing_keyring(&self.settings).await.with_context(|| self.to_string())
    }

    /// Opens it. One in a folder is taken for this process.
    pub(super) async fn open(&self) -> anyhow::Result<Storage> {
        Storage::open_bus(&self.settings, Arc::new(SystemClock)).await.with_context(|| self.to_string())
    }
}

/// Names hosts or the folder, never a password.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, settings } = self;
        match settings.bus.is_shared() {
            true => write!(f, "{label} ({})", bus_name(settings)),
            false => write!(f, "{label} (embedded in {})", settings.data_dir.display()),
        }
    }
}

/// The settings with what one end has for itself.
pub(super) fn with(raw: &Raw, own: &[(String, String)]) -> anyhow::Result<Raw> {
    let mut raw = raw.clone();
    for (name, text) in own {
        let setting = catalogue::find(name)
            .with_context(|| format!("{name} is not a setting; `ecs config` lists them"))?;
        raw.insert(setting.name, Value { text: text.clone(), source: Source::Flag });
    }
    Ok(raw)
}

/// The address itself, or what stands in the file that is named instead.
fn read(label: &str, address: &Address) -> anyhow::Result<Address> {
    let Some(file) = address.expose().strip_prefix('@') else { return Ok(address.clone()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("{label}: the file {file}"))?;
    Ok(Address::new(&text))
}
