//! The table: each row against the limit that it is held to, with its goal.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ecs_domain::Timestamp;
use serde::Serialize;

use crate::args::Scale;
use crate::process;
use crate::round::{CONNECTIONS, Round};
use crate::run::Idle;
use crate::sample::Sample;

/// A run, ready to be written down.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    at: Timestamp,
    machine: String,
    how: String,
    rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    unit: &'static str,
    value: Sample,
    /// The name of the limit, and the row as a fraction of it, round by round.
    against: Option<(&'static str, Sample)>,
    goal: Option<Goal>,
}

/// What a row should reach.
#[derive(Debug, Serialize)]
struct Goal {
    text: &'static str,
    met: bool,
}

/// Makes rows out of rounds.
struct Table<'a> {
    rounds: &'a [Round],
    rows: Vec<Row>,
}

type Pick = fn(&Round) -> f64;

impl Table<'_> {
    fn sample(&self, pick: impl Fn(&Round) -> f64) -> anyhow::Result<Sample> {
        Sample::of(self.rounds.iter().map(pick)).context("no rounds")
    }

    /// A row without a limit.
    fn plain(&mut self, what: &'static str, unit: &'static str, pick: Pick) -> anyhow::Result<&mut Row> {
        let value = self.sample(pick)?;
        self.push(Row { what, unit, value, against: None, goal: None })
    }

    /// A rate as a fraction of a limit.
    fn against(
        &mut self,
        what: &'static str,
        pick: Pick,
        limit: &'static str,
        of: Pick,
    ) -> anyhow::Result<&mut Row> {
        let value = self.sample(pick)?;
        let fraction = self.sample(|round| pick(round) / of(round))?;
        self.push(Row { what, unit: "/s", value, against: Some((limit, fraction)), goal: None })
    }

    fn push(&mut self, row: Row) -> anyhow::Result<&mut Row> {
        self.rows.push(row);
        self.rows.last_mut().context("a row was just pushed")
    }
}

impl Row {
    fn at_least(&mut self, text: &'static str, fraction: f64) {
        let met = self.against.as_ref().is_some_and(|(_, reached)| reached.median >= fraction);
        self.goal = Some(Goal { text, met });
    }

    fn at_most(&mut self, text: &'static str, most: f64) {
        self.goal = Some(Goal { text, met: self.value.median <= most });
    }
}

impl Report {
    pub(crate) fn of(scale: Scale, idle: &Idle, rounds: &[Round]) -> anyhow::Result<Self> {
        let mut table = Table { rounds, rows: Vec::new() };
        limits(&mut table)?;
        goals(&mut table)?;
        table.idle(idle)?;
        others(&mut table)?;
        Ok(Self {
            at: Timestamp::now(),
            machine: process::machine(),
            how: format!(
                "{} rounds of {} s steady load over {CONNECTIONS} connections, {} users; medians (least – most)",
                scale.rounds,
                scale.steady.as_secs(),
                scale.users,
            ),
            rows: table.rows,
        })
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n{}, {}\n\n", self.machine, self.how, self.at.strftime("%Y-%m-%d"));
        text.push_str(
            "| what | measured | as a fraction of | fraction | goal | |\n|---|---:|---|---:|---|---|\n",
        );
        for row in &self.rows {
            let (limit, fraction) = match &row.against {
                Some((limit, fraction)) => (*limit, show(fraction, "")),
                None => ("", String::new()),
            };
            let goal = row.goal.as_ref().map_or("", |goal| goal.text);
            let verdict = row.goal.as_ref().map_or("", |goal| if goal.met { "met" } else { "**missed**" });
            let value = show(&row.value, row.unit);
            // Writing to a string doesn't fail.
            let _ = writeln!(text, "| {} | {value} | {limit} | {fraction} | {goal} | {verdict} |", row.what);
        }
        text
    }
}

fn limits(table: &mut Table<'_>) -> anyhow::Result<()> {
    table.plain("bare handler, 202", "/s", |round| round.bare)?;
    table.plain("load generator on it", " cores", |round| round.generator_cores)?;
    let bare: Pick = |round| round.bare;
    table.against("parse-only handler", |round| round.limits.parse, "bare handler", bare)?;
    table.plain("raw append to the bus, batches as reached", "/s", |round| round.limits.append)?;
    table.plain("the same in batches of 256", "/s", |round| round.limits.append_full)?;
    table.plain("raw append of single events", "/s", |round| round.fsync_per_second)?;
    table.plain("raw consume of the bus", "/s", |round| round.limits.consume)?;
    table.plain("raw batch SQL of the fold, batches as reached", "/s", |round| round.limits.fold)?;
    table.plain("the same in batches of 20,000", "/s", |round| round.limits.fold_full)?;
    table.plain("composed limit", "/s", |round| round.limits.composed())?;
    table.plain("composed limit, were all batches full", "/s", |round| round.limits.composed_full())?;
    Ok(())
}

