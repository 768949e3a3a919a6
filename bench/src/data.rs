//! Data folders of platforms and raw loops: copies of a store that was filled once, each gone when it was used.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{EmotionEvent, StressThreshold, Unit};
use ecs_domain::transaction::Transaction;
use ecs_domain::{Day, Timestamp};
use ecs_store::{EmotionRules, Folded, Folds, Maintenance as _, Provision, Users as _};
use ecs_store_sqlite::{Options, SqliteStore};
use ecs_vault::Keyring;
use futures::StreamExt as _;

use crate::population::Population;

/// Emotion events and transactions of a user who may ask for a decision, on average.
const HISTORY: u64 = 3;
/// Events per transaction while a history is laid.
const CHUNK: usize = 5_000;

/// A data folder. Its files are removed when it is dropped.
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    /// A folder at `path` with a copy of the store at `template`, or empty.
    pub(crate) fn new(path: PathBuf, template: Option<&Path>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&path)?;
        let folder = Self(path);
        if let Some(template) = template {
            std::fs::copy(template, folder.store()).context("copying a store")?;
            // What is still in memory would be written while something else is measured.
            std::fs::File::options().write(true).open(folder.store())?.sync_all()?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.sqlite")
    }

    pub(crate) fn bus(&self) -> PathBuf {
        self.0.join("bus.sqlite")
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // The folder of the whole run is removed at its end in any case.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a store in which the population has accounts.
pub(crate) async fn lay_users(path: &Path, population: &Population) -> anyhow::Result<()> {
    let store = SqliteStore::open(path, Keyring::in_memory(), Options::default())?;
    let now = Timestamp::now();
    let provisions = population.users().iter().map(|user| {
        // They have nothing that would stand sealed: the store is opened here with keys that nobody else has.
        store.provision(Provision { id: *user, external_id: None, email: None, now }, None)
    });
    let mut provisions = futures::stream::iter(provisions).buffer_unordered(256);
    while let Some(result) = provisions.next().await {
        result?;
    }
    drop(provisions);
    store.close().await?;
    Ok(())
}

/// Gives the users of a file something to decide by.
pub(crate) async fn lay_history(path: &Path, population: &Population) -> anyhow::Result<()> {
    let store = SqliteStore::open(path, Keyring::in_memory(), Options::default())?;
    fold_history(&store, population).await?;
    store.close().await?;
    Ok(())
}

/// Gives the users of a store emotions and transactions, some more and some less of them. Returns how many of each.
pub(crate) async fn fold_history(store: &dyn Folds, population: &Population) -> anyhow::Result<u64> {
    let now = Timestamp::now();
    let numbers: Vec<u64> = (0..HISTORY * population.users().len() as u64).collect();
    for chunk in numbers.chunks(CHUNK) {
        let emotions = chunk.iter().map(|n| population.emotion(*n));
        let emotions = emotions.collect::<anyhow::Result<Vec<EmotionEvent>>>()?;
        let transactions = chunk.iter().map(|n| population.transaction(*n, now));
        let transactions = transactions.collect::<anyhow::Result<Vec<Transaction>>>()?;
        let folded = store.fold_emotions(&emotions, rules()?, now).await?;
        let kept = store.fold_transactions(&transactions, now).await?;
        let counted = folded.iter().chain(&kept).all(|what| *what == Folded::Counted);
        anyhow::ensure!(counted, "a history was not counted");
    }
    Ok(numbers.len() as u64)
}

/// The threshold of the platform's default settings.
pub(crate) fn stress_threshold() -> anyhow::Result<StressThreshold> {
    Ok(StressThreshold(Unit::new(0.7).context("0.7 is a fraction")?))
}

fn rules() -> anyhow::Result<EmotionRules> {
    Ok(EmotionRules { consent: ConsentRule::Assumed, stress: stress_threshold()?, raw_floor: Day::MIN })
}
