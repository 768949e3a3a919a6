//! Measures the emotion fold against the bare statements in a loop, over a file on this machine's disk.
//!
//! `cargo run --release -p ecs-store-sqlite --example fold -- [EVENTS] [USERS] [DAYS]`

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ecs_domain::consent::ConsentRule;
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, StressThreshold, Unit};
use ecs_domain::{EventId, Timestamp, UserId, utc_day};
use ecs_store::{EmotionRules, Folds, Maintenance, Provision, Users};
use ecs_store_sqlite::raw::{RawBatch, RawLoop};
use ecs_store_sqlite::{Options, SqliteStore};
use ecs_vault::Keyring;
use futures::future::try_join_all;
use jiff::{SignedDuration, ToSpan};
use uuid::Uuid;

/// What is folded.
struct Workload {
    events: usize,
    users: u64,
    days: u64,
    now: Timestamp,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its output is what it is for")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (events, users, days) = (next(400_000)?, next(1_000)?, next(1)?);
    let now = "2026-11-20T23:00:00Z".parse()?;
    let workload = Workload { events: usize::try_from(events)?, users, days, now };
    println!("{events} events of {users} users over {days} days");
    for batch in [5_000, 256] {
        let events = workload.events(batch);
        let (mut raw, mut fold) = (Vec::new(), Vec::new());
        // Taking turns keeps a slow moment of the disk from counting against one of the two.
        for _ in 0..3 {
            raw.push(workload.rate(measure_raw(&events, batch, now).await?));
            fold.push(workload.rate(measure_fold(&events, batch, now).await?));
        }
        let (raw, fold) = (median(raw), median(fold));
        println!(
            "batches of {batch}: raw loop {raw:.0} events/s, fold {fold:.0} events/s, ratio {:.2}",
            fold / raw
        );
    }
    Ok(())
}

impl Workload {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    fn rate(&self, took: Duration) -> f64 {
        self.events as f64 / took.as_secs_f64()
    }

    /// Events of random users with ids in the order of their making, as the ingestion makes them.
    fn events(&self, seed: usize) -> Vec<EmotionEvent> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed as u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 16
        };
        let unit = |number: u64| Unit::from_billionths(u32::try_from(number % 1_000_000_001).unwrap_or(0));
        (0..self.events)
            .filter_map(|_| {
                let days = i64::try_from(random() % self.days).ok()?;
                Some(EmotionEvent {
                    id: EventId::new(Uuid::now_v7()),
                    user: user(random() % self.users),
                    occurred_at: self.now - SignedDuration::from_hours(24 * days),
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

async fn measure_raw(events: &[EmotionEvent], batch: usize, now: Timestamp) -> Result<Duration> {
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("store.db");
    prepare(&path, events).await?;
    let raw = RawLoop::open(&path, &Options::default())?;
    let batches: Vec<_> =
        events.chunks(batch).map(|events| RawBatch::new(events, rules(now).stress)).collect();
    let start = Instant::now();
    for batch in &batches {
        raw.run(batch, now)?;
    }
    Ok(start.elapsed())
}

/// Folds one batch after the other, as one worker does.
async fn measure_fold(events: &[EmotionEvent], batch: usize, now: Timestamp) -> Result<Duration> {
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("store.db");
    prepare(&path, events).await?;
    let store = SqliteStore::open(&path, Keyring::in_memory(), Options::default())?;
    let start = Instant::now();
    for batch in events.chunks(batch) {
        store.fold_emotions(batch, rules(now), now).await?;
    }
    let took = start.elapsed();
    store.close().await?;
    Ok(took)
}

/// Makes the users.
async fn prepare(path: &Path, events: &[EmotionEvent]) -> Result<()> {
    let store = SqliteStore::open(path, Keyring::in_memory(), Options::default())?;
    let mut users: Vec<UserId> = events.iter().map(|event| event.user).collect();
    users.sort_unstable();
    users.dedup();
    let now = events.first().context("no events")?.occurred_at;
    for users in users.chunks(256) {
        let provisions = users.iter().map(|id| {
            let external_id = Some(id.to_string());
            store.provision(Provision { id: *id, external_id, email: None, now }, None)
        });
        try_join_all(provisions).await?;
    }
    store.close().await?;
    Ok(())
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
