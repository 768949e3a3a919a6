//! The load generator: one thread, a closed loop per connection, requests that are patched rather than written, and
//! answers of which only the status and the length are looked at.

mod connection;
mod requests;
mod response;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ecs_client::Latencies;

pub(crate) use connection::Client;
pub(crate) use requests::{
    Affairs, Applicants, Decisions, Emotions, Lines, Requests, Transactions, one_emotion,
};

use crate::process;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// Load that doesn't count yet.
    pub(crate) warm_up: Duration,
    /// Load that counts.
    pub(crate) measure: Duration,
    /// How often each connection asks; `None`: as soon as it was answered. Who is late is late from the time that was due, so
    /// that a server that stands still can't hide it.
    pub(crate) every: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Events per second that were accepted while it counted.
    pub(crate) rate: f64,
    /// Events that were accepted from the first to the last request.
    pub(crate) accepted: u64,
    /// Requests that got another answer.
    pub(crate) refused: u64,
    /// Time from the first byte of a request to the last of its answer, while it counted.
    pub(crate) latencies: Latencies,
    /// The generator's share of one core.
    pub(crate) generator_cores: f64,
}

/// The time in which requests count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    begin: Instant,
    end: Instant,
}

/// When a connection asks next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    due: Instant,
    every: Duration,
}

impl Pace {
    /// The connections take turns: they don't all ask at the same moment.
    fn new(started: Instant, every: Duration, number: u32, connections: usize) -> Self {
        let share = f64::from(number) / connections.max(1) as f64;
        Self { due: started + every.mul_f64(share), every }
    }

    /// Waits until it is time, and returns when that was.
    async fn next(&mut self) -> Instant {
        let due = self.due;
        self.due += self.every;
        tokio::time::sleep_until(due.into()).await;
        due
    }
}

/// What one connection did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    counted: u64,
    accepted: u64,
    refused: u64,
    latencies: Latencies,
    /// When there was nothing left to ask.
    exhausted: Option<Instant>,
}

/// Puts load on `address`, until the time is over or the first connection has nothing left to ask. `requests` makes what each connection sends, by the connection's number.
pub(crate) fn run<R: Requests>(
    address: SocketAddr,
    plan: Plan,
    requests: impl Fn(u64) -> anyhow::Result<R>,
) -> anyhow::Result<Measured> {
    let sources = (0..plan.connections as u64).map(requests).collect::<anyhow::Result<Vec<R>>>()?;
    let generator = thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || generate(address, plan, sources))
        .context("no thread for the load generator")?;
    generator.join().map_err(|_| anyhow::anyhow!("the load generator panicked"))?
}

fn generate<R: Requests>(address: SocketAddr, plan: Plan, sources: Vec<R>) -> anyhow::Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cpu = process::cpu_seconds("self")?;
    let started = Instant::now();
    let begin = started + plan.warm_up;
    let window = Window { begin, end: begin + plan.measure };
    let tally = runtime.block_on(async {
        let connections: Vec<_> = sources
            .into_iter()
            .zip(0_u32..)
            .map(|(source, number)| {
                let pace = plan.every.map(|every| Pace::new(started, every, number, plan.connections));
                tokio::spawn(connection::run(address, source, window, pace))
            })
            .collect();
        let mut all = Tally::default();
        for connection in connections {
            all.add(&connection.await??);
        }
        anyhow::Ok(all)
    })?;
    let end = tally.exhausted.map_or(window.end, |exhausted| exhausted.min(window.end));
    let measured = end.saturating_duration_since(window.begin);
    anyhow::ensure!(!measured.is_zero(), "there was nothing left to ask when the warm-up was over");
    Ok(Measured {
        rate: as_f64(tally.counted) / measured.as_secs_f64(),
        accepted: tally.accepted,
        refused: tally.refused,
        latencies: tally.latencies,
        generator_cores: (process::cpu_seconds("self")? - cpu) / started.elapsed().as_secs_f64(),
    })
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.latencies.merge(&other.latencies);
        self.exhausted = self.exhausted.into_iter().chain(other.exhausted).min();
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
