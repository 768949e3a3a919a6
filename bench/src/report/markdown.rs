//! The report for people, made from the report for machines and from nothing else.

use std::fmt::Write as _;

use super::numbers::{number, percent, range};
use super::{Goal, Measure, Report, Row, Stats, Unit};

/// From this share of a core on the one thread of the generator may be what a row measures.
const BUSY_GENERATOR: f64 = 0.9;

/// What of a load stands in the cells of its row, or is told when it is worth telling.
const TOLD_ELSEWHERE: [&str; 5] = [".p50", ".p99", ".slowest", ".refused", ".generator"];

const ROWS: &str = "| row | measured | p50, p99, slowest | held against | fraction of it | goal | |\n|---|---:|---:|---|---:|---|---|\n";
const LIMITS: &str = "| limit | | measured | times added up |\n|---|---|---:|---|\n";
const READINGS: &str = "| what | measured |\n|---|---:|\n";

/// Writing to a string doesn't fail.
macro_rules! line {
    ($text:expr, $($words:tt)*) => { let _ = writeln!($text, $($words)*); };
}

/// The whole of it: how, rows, limits, what else was read, and what to beware of.
pub(crate) fn render(report: &Report) -> String {
    let mut text = head(report);
    text.push_str(ROWS);
    for row in &report.rows {
        line!(text, "{}", table_row(report, row));
    }
    section(&mut text, "The limits, taken in the same rounds", LIMITS, limits(report), |limit| {
        limit_row(report, limit)
    });
    section(&mut text, "What else was read", READINGS, others(report), |other| {
        format!("| {} | {} |", other.what, readings(report, other))
    });
    let cautions = cautions(report);
    if !cautions.is_empty() {
        line!(text, "\n**Beware**\n");
        for caution in cautions {
            line!(text, "- {caution}");
        }
    }
    text
}

fn head(report: &Report) -> String {
    let (settings, machine) = (&report.settings, &report.machine);
    let mut text = String::new();
    let commit = report.commit.as_deref().unwrap_or("an unknown commit");
    line!(text, "{} UTC, {commit}, on {machine}.", report.at.strftime("%Y-%m-%d %H:%M"));
    line!(text, "{settings}");
    let busy = readings_of(report, ".generator").map(|stats| stats.median);
    let busy = Stats::of(busy)
        .map(|stats| format!(", of which the generator keeps {} busy", range(&stats, Unit::Count)));
    line!(text, "Load generator and server share the {} cores{}.", machine.cores, busy.unwrap_or_default());
    line!(text, "Each cell is the median of the rounds, and in parentheses the extremes.\n");
    text
}

fn section<'a>(
    text: &mut String,
    title: &str,
    header: &str,
    measures: impl Iterator<Item = &'a Measure>,
    cells: impl Fn(&Measure) -> String,
) {
    let lines: Vec<String> = measures.map(cells).collect();
    if !lines.is_empty() {
        line!(text, "\n**{title}**\n\n{header}{}", lines.join("\n"));
    }
}

fn readings(report: &Report, measure: &Measure) -> String {
    report.stats(&measure.name).map(|stats| range(&stats, measure.unit)).unwrap_or_default()
}

fn table_row(report: &Report, row: &Row) -> String {
    let Some(measure) = report.measure(&row.measure) else { return String::new() };
    let fraction = report.fractions(row).map(|stats| {
        let mark = if stats.is_wide() { " †" } else { "" };
        range(&stats, Unit::Count) + mark
    });
    let limit = row.limit.as_ref().and_then(|name| report.measure(name));
    let goal = match row.goal {
        Some(Goal::FractionAtLeast(least)) => format!("≥ {}", number(least)),
        Some(Goal::AtMost(most)) => format!("≤ {}{}", number(most), measure.unit.suffix()),
        None => String::new(),
    };
    let verdict = match report.meets(row) {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "",
    };
    format!(
        "| {} | {} | {} | {} | {} | {goal} | {verdict} |",
        measure.what,
        readings(report, measure),
        latency(report, measure),
        limit.map(|limit| limit.what.as_str()).or(row.missing.as_deref()).unwrap_or_default(),
        fraction.unwrap_or_default(),
    )
}

