//! `ecs simulate`

use std::sync::Arc;
use std::time::Duration;

use ecs_client::simulate::{self, Plan, Tools, Until};
use ecs_client::{Bar, Journal};
use tokio_util::sync::CancellationToken;

use super::stop::Signals;
use super::{Outcome, say};
use crate::cli::SimulateArgs;
use crate::operator;
use crate::platform::SystemClock;
use crate::settings::Settings;

pub(super) async fn run(args: &SimulateArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let stop = CancellationToken::new();
    let tools = Tools {
        client: operator::client(settings, &SystemClock)?,
        clock: Arc::new(SystemClock),
        journal: args.journal.as_deref().map(Journal::append).transpose()?.map(Arc::new),
        progress: Arc::new(Bar::new()),
        stop: stop.clone(),
    };
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.stop().await;
        stop.cancel();
        signals.exit_on_next();
    });
    let summary = simulate::run(&plan(args), &tools).await?;
    say(&super::in_words::simulation(&summary));
    Ok(Outcome::Fine)
}

fn plan(args: &SimulateArgs) -> Plan {
    Plan {
        seed: args.seed,
        users: args.users,
        rate: (args.rate > 0.0).then_some(args.rate),
        until: args.count.map_or(Until::Elapsed(Duration::from_secs(args.seconds)), Until::Sent),
        transaction_share: 1.0 - f64::from(args.emotions) / 100.0,
        journey_every: args.journeys_every,
        ..Plan::default()
    }
}
