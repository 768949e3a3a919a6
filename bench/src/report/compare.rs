//! Two runs side by side: which rows moved further than their rounds differ.

use std::fmt::Write as _;

use super::markdown::in_words;
use super::numbers::range;
use super::{Report, Row, Stats, Unit};

const HEADER: &str = "| row | before | after | change | |\n|---|---:|---:|---:|---|\n";

/// Rows that both runs have, with a verdict where all rounds of the one lie on the same side of all rounds of the other.
/// Rows are compared by their fraction of their limit: that carries from one hour, and with care from one machine, to
/// the next.
pub(crate) fn render(old: &Report, new: &Report) -> String {
    let mut text = String::new();
    for difference in differences(old, new) {
        let _ = writeln!(text, "{difference}\n");
    }
    text.push_str(HEADER);
    for row in &new.rows {
        let twin = old.rows.iter().find(|it| it.measure == row.measure && it.limit == row.limit);
        let _ = match twin.and_then(|twin| old.judged(twin)).zip(new.judged(row)) {
            Some((before, after)) => writeln!(text, "{}", compared(new, row, before, after)),
            None => writeln!(text, "| {} | | | | only in the second |", in_words(new, row)),
        };
    }
    text
}

fn differences(old: &Report, new: &Report) -> Vec<&'static str> {
    let mut found = Vec::new();
    if old.machine != new.machine {
        found.push("The machines differ: fractions may be compared with care, readings may not.");
    }
    if old.settings != new.settings {
        found.push("The settings differ, and with them what was measured.");
    }
    found
}

fn compared(report: &Report, row: &Row, before: Stats, after: Stats) -> String {
    let unit = report.measure(&row.measure).map_or(Unit::Count, |measure| measure.unit);
    let shown = if row.limit.is_some() { Unit::Count } else { unit };
    let change = (after.median / before.median - 1.0) * 100.0;
    let change = if change.is_finite() { format!("{change:+.0} %") } else { String::new() };
    format!(
        "| {} | {} | {} | {change} | {} |",
        in_words(report, row),
        range(&before, shown),
        range(&after, shown),
        verdict(&before, &after, unit.more_is_better()),
    )
}

fn verdict(before: &Stats, after: &Stats, more_is_better: bool) -> &'static str {
    if before.is_single() || after.is_single() {
        return "too few rounds to tell";
    }
    match (after.is_apart_from(before), (after.median > before.median) == more_is_better) {
        (false, _) => "within the spread",
        (true, true) => "better",
        (true, false) => "**worse**",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    #[test]
    fn a_verdict_needs_ranges_that_are_apart() {
        let check = |before: &[f64], after: &[f64], more_is_better: bool, expect: &str| {
            let stats = |values: &[f64]| Stats::of(values.iter().copied()).unwrap();
            assert_eq!(
                verdict(&stats(before), &stats(after), more_is_better),
                expect,
                "{before:?} {after:?}"
            );
        };
        check(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], true, "better");
        check(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], false, "**worse**");
        check(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0], true, "**worse**");
        check(&[1.0, 2.0, 4.0], &[4.0, 5.0, 6.0], true, "within the spread");
        check(&[1.0], &[4.0, 5.0, 6.0], true, "too few rounds to tell");
    }

    #[test]
    fn rows_are_compared_with_their_twins() {
        let (old, mut new) = (example(), example());
        let same = render(&old, &new);
        assert_eq!(same.matches("within the spread").count(), new.rows.len(), "{same}");
        new.measures[0].samples.iter_mut().for_each(|sample| *sample *= 3.0);
        new.machine.cores += 1;
        let other = render(&old, &new);
        assert!(other.contains("better") && other.contains("The machines differ"), "{other}");
        new.rows[0].limit = None;
        assert!(render(&old, &new).contains("only in the second"));
    }
}