/// The medians of the rounds' percentiles.
fn latency(report: &Report, measure: &Measure) -> String {
    let reading = |suffix: &str| Some(report.stats(&format!("{}.{suffix}", measure.name))?.median);
    match (reading("p50"), reading("p99"), reading("slowest")) {
        (Some(p50), Some(p99), Some(slowest)) => {
            format!("{}, {}, {} ms", number(p50), number(p99), number(slowest))
        }
        _ => String::new(),
    }
}

/// Parts are called by their names, which are short.
fn limit_row(report: &Report, limit: &Measure) -> String {
    let parts: Vec<String> = limit.composed_of.iter().map(|part| format!("`{part}`")).collect();
    format!("| {} | `{}` | {} | {} |", limit.what, limit.name, readings(report, limit), parts.join(" + "))
}

/// Whatever a row is held against, and the parts of it.
fn limits(report: &Report) -> impl Iterator<Item = &Measure> {
    let named: Vec<&String> = report.rows.iter().filter_map(|row| row.limit.as_ref()).collect();
    let parts: Vec<&String> = named
        .iter()
        .filter_map(|name| report.measure(name))
        .flat_map(|measure| &measure.composed_of)
        .collect();
    report.measures.iter().filter(move |it| named.contains(&&it.name) || parts.contains(&&it.name))
}

/// What is neither a row nor a limit nor in a row's cells.
fn others(report: &Report) -> impl Iterator<Item = &Measure> {
    let limits: Vec<&str> = limits(report).map(|limit| limit.name.as_str()).collect();
    report.measures.iter().filter(move |measure| {
        let name = measure.name.as_str();
        let in_a_cell = TOLD_ELSEWHERE.into_iter().any(|suffix| name.ends_with(suffix));
        let in_a_row = report.rows.iter().any(|row| row.measure == name);
        !in_a_cell && !in_a_row && !limits.contains(&name)
    })
}

fn cautions(report: &Report) -> Vec<String> {
    let mut cautions = Vec::new();
    if report.settings.debug_build {
        cautions.push("A debug build was measured: the numbers mean nothing.".to_owned());
    }
    let stats = || report.rows.iter().filter_map(|row| Some((row, report.judged(row)?)));
    if stats().any(|(_, stats)| stats.is_single()) {
        cautions
            .push("Fewer than three rounds: nothing here says how far a number can be trusted.".to_owned());
    }
    for (row, stats) in stats().filter(|(_, stats)| stats.is_wide()) {
        let what = in_words(report, row);
        cautions.push(format!(
            "† {what}: the range is {} of the median, more than 30 %. Measure it again, longer or alone.",
            percent(stats.spread())
        ));
    }
    for measure in &report.measures {
        let most = report.stats(&measure.name).map_or(0.0, |stats| stats.most);
        if measure.name.ends_with(".generator") && most > BUSY_GENERATOR {
            cautions.push(format!(
                "{} kept {} of a core busy: it may be what was measured.",
                measure.what,
                number(most)
            ));
        }
        if measure.name.ends_with(".refused") && most > 0.0 {
            cautions.push(format!("{}: up to {most:.0} in a round.", measure.what));
        }
    }
    cautions
}

/// All measures whose name ends like this.
fn readings_of<'a>(report: &'a Report, suffix: &'a str) -> impl Iterator<Item = Stats> {
    let measures = report.measures.iter().filter(move |measure| measure.name.ends_with(suffix));
    measures.filter_map(|measure| report.stats(&measure.name))
}

/// A row, told from others of the same measure.
pub(super) fn in_words(report: &Report, row: &Row) -> String {
    let what = |name: &String| report.measure(name).map_or("", |measure| measure.what.as_str());
    match &row.limit {
        Some(limit) => format!("{}, against {}", what(&row.measure), what(limit)),
        None => what(&row.measure).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_limit_that_could_not_be_taken_is_told_in_its_place() {
        let mut report = super::super::tests::example();
        report.rows[0].limit = None;
        report.rows[0].missing = Some("a tool that isn't here".to_owned());
        let text = super::render(&report);
        assert!(text.contains("| a tool that isn't here |  |"), "{text}");
    }

    #[test]
    fn the_markdown_follows_from_the_json() {
        let expect = include_str!("../../tests/golden/report.md");
        let text = super::render(&super::super::tests::example());
        assert!(text == expect, "tests/golden/report.md should read:\n{text}");
    }
}
