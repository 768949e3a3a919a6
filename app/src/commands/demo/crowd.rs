//! The demo's crowd: first what its people did in the last weeks, then what they do now.

use std::sync::Arc;
use std::time::Duration;

use ecs_client::Client;
use ecs_client::simulate::population::{Persona, Window};
use ecs_client::simulate::{self, Meter, Plan, Reading, Summary, Tools, Until, When};
use ecs_domain::Clock as _;
use tokio_util::sync::CancellationToken;

use crate::platform::SystemClock;

/// How many people there are.
const PEOPLE: u32 = 50;
/// How many days lie behind them: as many as a credit decision looks at.
const DAYS: u32 = 30;
/// Lines of an upload of the past.
const LINES: usize = 200;
/// Calls in flight at most while the past is sent: people who try the demo want to be served meanwhile.
const CALLS: usize = 32;
/// How often one of them applies for credit.
const JOURNEY: Duration = Duration::from_secs(3);
/// From how many transactions within a few seconds on a fraudster strikes.
const BURST: u64 = 5;

/// Sends the past, which a second start of the demo finds there already, and then the present until it is stopped. The
/// summary is that of the present, or of the past when it didn't get further.
pub(super) async fn run(
    rate: f64,
    client: Client,
    meter: Arc<Meter>,
    stop: CancellationToken,
) -> anyhow::Result<Summary> {
    let tools = Tools { client, clock: Arc::new(SystemClock), journal: None, meter, stop };
    let past = Plan {
        users: PEOPLE,
        when: When::Then(Window::before(SystemClock.now(), DAYS)?),
        rate: None,
        until: Until::Stopped,
        lines: Some(LINES),
        concurrency: CALLS,
        ..Plan::default()
    };
    let users = simulate::provision(&past, &tools).await?;
    let summary = simulate::run_as(&past, &tools, users.clone()).await?;
    if tools.stop.is_cancelled() {
        return Ok(summary);
    }
    let present = Plan {
        when: When::Now,
        rate: Some(rate),
        lines: None,
        concurrency: Plan::default().concurrency,
        journey_every: Some(JOURNEY),
        ..past
    };
    simulate::run_as(&present, &tools, users).await
}

/// What the crowd did between two readings; `None` when it did nothing.
pub(super) fn news(before: &Reading, now: &Reading) -> Option<String> {
    let counts = Persona::ALL.into_iter().zip(before.personas.iter().zip(&now.personas));
    let events: Vec<(Persona, u64, u64)> = counts
        .map(|(persona, (before, now))| {
            (persona, now.0.saturating_sub(before.0), now.1.saturating_sub(before.1))
        })
        .filter(|(_, emotions, transactions)| emotions + transactions > 0)
        .collect();
    if events.is_empty() {
        return None;
    }
    let words: Vec<String> = events
        .iter()
        .map(|(persona, emotions, transactions)| format!("{persona} {}", emotions + transactions))
        .collect();
    let strikes = events.iter().any(|(persona, _, paid)| *persona == Persona::Fraudster && *paid >= BURST);
    let burst = if strikes { "; a burst of fraud" } else { "" };
    Some(format!("the crowd since then: {}{burst}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_what_is_new() {
        let reading = |personas| Reading { personas, ..Reading::default() };
        let before = reading([(5, 1), (3, 0), (0, 0), (2, 0), (1, 1)]);
        let check = |personas, expect: Option<&str>| {
            assert_eq!(news(&before, &reading(personas)).as_deref(), expect);
        };
        check(before.personas, None);
        check(
            [(7, 2), (3, 0), (1, 0), (2, 0), (1, 3)],
            Some("the crowd since then: steady-earner 3, seasonal-merchant 1, fraudster 2"),
        );
        check(
            [(5, 1), (3, 0), (0, 0), (2, 0), (1, 9)],
            Some("the crowd since then: fraudster 8; a burst of fraud"),
        );
    }
}
