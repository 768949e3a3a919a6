//! `ecs migrate`

use anyhow::Context as _;
use ecs_store_sqlite::SqliteStore;

use super::{Outcome, say};
use crate::data_dir::DataDir;
use crate::settings::Settings;

pub(super) fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let data = DataDir::new(&settings.data_dir);
    let _lock = data.lock()?;
    let applied = SqliteStore::migrate(data.store(), &ecs_store_sqlite::Options::default())
        .with_context(|| format!("the store {}", data.store().display()))?;
    for migration in &applied {
        say(&format!("applied {:04} {}", migration.version, migration.name));
    }
    say(if applied.is_empty() { "the tables are up to date" } else { "the tables are up to date now" });
    Ok(Outcome::Fine)
}
