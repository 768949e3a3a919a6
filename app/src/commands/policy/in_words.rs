//! A backtest's report as a terminal shows it.

use std::fmt::Write as _;

use ecs_domain::backtest::{Answers, Cause, GroupReport, Limits, Report, Share, Suppressed};
use ecs_domain::{Money, Rate};

use super::backtest::Flips;

/// The report, and the decisions that somebody wanted named.
pub(super) fn report(report: &Report, flips: &Flips) -> String {
    let mut text = heading(report);
    sides(&mut text, report);
    changes(&mut text, report);
    bands(&mut text, report);
    groups(&mut text, report);
    for (what, named) in [("approved by the draft", &flips.gained), ("denied by the draft", &flips.lost)] {
        for decision in named {
            let _ = write!(text, "\ndecision {decision}: would be {what}");
        }
    }
    let _ = write!(
        text,
        "\n\nOnly what was recorded is asked again: what people would have owed after other offers, and whether whoever was denied\n\
         would have paid, nobody knows. An expected loss means something only where scores are calibrated."
    );
    text
}

fn heading(report: &Report) -> String {
    let mut text = format!("{}, asked of {} decisions", report.policy, report.looked_at());
    for (why, count) in &report.skipped {
        let _ = write!(text, ", {count} skipped ({})", why.as_str());
    }
    text
}

fn sides(text: &mut String, report: &Report) {
    let _ = write!(text, "\n\n{:<28}{:>24}{:>24}", "", "recorded", "draft");
    let mut row = |name: &str, tell: &dyn Fn(&Answers) -> String| {
        let _ = write!(text, "\n{name:<28}{:>24}{:>24}", tell(&report.recorded), tell(&report.drafted));
    };
    row("approved", &|side| side.approved.count.to_string());
    row("approval rate", &|side| percent(side.approved));
    row("  95 % interval", &|side| interval(side.approved));
    row("limits, sum", &|side| limits(side, |limits| limits.sum.digits()));
    row("limits, mean", &|side| limits(side, |limits| limits.mean.digits()));
    for place in 0..5 {
        let percent = [10, 25, 50, 75, 90].get(place).copied().unwrap_or(0);
        let at = |limits: &Limits| limits.quantiles.get(place).map_or_else(String::new, |it| it.1.digits());
        row(&format!("limits, {percent} % have at most"), &|side| limits(side, at));
    }
    row("rate, mean", &|side| side.mean_rate.map_or_else(nothing, Rate::digits));
    let loss = format!("expected loss at {}", report.loss_given_default);
    row(&loss, &|side| side.expected_loss.digits());
}

fn changes(text: &mut String, report: &Report) {
    let flips = [
        ("denied then, approved by the draft", &report.gained),
        ("approved then, denied by the draft", &report.lost),
    ];
    for (what, flips) in flips {
        let _ = write!(text, "\n\n{what}: {}", flips.count);
        causes(text, &flips.causes);
    }
    let both = &report.both;
    let (raised, lowered, same) = (both.raised, both.lowered, both.same);
    let _ = write!(text, "\n\napproved by both: {}", raised + lowered + same);
    let change = both.mean_change.map_or_else(nothing, Money::digits);
    let _ = write!(
        text,
        "\n  limit raised for {raised}, lowered for {lowered}, the same for {same}; {} in all, {change} each",
        both.change.digits()
    );
    let _ = write!(text, "\n\nwhy the draft denies");
    causes(text, &report.denied_by);
}

fn causes(text: &mut String, causes: &[(Cause, u64)]) {
    for (cause, count) in causes {
        let reason = cause.reason.unwrap_or("no reason was kept");
        let _ = write!(text, "\n  {count:>10}  {}: {reason}", cause.rule.as_str());
    }
}

fn bands(text: &mut String, report: &Report) {
    let _ = write!(
        text,
        "\n\n{:<28}{:>12}{:>18}{:>18}",
        "by the draft's bands", "decisions", "recorded", "draft"
    );
    for band in &report.bands {
        let name =
            band.max_risk.map_or_else(|| "above the cut-off".to_owned(), |risk| format!("risk up to {risk}"));
        line(text, &name, band.recorded, band.drafted);
    }
}

fn groups(text: &mut String, report: &Report) {
    let Some(groups) = &report.groups else {
        let _ = write!(text, "\n\nby groups of people: not told over HTTP; a stopped platform's data tells");
        return;
    };
    group(text, "by age", &groups.ages, groups.ages_suppressed);
    group(text, "by region", &groups.regions, groups.regions_suppressed);
}

fn group(text: &mut String, what: &str, groups: &[GroupReport], suppressed: Suppressed) {
    let _ = write!(text, "\n\n{what:<28}{:>12}{:>18}{:>18}", "decisions", "recorded", "draft");
    for it in groups {
        line(text, it.group.name(), it.recorded, it.drafted);
    }
    let Suppressed { groups, decisions } = suppressed;
    if groups > 0 {
        let _ =
            write!(text, "\n  {decisions} decisions about {groups} groups of too few people are not told");
    }
}

fn line(text: &mut String, name: &str, recorded: Share, drafted: Share) {
    let (of, recorded, drafted) = (recorded.of, percent(recorded), percent(drafted));
    let _ = write!(text, "\n  {name:<26}{of:>12}{recorded:>18}{drafted:>18}");
}

fn limits(side: &Answers, tell: impl Fn(&Limits) -> String) -> String {
    side.limits.as_ref().map_or_else(nothing, tell)
}

fn percent(share: Share) -> String {
    share.fraction().map_or_else(nothing, |share| format!("{:.1} %", share * 100.0))
}

fn interval(share: Share) -> String {
    let told = |(low, high): (f64, f64)| format!("{:.1} to {:.1} %", low * 100.0, high * 100.0);
    share.interval().map_or_else(nothing, told)
}

fn nothing() -> String {
    "–".to_owned()
}
