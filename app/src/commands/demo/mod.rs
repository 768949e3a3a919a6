//! `ecs demo`: the whole platform with people in it, and lines to paste.

mod banner;
mod crowd;
mod people;

use std::sync::Arc;
use std::time::Duration;

use ecs_client::simulate::Meter;
use ecs_store::Ledger;
use tokio_util::sync::CancellationToken;

use super::stop::Signals;
use super::{Outcome, say};
use crate::cli::DemoArgs;
use crate::data_dir::DataDir;
use crate::operator;
use crate::platform::{Platform, Storage, SystemClock};
use crate::settings::{Mode, Raw, Settings, Source};

/// How often the demo says how far it is.
const STATUS: Duration = Duration::from_secs(5);

/// The demo speaks for itself, so unless somebody asked for logs it shows warnings only.
pub(super) fn quiet(raw: &Raw) -> Raw {
    let mut raw = raw.clone();
    if let Some(log) = raw.get_mut("ECS_LOG").filter(|log| log.source == Source::Default) {
        log.text = "warn".to_owned();
    }
    raw
}

pub(super) async fn run(args: &DemoArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    anyhow::ensure!(settings.mode == Mode::Embedded, "the demo runs in embedded mode only");
    let mut signals = Signals::listen()?;
    let platform = Platform::start(settings, Arc::new(SystemClock)).await?;
    let url = format!("{}://{}", settings.tls.scheme(), platform.address());
    let here = Settings { url: Some(url), ..settings.clone() };
    let data = DataDir::new(&settings.data_dir);
    let auth = operator::auth(settings, &data, Arc::new(SystemClock))?;
    let password = data.secrets()?.demo_password;
    let client = operator::client(&here, &SystemClock)?;

    say("The Empathic Credit System, all roles in one process over embedded storage.\n");
    let people = people::arrive(&client, &auth, password.expose()).await?;
    say(&banner::text(&here, &people, password.expose(), auth.keys.shown().expose()));

    let stop = CancellationToken::new();
    let meter = Arc::new(Meter::default());
    let crowd = tokio::spawn(crowd::run(args.rate, client, Arc::clone(&meter), stop.clone()));
    let end = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let failure = tokio::select! {
        () = signals.stop() => None,
        () = end => None,
        failure = platform.failed() => Some(failure),
        never = status(platform.storage(), &meter) => never?,
    };
    signals.exit_on_next();
    stop.cancel();
    let summary = crowd.await??;
    say(&format!("\nThe crowd:\n{}", super::in_words::simulation(&summary)));
    platform.stop().await?;
    failure.map_or(Ok(Outcome::Fine), |failure| Err(failure.into()))
}

/// Says how far everything is, for ever.
async fn status<T>(storage: &Storage, meter: &Meter) -> anyhow::Result<T> {
    let mut ticks = tokio::time::interval(STATUS);
    let mut before = meter.read();
    loop {
        ticks.tick().await;
        let emotions = storage.store()?.ledger_totals(Ledger::Emotions).await?;
        let transactions = storage.store()?.ledger_totals(Ledger::Transactions).await?;
        let offers = storage.store()?.offer_books().await?;
        say(&format!(
            "  {} emotions and {} transactions in the aggregates, {} credits active, {} customers notified",
            emotions.in_aggregates, transactions.in_aggregates, offers.active, offers.notified
        ));
        let now = meter.read();
        if let Some(news) = crowd::news(&before, &now) {
            say(&format!("    {news}"));
        }
        before = now;
    }
}
