//! Credit decisions over PostgreSQL, against the same rows read and written by grouped SQL, against `pgbench -N` on the same server,
//! and, when they stand and are asked for again, against the handler that only answers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ecs_domain::Timestamp;
use ecs_servers::Postgres;

use super::{Goal, Group, Measure, Row, Unit, Values, load_measures, note_load};
use crate::args::Answer;
use crate::bench::Bench;
use crate::engines::Running;
use crate::limits::grouped::{self, Made, SHAPES};
use crate::limits::pgbench;
use crate::load::{Applicants, Decisions, as_f64};
use crate::population::Population;
use crate::process;
use crate::settings::Mode;

/// Customers who ask at the same time, and what their row is called.
const CUSTOMERS: Load = Load(64, "decisions.uncached");
/// The same of more of them.
const CROWD: Load = Load(256, "decisions.uncached.256");
/// Whose decision is asked for again and again, per connection.
const AGAIN: usize = 4;

/// First decisions over so many connections, as a row.
#[derive(Clone, Copy)]
struct Load(usize, &'static str);

pub(super) fn group() -> Group {
    let pgbench = Postgres::program("pgbench").ok();
    let mut measures = CUSTOMERS.measures();
    measures.extend(CROWD.measures());
    measures.extend(load_measures("decisions.cached", "standing credit decisions, 64 connections"));
    measures.push(Measure::new(
        "decisions.token",
        "handler that verifies a token and answers a decision",
        Unit::PerSecond,
    ));
    measures.extend(grouped_measures());
    let against_pgbench = match &pgbench {
        Some(_) => {
            let what = "`pgbench -N`, prepared statements, 64 clients";
            measures.push(Measure::new("decisions.pgbench", what, Unit::PerSecond));
            Row::of("decisions.uncached", "decisions.pgbench").with(Goal::FractionAtLeast(1.0))
        }
        None => Row::without("decisions.uncached", "`pgbench -N`: there is no pgbench beside PostgreSQL"),
    };
    let rows = vec![
        Row::of("decisions.uncached", "decisions.sql").with(Goal::FractionAtLeast(0.5)),
        against_pgbench,
        Row::of("decisions.uncached.256", "decisions.sql"),
        Row::of("decisions.cached", "decisions.token").with(Goal::FractionAtLeast(0.5)),
    ];
    let take = move |bench: &Bench, values: &mut Values| take(bench, pgbench.as_deref(), values);
    Group { name: "credit decisions over PostgreSQL".to_owned(), measures, rows, take: Box::new(take) }
}

fn grouped_measures() -> Vec<Measure> {
    let what = "the rows of decisions by grouped SQL";
    let mut measures = vec![
        Measure::new("decisions.sql", format!("{what}, the best of its groups"), Unit::PerSecond),
        Measure::new("decisions.sql.group", "decisions per group of the best grouped SQL", Unit::Count),
    ];
    measures.extend(SHAPES.map(|shape| {
        let what = format!("{what}, {} at a time, {} connections", shape.batch, shape.writers);
        Measure::new(format!("decisions.sql.{}", shape.batch), what, Unit::PerSecond)
    }));
    measures
}

fn take(bench: &Bench, pgbench: Option<&Path>, values: &mut Values) -> anyhow::Result<()> {
    let population = Population::new(bench.settings.deciders, Timestamp::now());
    let applicants = Arc::new(Applicants::new(population.users())?);
    let again = |address: SocketAddr, number: u64| Decisions::again(&applicants, address, AGAIN, number);
    let Load(connections, _) = CUSTOMERS;
    let (token, made) = bench.between(Answer::Decision, connections, again, || {
        let platform = CUSTOMERS.start(bench, &population, &applicants, values)?;
        let measured = platform.load(bench.plan(connections, bench.settings.short()), again)?;
        anyhow::ensure!(measured.refused == 0, "{} standing decisions were refused", measured.refused);
        note_load(values, "decisions.cached", &measured);
        let made = bench.runtime.block_on(grouped::made(&platform.site.database.url))?;
        platform.finish_decisions()?;
        Ok(made)
    })?;
    values.insert("decisions.token".to_owned(), token);
    CROWD.start(bench, &population, &applicants, values)?.finish_decisions()?;
    bench.runtime.block_on(async {
        take_grouped(bench, &population, &made, values).await?;
        match pgbench {
            Some(program) => take_pgbench(bench, program, values).await,
            None => Ok(()),
        }
    })
}

impl Load {
    fn measures(self) -> Vec<Measure> {
        let Self(connections, name) = self;
        let mut measures = load_measures(name, &format!("first credit decisions, {connections} connections"));
        let more = |suffix: &str, what: &str, unit: Unit| {
            Measure::new(format!("{name}.{suffix}"), format!("{what}, {connections} connections"), unit)
        };
        measures.extend([
            more("group", "decisions per commit of the platform", Unit::Count),
            more("processor", "the platform's processor time per decision", Unit::Microseconds),
        ]);
        measures
    }

    /// Has everybody decided about once by a platform of its own, and leaves it running.
    fn start<'a>(
        self,
        bench: &'a Bench,
        population: &Population,
        applicants: &Arc<Applicants>,
        values: &mut Values,
    ) -> anyhow::Result<Running<'a>> {
        let Self(connections, name) = self;
        let site = bench.runtime.block_on(bench.engines()?.deciders_site(population))?;
        let platform = Running::over(bench, site)?;
        let who = platform.server.pid().to_string();
        let (next, processor) = (Arc::new(AtomicUsize::new(0)), process::cpu_seconds(&who)?);
        let plan = bench.plan(at_once(bench, connections), bench.settings.short());
        let measured = platform.load(plan, |address, _| Decisions::once(applicants, address, &next))?;
        let processor = process::cpu_seconds(&who)? - processor;
        let decided = platform.decided()?;
        anyhow::ensure!(
            (measured.accepted..=measured.accepted + measured.refused).contains(&decided.decisions),
            "{} decisions were answered, {} refused, {} made",
            measured.accepted,
            measured.refused,
            decided.decisions
        );
        note_load(values, name, &measured);
        values.insert(format!("{name}.group"), decided.per_commit);
        values.insert(format!("{name}.processor"), processor * 1e6 / as_f64(decided.decisions.max(1)));
        Ok(platform)
    }
}

