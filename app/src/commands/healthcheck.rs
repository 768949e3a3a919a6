//! `ecs healthcheck`

use super::{Outcome, say};
use crate::operator;
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let client = operator::anonymous_client(settings)?;
    match client.ready().await {
        Ok(()) => {
            say("ready");
            Ok(Outcome::Fine)
        }
        Err(error) => {
            say(&format!("not ready: {error}"));
            Ok(Outcome::Off)
        }
    }
}