fn goals(table: &mut Table<'_>) -> anyhow::Result<()> {
    let rate: Pick = |round| round.emotions.rate;
    let durable = "durable emotion POST through the gateway";
    table.against(durable, rate, "composed limit", |round| round.limits.composed())?.at_least("≥ 0.80", 0.80);
    table.against(durable, rate, "composed, full batches", |round| round.limits.composed_full())?;
    table.against(durable, rate, "parse-only handler", |round| round.limits.parse)?;
    table.plain("its backlog, empty after", " s", |round| round.emotions.backlog)?.at_most("≤ 5 s", 5.0);
    let fold: Pick = |round| round.limits.fold_full;
    table
        .against("bus → summary", |round| round.drain, "raw batch SQL of 20,000", fold)?
        .at_least("≥ 0.70", 0.70);
    Ok(())
}

impl Table<'_> {
    fn idle(&mut self, idle: &Idle) -> anyhow::Result<()> {
        let start = Sample::of(idle.starts.iter().copied()).context("no starts")?;
        let memory = Sample::of([idle.memory.resident]).context("no memory")?;
        let row = |what, unit, value| Row { what, unit, value, against: None, goal: None };
        self.push(row("start to ready", " s", start))?.at_most("≤ 1 s", 1.0);
        self.push(row("idle memory", " MiB", memory))?.at_most("≤ 60 MB", 60e6 / 1024.0 / 1024.0);
        Ok(())
    }
}

fn others(table: &mut Table<'_>) -> anyhow::Result<()> {
    table.plain("durable POST, p50", " ms", |round| round.emotions.latencies.p50_ms)?;
    table.plain("durable POST, p99", " ms", |round| round.emotions.latencies.p99_ms)?;
    table.plain("durable POST, slowest", " ms", |round| round.emotions.latencies.max_ms)?;
    table.plain("durable POST, refused", "", |round| crate::load::as_f64(round.emotions.refused))?;
    table.plain("processor time per event, to the summary", " µs", |round| round.emotions.cpu_micros)?;
    table.plain("events per commit of the bus", "", |round| round.emotions.append_batch)?;
    table.plain("events per fold", "", |round| round.emotions.fold_batch)?;
    table.plain("memory after the load", " MiB", |round| round.emotions.memory.resident)?;
    table.plain("memory at its peak", " MiB", |round| round.emotions.memory.peak)?;
    let parse: Pick = |round| round.limits.parse;
    table.against(
        "durable transaction POST, JWT",
        |round| round.transactions,
        "parse-only handler",
        parse,
    )?;
    let append: Pick = |round| round.limits.append_full;
    table.against(
        "durable emotions as NDJSON, 4 uploads",
        |round| round.lines,
        "raw append of 256",
        append,
    )?;
    Ok(())
}

/// `median (least – most)`, with as many digits as mean something.
fn show(sample: &Sample, unit: &str) -> String {
    let Sample { median, least, most } = *sample;
    if least.total_cmp(&most).is_eq() {
        return format!("{}{unit}", number(median));
    }
    format!("{}{unit} ({} – {})", number(median), number(least), number(most))
}

fn number(value: f64) -> String {
    match value.abs() {
        1000.0.. => thousands(&format!("{value:.0}")),
        10.0.. => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Where reports, logs and data go: `bench` beside the folder of this binary, on a disk rather than in memory.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary.parent().and_then(Path::parent).context("the binary has no folder")?;
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Prints the result.
pub(crate) fn say(text: &str) {
    // A reader that went away is no failure.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Tells how far it is.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says why it ended.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "bench: {text}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_written_for_people() {
        let check = |value: f64, expect: &str| assert_eq!(super::number(value), expect);
        check(0.8049, "0.80");
        check(17.5, "18");
        check(999.0, "999");
        check(1000.0, "1,000");
        check(1_234_567.8, "1,234,568");
    }
}
