//! `ecs serve`

use std::sync::Arc;

use super::Outcome;
use super::stop::Signals;
use crate::platform::{Platform, SystemClock};
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let mut signals = Signals::listen()?;
    let platform = tokio::select! {
        platform = Platform::start(settings, Arc::new(SystemClock)) => platform?,
        // An engine may be away for long, and nothing has begun yet.
        () = signals.stop() => return Ok(Outcome::Fine),
    };
    let failure = tokio::select! {
        () = signals.stop() => None,
        failure = platform.failed() => Some(failure),
    };
    signals.exit_on_next();
    platform.stop().await?;
    match failure {
        None => Ok(Outcome::Fine),
        Some(failure) => Err(failure.into()),
    }
}
