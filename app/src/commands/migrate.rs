//! `ecs migrate`

use super::{Outcome, say};
use crate::platform;
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let applied = platform::migrate(settings).await?;
    for migration in &applied {
        say(&format!("applied {:04} {}", migration.version, migration.name));
    }
    say(if applied.is_empty() { "the tables are up to date" } else { "the tables are up to date now" });
    Ok(Outcome::Fine)
}
