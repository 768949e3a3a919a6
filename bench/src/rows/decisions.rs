//! Credit decisions: first ones, each about another user, and standing ones that are asked for again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::{Group, Measure, Row, Unit, Values, batch_size, load_measures, note_load};
use crate::args::Answer;
use crate::bench::{Bench, Running};
use crate::data;
use crate::files;
use crate::limits::decisions;
use crate::load::{Applicants, Decisions, as_f64};
use crate::population::Population;

/// Customers who ask at the same time.
const CONNECTIONS: usize = 64;
/// Whose decision is asked for again and again, per connection.
const AGAIN: usize = 4;

pub(super) fn group() -> Group {
    let mut measures = load_measures("decisions.uncached", "first credit decisions, 64 connections");
    measures.extend(load_measures("decisions.cached", "standing credit decisions, 64 connections"));
    measures.extend([
        Measure::new(
            "decisions.token",
            "handler that verifies a token and answers a decision",
            Unit::PerSecond,
        ),
        Measure::new("decisions.sql", "statements of a decision, batches as reached", Unit::PerSecond),
        Measure::new("decisions.look", "one read of an offer", Unit::PerSecond),
        Measure::composed(
            "decisions.composed",
            "composed limit of a first decision",
            &["decisions.token", "decisions.sql"],
        ),
        Measure::composed(
            "decisions.composed-cached",
            "composed limit of a standing decision",
            &["decisions.token", "decisions.look"],
        ),
        Measure::new("decisions.commit", "decisions per commit of the store", Unit::Count),
    ]);
    let rows = vec![
        Row::of("decisions.uncached", "decisions.composed"),
        Row::of("decisions.cached", "decisions.composed-cached"),
        Row::of("decisions.cached", "decisions.token"),
    ];
    Group { name: "credit decisions".to_owned(), measures, rows, take: Box::new(take) }
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let population = population(bench)?;
    let applicants = Arc::new(Applicants::new(population.users())?);
    let again = |address: SocketAddr, number: u64| Decisions::again(&applicants, address, AGAIN, number);
    let mut running = None;
    let (token, commit) = bench.between(Answer::Decision, CONNECTIONS, again, || {
        let platform = running.insert(bench.platform("deciders")?);
        let commit = first(bench, platform, &applicants, values)?;
        let measured = platform.load(bench.plan(CONNECTIONS, bench.settings.short()), again)?;
        anyhow::ensure!(measured.refused == 0, "{} standing decisions were refused", measured.refused);
        note_load(values, "decisions.cached", &measured);
        Ok(commit)
    })?;
    values.insert("decisions.token".to_owned(), token);
    let Some(Running { server, data, .. }) = running else { anyhow::bail!("nothing ran") };
    server.stop()?;
    let time = bench.settings.limit();
    let made = decisions::made(&data.store())?;
    values.insert("decisions.look".to_owned(), decisions::look(&data.store(), time)?);
    let data = bench.data("decide", "deciders")?;
    let sql = decisions::decide(&data.store(), population.users(), &made, commit, time)?;
    values.insert("decisions.sql".to_owned(), sql);
    Ok(())
}

/// Everybody's first decision. Returns how many decisions shared a commit.
fn first(
    bench: &Bench,
    platform: &Running<'_>,
    applicants: &Arc<Applicants>,
    values: &mut Values,
) -> anyhow::Result<usize> {
    let (store, next) = (platform.data.store(), Arc::new(AtomicUsize::new(0)));
    let before = files::commits(&store)?;
    let measured = platform.load(bench.plan(CONNECTIONS, bench.settings.short()), |address, _| {
        Decisions::once(applicants, address, &next)
    })?;
    let commits = files::commits(&store)?.wrapping_sub(before);
    let decided = files::decisions(&store)?;
    anyhow::ensure!(
        decided == measured.accepted && measured.refused == 0,
        "{} decisions were answered, {} refused, {decided} made",
        measured.accepted,
        measured.refused
    );
    note_load(values, "decisions.uncached", &measured);
    let commit = as_f64(decided) / f64::from(commits.max(1));
    values.insert("decisions.commit".to_owned(), commit);
    Ok(batch_size(commit))
}

/// Those about whom decisions are made. Their store is filled once.
fn population(bench: &Bench) -> anyhow::Result<Population> {
    let population = Population::new(bench.settings.deciders, ecs_domain::Timestamp::now());
    let template = bench.template("deciders");
    if !template.exists() {
        bench.runtime.block_on(async {
            data::lay_users(&template, &population).await?;
            data::lay_history(&template, &population).await
        })?;
    }
    Ok(population)
}