/// Where it is only asked whether everything works, a slow machine has to get through with it soon.
fn at_once(bench: &Bench, connections: usize) -> usize {
    match bench.settings.mode {
        Mode::Smoke => connections.min(16),
        Mode::Quick | Mode::Default | Mode::Long => connections,
    }
}

/// Each way of grouping decides about people of its own.
async fn take_grouped(
    bench: &Bench,
    population: &Population,
    made: &[Made],
    values: &mut Values,
) -> anyhow::Result<()> {
    let (engines, users) = (bench.engines()?, population.users());
    let database = engines.deciders(population).await?;
    let share = users.len().div_ceil(SHAPES.len()).max(1);
    let mut best = (0.0, 0);
    for (shape, users) in SHAPES.into_iter().zip(users.chunks(share)) {
        let rate = grouped::decide(&database.url, users, made, shape, bench.settings.limit()).await?;
        values.insert(format!("decisions.sql.{}", shape.batch), rate);
        if rate > best.0 {
            best = (rate, shape.batch);
        }
    }
    values.insert("decisions.sql".to_owned(), best.0);
    values.insert("decisions.sql.group".to_owned(), as_f64(best.1 as u64));
    engines.drop(database).await
}

async fn take_pgbench(bench: &Bench, program: &Path, values: &mut Values) -> anyhow::Result<()> {
    let scale = match bench.settings.mode {
        Mode::Smoke | Mode::Quick => 1,
        Mode::Default | Mode::Long => 10,
    };
    let engines = bench.engines()?;
    let url = engines.kept("pgbench", async |url| pgbench::fill(program, url, scale).await).await?;
    engines.settle().await?;
    let Load(clients, _) = CUSTOMERS;
    let rate = pgbench::rate(program, &url, clients, bench.settings.short()).await?;
    values.insert("decisions.pgbench".to_owned(), rate);
    Ok(())
}
