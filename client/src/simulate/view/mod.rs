//! What people see of a running simulation: a panel on a terminal, plain lines elsewhere.
//!
//! Both are made of readings of the [`Meter`] alone, so watching costs the senders nothing.

mod panel;
mod screen;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::meter::{Meter, Reading};
use super::plan::{Plan, When};
use crate::Latencies;
use screen::Screen;

/// How often the panel is drawn.
const FRAME: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no panel.
const LINE: Duration = Duration::from_secs(5);
/// Over how long the rate and the percentiles of the moment are taken.
const RECENT: Duration = Duration::from_secs(10);

/// How to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// A panel that is drawn anew, on a terminal.
    Panel {
        /// Whether in colours.
        colours: bool,
    },
    /// A line every few seconds.
    Lines,
    /// Nothing.
    Nothing,
}

impl Show {
    /// The panel where standard error is a terminal, lines where it isn't. `NO_COLOR` and dumb terminals are respected.
    #[must_use]
    pub fn fitting() -> Self {
        use std::io::IsTerminal as _;
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if dumb || !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        Self::Panel { colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }
}

/// What is known beforehand and stands at the top.
#[derive(Debug, Clone)]
pub struct Heading {
    what: String,
    rate: Option<f64>,
    users: [u64; 5],
}

impl Heading {
    /// Says what a plan does.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let when = match plan.when {
            When::Now => "live".to_owned(),
            When::Then(window) => format!("history {window}"),
        };
        let how = plan.lines.map_or_else(String::new, |lines| format!(" · {lines} lines an upload"));
        let users = super::population::Persona::ALL.map(|persona| {
            let numbers = 0..plan.users as usize;
            numbers.filter(|number| plan.mix.persona(plan.seed, *number) == persona).count() as u64
        });
        Self {
            what: format!("{} users · seed {} · {when}{how}", plan.users, plan.seed),
            rate: plan.rate,
            users,
        }
    }
}

/// Readings of the last seconds, from which rates follow.
#[derive(Debug)]
struct Recent {
    begun: Instant,
    sending_since: Option<Instant>,
    readings: VecDeque<(Instant, Reading)>,
    latencies: VecDeque<Latencies>,
}

impl Recent {
    fn new(now: Instant) -> Self {
        Self { begun: now, sending_since: None, readings: VecDeque::new(), latencies: VecDeque::new() }
    }

    fn add(&mut self, now: Instant, reading: Reading, latencies: Latencies) {
        if reading.sending && self.sending_since.is_none() {
            self.sending_since = Some(now);
        }
        self.readings.push_back((now, reading));
        self.latencies.push_back(latencies);
        // Two readings stay in any case: a rate lies between them.
        while self.readings.len() > 2 && self.readings.front().is_some_and(|(at, _)| now - *at > RECENT) {
            self.readings.pop_front();
            self.latencies.pop_front();
        }
    }

    fn last(&self) -> Option<&(Instant, Reading)> {
        self.readings.back()
    }

    /// Accepted events per second over the readings at hand.
    fn rate(&self) -> f64 {
        match (self.readings.front(), self.last()) {
            (Some((from, first)), Some((to, last))) if to > from => {
                (last.accepted - first.accepted) as f64 / (*to - *from).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// Accepted events per second since the sending began.
    fn mean_rate(&self) -> f64 {
        match (self.sending_since, self.last()) {
            (Some(from), Some((to, last))) if *to > from => last.accepted as f64 / (*to - from).as_secs_f64(),
            _ => 0.0,
        }
    }

    fn latencies(&self) -> Latencies {
        let mut sum = Latencies::new();
        self.latencies.iter().for_each(|latencies| sum.merge(latencies));
        sum
    }

    fn behind(&self) -> Duration {
        self.readings.iter().map(|(_, reading)| reading.behind).max().unwrap_or_default()
    }
}

/// Shows a simulation until it is over. A panel is wiped off at the end, which leaves the terminal as it was; it hides
/// nothing and changes no mode, so a process that is killed over it leaves nothing to repair, either.
pub async fn watch(meter: Arc<Meter>, heading: Heading, show: Show, over: CancellationToken) {
    let every = match show {
        Show::Panel { .. } => FRAME,
        Show::Lines => LINE,
        Show::Nothing => return,
    };
    let mut recent = Recent::new(Instant::now());
    let mut screen = Screen::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while over.run_until_cancelled(ticks.tick()).await.is_some() {
        recent.add(Instant::now(), meter.read(), meter.take_latencies());
        match show {
            Show::Panel { colours } => screen.draw(&panel::panel(&heading, &recent), colours),
            Show::Lines => screen.line(&panel::line(&recent)),
            Show::Nothing => {}
        }
    }
    screen.wipe();
}

#[cfg(test)]
mod tests;
