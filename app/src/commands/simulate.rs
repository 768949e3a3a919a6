//! `ecs simulate`

use std::sync::Arc;
use std::time::Duration;

use ecs_client::Journal;
use ecs_client::simulate::population::{Population, Window};
use ecs_client::simulate::view::{self, Heading, Show};
use ecs_client::simulate::{self, Meter, Plan, Summary, Tools, Until, When};
use ecs_domain::{Clock as _, Timestamp, UserId};
use tokio_util::sync::CancellationToken;

use super::stop::Signals;
use super::{Outcome, say};
use crate::cli::SimulateArgs;
use crate::operator;
use crate::platform::SystemClock;
use crate::settings::Settings;

/// How long a live crowd is at work unless told otherwise.
const LIVE: Duration = Duration::from_secs(30);
/// How many events a second it then has.
const LIVE_RATE: f64 = 100.0;
/// How many days an outcome needs behind it.
const OBSERVED_DAYS: u32 = 30;

pub(super) async fn run(args: &SimulateArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let now = SystemClock.now();
    let plan = plan(args, now)?;
    if args.outcomes_only {
        write_outcomes(args, &plan, now, &[])?;
        return Ok(Outcome::Fine);
    }
    let stop = CancellationToken::new();
    let tools = Tools {
        client: operator::client(settings, &SystemClock)?,
        clock: Arc::new(SystemClock),
        journal: args.journal.as_deref().map(Journal::append).transpose()?.map(Arc::new),
        meter: Arc::new(Meter::default()),
        stop: stop.clone(),
    };
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.stop().await;
        stop.cancel();
        signals.exit_on_next();
    });
    let (summary, users) = watched(args, &plan, &tools).await?;
    if args.json {
        say(&serde_json::to_string_pretty(&summary)?);
    } else {
        say(&super::in_words::simulation(&summary));
    }
    if tools.stop.is_cancelled() && users.len() < plan.users as usize {
        return Ok(Outcome::Fine);
    }
    write_outcomes(args, &plan, now, &users)?;
    Ok(Outcome::Fine)
}

/// Runs the simulation and shows it meanwhile. Whatever comes of it, the view is gone before anything else is printed.
async fn watched(args: &SimulateArgs, plan: &Plan, tools: &Tools) -> anyhow::Result<(Summary, Vec<UserId>)> {
    let show = if args.quiet { Show::Nothing } else { Show::fitting() };
    let over = CancellationToken::new();
    let view = view::watch(Arc::clone(&tools.meter), Heading::of(plan), show, over.clone());
    let simulation = async {
        let ran = provision_and_run(plan, tools).await;
        over.cancel();
        ran
    };
    let (ran, ()) = tokio::join!(simulation, view);
    ran
}

async fn provision_and_run(plan: &Plan, tools: &Tools) -> anyhow::Result<(Summary, Vec<UserId>)> {
    plan.check()?;
    let users = simulate::provision(plan, tools).await?;
    let summary = simulate::run_as(plan, tools, users.clone()).await?;
    Ok((summary, users))
}

fn plan(args: &SimulateArgs, now: Timestamp) -> anyhow::Result<Plan> {
    let window = window(args, now)?;
    let rate = args.rate.unwrap_or(if window.is_some() { 0.0 } else { LIVE_RATE });
    let until = match (args.count, args.seconds, window) {
        (Some(count), _, _) => Until::Sent(count),
        (None, Some(seconds), _) => Until::Elapsed(Duration::from_secs(seconds)),
        (None, None, Some(_)) => Until::Stopped,
        (None, None, None) => Until::Elapsed(LIVE),
    };
    let plan = Plan {
        seed: args.seed,
        users: args.users,
        mix: args.personas.unwrap_or_default(),
        when: window.map_or(When::Now, When::Then),
        rate: (rate != 0.0).then_some(rate),
        until,
        transaction_share: args.emotions.map(|emotions| 1.0 - f64::from(emotions) / 100.0),
        journey_every: args.journeys_every,
        lines: args.ndjson,
        ..Plan::default()
    };
    plan.check()?;
    Ok(plan)
}

/// The days of a history, which must be over; `None` for what happens now.
fn window(args: &SimulateArgs, now: Timestamp) -> anyhow::Result<Option<Window>> {
    let window = match (args.history, args.from) {
        (Some(days), _) => Window::before(now, days)?,
        (None, Some(first)) => {
            let yesterday = ecs_domain::utc_day(now).yesterday()?;
            Window::new(first, args.to.unwrap_or(yesterday))?
        }
        (None, None) => return Ok(None),
    };
    anyhow::ensure!(window.over_at() <= now, "the history {window} (UTC) is not over yet");
    Ok(Some(window))
}

/// Writes the outcomes, if they are asked for: as seen at the end of the history, or of yesterday in a live run.
fn write_outcomes(args: &SimulateArgs, plan: &Plan, now: Timestamp, users: &[UserId]) -> anyhow::Result<()> {
    let Some(path) = &args.outcomes else { return Ok(()) };
    let window = match plan.when {
        When::Then(window) => window,
        When::Now => Window::before(now, OBSERVED_DAYS)?,
    };
    let population = Population::new(plan.seed, plan.users as usize, &plan.mix);
    simulate::write_outcomes(path, &population, window, |number| plan.external_id(number), users)
}
