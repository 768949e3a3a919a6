//! What others see of the platform while it takes the rated load of events: how soon an event is in its aggregate, and how
//! soon customers have their answers.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use ecs_client::Latencies;
use ecs_domain::{Timestamp, UserId, utc_day};

use super::{Goal, Group, Measure, Row, Unit, Values, load_measures, note_load};
use crate::bench::Bench;
use crate::engines::{self, RATED, Running, Transport};
use crate::load::{self, Affairs, Applicants, Emotions, Measured, Plan, as_f64, one_emotion};
use crate::population::bystander;

/// Connections that the events come over.
const CONNECTIONS: u32 = 256;
/// Events that are followed at the same time, each of a user of whom there are no others.
const PROBES: u32 = 8;
/// How often is looked whether an event is in its aggregate: what is measured is too long by half of it on average.
const LOOK: Duration = Duration::from_millis(4);
/// How long a probe rests between two events.
const REST: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);
/// Customers who want something at the same time.
const CUSTOMERS: usize = 16;
/// How often each of them asks: 800 requests per second together.
const CUSTOMERS_EVERY: Duration = Duration::from_millis(20);
/// The least of the rated load that must get through.
const BORNE: f64 = 0.97;

pub(super) fn visible_group() -> Group {
    let mut measures = load_measures("visible.load", "5,000 events/s, while some are followed");
    measures.extend([
        Measure::new("visible.rated", "the rate of events while some are followed", Unit::PerSecond),
        Measure::new("visible.p50", "event → visible aggregate: half of them", Unit::Milliseconds),
        Measure::new("visible.p99", "event → visible aggregate at 5,000 events/s, p99", Unit::Milliseconds),
        Measure::new("visible.slowest", "event → visible aggregate: the slowest", Unit::Milliseconds),
        Measure::new("visible.followed", "events that were followed into their aggregate", Unit::Count),
    ]);
    let rows = vec![borne("visible"), Row::alone("visible.p99").with(Goal::AtMost(250.0))];
    Group { name: "event → visible aggregate".to_owned(), measures, rows, take: Box::new(take_visible) }
}

pub(super) fn interactive_group() -> Group {
    let mut measures = load_measures("interactive.load", "5,000 events/s, while customers ask");
    measures.extend(load_measures("interactive", "decisions and reads at 5,000 events/s, 16 connections"));
    measures.push(Measure::new(
        "interactive.rated",
        "the rate of events while customers ask",
        Unit::PerSecond,
    ));
    let rows = vec![
        borne("interactive"),
        Row::alone("interactive"),
        Row::alone("interactive.p99").with(Goal::AtMost(500.0)),
    ];
    Group { name: "interactive answers".to_owned(), measures, rows, take: Box::new(take_interactive) }
}

/// The rated load.
fn plan(bench: &Bench) -> Plan {
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / f64::from(RATED));
    Plan { every: Some(every), ..bench.plan(CONNECTIONS as usize, bench.settings.short()) }
}

/// The row of the load itself: whoever doesn't bear it may answer others as soon as they like.
fn borne(name: &str) -> Row {
    Row::of(&format!("{name}.load"), &format!("{name}.rated")).with(Goal::FractionAtLeast(BORNE))
}

/// Puts the rated load on the platform while something else is done.
fn beside<T>(
    bench: &Bench,
    running: &Running<'_>,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(Measured, T)> {
    let load =
        || running.load(plan(bench), |address, number| Emotions::new(&bench.population, address, number));
    let (measured, done) = std::thread::scope(|scope| {
        let load = scope.spawn(load);
        let done = work();
        (load.join(), done)
    });
    let measured = measured.map_err(|_| anyhow::anyhow!("the load panicked"))??;
    Ok((measured, done?))
}

fn take_visible(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let running = Running::start(bench, Transport::Nats)?;
    let (measured, seen) = beside(bench, &running, || bench.runtime.block_on(follow_all(bench, &running)))?;
    note_load(values, "visible.load", &measured);
    let followed = seen.iter().map(Latencies::count).sum::<u64>();
    let mut latencies = Latencies::default();
    seen.iter().for_each(|own| latencies.merge(own));
    let read = latencies.percentiles();
    let more = [
        ("visible.rated", f64::from(RATED)),
        ("visible.p50", read.p50_ms),
        ("visible.p99", read.p99_ms),
        ("visible.slowest", read.max_ms),
        ("visible.followed", as_f64(followed)),
    ];
    values.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let accepted = measured.accepted + followed + u64::from(PROBES);
    running.await_counted(accepted)?;
    running.finish(accepted, measured.refused)
}

/// Follows one event after the other of several users, until the load ends.
async fn follow_all(bench: &Bench, running: &Running<'_>) -> anyhow::Result<Vec<Latencies>> {
    let begin = Instant::now() + bench.settings.warm_up();
    let end = begin + bench.settings.short();
    let probes = (0..PROBES).map(|number| follow(running, bystander(number), begin, end));
    futures::future::try_join_all(probes).await
}

/// From the first byte of the request until the aggregate has the event. The first one doesn't count.
async fn follow(
    running: &Running<'_>,
    user: UserId,
    begin: Instant,
    end: Instant,
) -> anyhow::Result<Latencies> {
    let store = engines::connect(&running.site.database.url).await?;
    let sql = "SELECT event_count FROM emotional_events_summary WHERE user_id = $1 AND summary_date = $2";
    let statement = store.prepare(sql).await?;
    let day = utc_day(Timestamp::now());
    let mut client = load::Client::connect(running.server.address).await?;
    let mut latencies = Latencies::default();
    tokio::time::sleep_until(begin.into()).await;
    let mut sent = 0_i64;
    while sent < 2 || Instant::now() < end {
        let request = one_emotion(user, day, u64::try_from(sent)?, running.server.address)?;
        let started = Instant::now();
        let status = client.ask(&request).await?;
        anyhow::ensure!(status == 202, "a followed event got {status}");
        sent += 1;
        loop {
            let row = store.query_opt(&statement, &[&user.uuid(), &day]).await?;
            if row.map_or(0, |row| row.get::<_, i64>(0)) >= sent {
                break;
            }
            anyhow::ensure!(started.elapsed() < PATIENCE, "an event did not reach its aggregate");
            tokio::time::sleep(LOOK).await;
        }
        if sent > 1 {
            latencies.record(started.elapsed());
        }
        tokio::time::sleep(REST).await;
    }
    Ok(latencies)
}

fn take_interactive(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let running = Running::start(bench, Transport::Nats)?;
    let applicants = Arc::new(Applicants::new(bench.population.users())?);
    let next = Arc::new(AtomicUsize::new(0));
    let (measured, asked) = beside(bench, &running, || {
        let plan = Plan { every: Some(CUSTOMERS_EVERY), ..bench.plan(CUSTOMERS, bench.settings.short()) };
        running.load(plan, |address, _| Affairs::new(&applicants, address, &next))
    })?;
    anyhow::ensure!(asked.refused == 0, "{} interactive requests were refused", asked.refused);
    values.insert("interactive.rated".to_owned(), f64::from(RATED));
    note_load(values, "interactive.load", &measured);
    note_load(values, "interactive", &asked);
    running.await_counted(measured.accepted)?;
    running.finish(measured.accepted, measured.refused)
}
