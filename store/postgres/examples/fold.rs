//! Measures the emotion fold against the bare statement, two writers each, over a PostgreSQL server of its own.
//!
//! `cargo run --release -p ecs-store-postgres --example fold -- [EVENTS] [USERS] [BATCH] [URL]`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, StressThreshold, Unit};
use ecs_domain::{EventId, Timestamp, UserId, utc_day};
use ecs_servers::{Postgres, PostgresOptions};
use ecs_store::{EmotionRules, Folded, Folds, Maintenance};
use ecs_store_postgres::raw::{RawBatch, RawLoop};
use ecs_store_postgres::{Options, PostgresStore};
use ecs_vault::Keyring;
use futures::future::try_join_all;
use jiff::ToSpan;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

const WRITERS: usize = 2;
const ROUNDS: usize = 3;

/// What is folded.
struct Workload {
    events: usize,
    users: u64,
    batch: usize,
    now: Timestamp,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its output is what it is for")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: u64| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let workload = Workload {
        events: usize::try_from(number(0, 500_000)?)?,
        users: number(1, 1_000)?,
        batch: usize::try_from(number(2, 5_000)?)?,
        now: "2026-11-20T23:00:00Z".parse()?,
    };
    let server = if arguments.len() > 3 { None } else { Some(Postgres::start(roomy()).await?) };
    let url = match (&server, arguments.get(3)) {
        (Some(server), _) => server.url("postgres"),
        (None, url) => url.cloned().context("no address")?,
    };
    println!("{} events of {} users, {WRITERS} writers", workload.events, workload.users);
    let store = Arc::new(PostgresStore::open(Options::new(&url), Keyring::in_memory()).await?);
    let client = connect(&url).await?;
    provision(&client, workload.users).await?;
    let (mut raw, mut fold) = (Vec::new(), Vec::new());
    // Taking turns keeps a slow moment of the machine from counting against one of the two.
    for round in 0..ROUNDS {
        raw.push(workload.rate(measure_raw(&workload, &store, &client, round).await?));
        fold.push(workload.rate(measure_fold(&workload, &store, &client, round).await?));
    }
    println!("bare statement {raw:.0?} events/s, fold {fold:.0?} events/s");
    let (raw, fold) = (median(raw), median(fold));
    println!("batches of {}: {raw:.0} and {fold:.0} events/s, ratio {:.2}", workload.batch, fold / raw);
    store.close().await?;
    Ok(())
}

impl Workload {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    fn rate(&self, took: Duration) -> f64 {
        self.events as f64 / took.as_secs_f64()
    }

    /// Events of random users with ids in the order of their making, as the ingestion makes them.
    fn events(&self, seed: usize) -> Vec<EmotionEvent> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed as u64 + 1);
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 16
        };
        let unit = |number: u64| Unit::from_billionths(u32::try_from(number % 1_000_000_001).unwrap_or(0));
        (0..self.events)
            .filter_map(|_| {
                Some(EmotionEvent {
                    id: EventId::new(Uuid::now_v7()),
                    user: user(random() % self.users),
                    occurred_at: self.now,
                    kind: EmotionKind::new("calm".to_owned()).ok()?,
                    metrics: Metrics {
                        positivity: unit(random())?,
                        intensity: unit(random())?,
                        stress: unit(random())?,
                    },
                })
            })
            .collect()
    }
}

/// As somebody would set up a server that takes tens of thousands of events per second.
fn roomy() -> PostgresOptions {
    let settings = [("shared_buffers", "1GB"), ("max_wal_size", "8GB")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    PostgresOptions { settings, ..PostgresOptions::default() }
}

/// Both begin with empty tables and no checkpoint under way.
async fn empty(client: &Client) -> Result<()> {
    client.batch_execute("TRUNCATE emotional_events, emotional_events_summary, emotion_inbox").await?;
    Ok(client.batch_execute("CHECKPOINT").await?)
}

async fn measure_raw(
    workload: &Workload,
    store: &PostgresStore,
    client: &Client,
    seed: usize,
) -> Result<Duration> {
    let events = workload.events(seed);
    let batches: Vec<_> = events.chunks(workload.batch).map(RawBatch::new).collect();
    empty(client).await?;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(RawLoop::open(store, rules(workload.now).stress, &batches, workload.now).await?);
    }
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let work = async |writer: RawLoop| {
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            writer.run(batch, workload.now).await?;
        }
        anyhow::Ok(())
    };
    try_join_all(writers.into_iter().map(work)).await?;
    Ok(start.elapsed())
}

async fn measure_fold(
    workload: &Workload,
    store: &PostgresStore,
    client: &Client,
    seed: usize,
) -> Result<Duration> {
    let events = workload.events(seed);
    let batches: Vec<_> = events.chunks(workload.batch).collect();
    empty(client).await?;
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let work = async |_| {
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            let folded = store.fold_emotions(batch, rules(workload.now), workload.now).await?;
            anyhow::ensure!(folded.iter().all(|folded| *folded == Folded::Counted), "an event is not new");
        }
        anyhow::Ok(())
    };
    try_join_all((0..WRITERS).map(work)).await?;
    Ok(start.elapsed())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Makes the users, past the store: ten million of them one by one would take an hour.
async fn provision(client: &Client, users: u64) -> Result<()> {
    for first in (0..users).step_by(100_000) {
        let ids: Vec<Uuid> = (first..users.min(first + 100_000)).map(|number| user(number).uuid()).collect();
        let sql = "INSERT INTO users (id, created_at, updated_at)
             SELECT id, now(), now() FROM unnest($1::uuid[]) AS id ON CONFLICT DO NOTHING";
        client.execute(sql, &[&ids]).await?;
    }
    Ok(client.batch_execute("VACUUM ANALYZE users").await?)
}

fn rules(now: Timestamp) -> EmotionRules {
    EmotionRules {
        consent: ConsentRule::Assumed,
        stress: StressThreshold(
            Unit::from_billionths(700_000_000).unwrap_or_else(|| unreachable!("below one")),
        ),
        raw_floor: utc_day(now).saturating_sub(30.days()),
    }
}

/// Random-looking, like ids are.
fn user(number: u64) -> UserId {
    UserId::new(Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes()))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}
