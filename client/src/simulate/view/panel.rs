//! What the panel and the lines say.

use std::time::Duration;

use tokio::time::Instant;

use super::screen::{Line, Paint};
use super::{Heading, Recent};
use crate::simulate::meter::Reading;
use crate::simulate::population::Persona;

/// Cells of the bar at the top.
const BAR: usize = 24;
/// Cells of the bars of the personas.
const SHARE: usize = 18;

/// The whole panel.
pub(super) fn panel(heading: &Heading, recent: &Recent) -> Vec<Line> {
    let Some((now, reading)) = recent.last() else { return Vec::new() };
    let title =
        Line::new().and(Paint::Strong, "ecs simulate").and(Paint::Faint, format!("  {}", heading.what));
    let mut lines = vec![title, progress(*now, reading, recent), Line::new()];
    lines.push(events(reading));
    lines.push(rate(heading, recent));
    lines.push(latency(reading, recent));
    if reading.journeys.iter().any(|count| *count > 0) {
        lines.push(journeys(reading));
    }
    lines.push(Line::new());
    lines.push(Line::new().and(
        Paint::Faint,
        format!("{:18} {:>7} {:>11} {:>13}  share of events", "persona", "users", "emotions", "transactions"),
    ));
    let personas = Persona::ALL.into_iter().zip(heading.users).zip(reading.personas);
    let there = personas.filter(|((_, users), _)| *users > 0);
    lines.extend(there.map(|((persona, users), counts)| persona_line(persona, users, counts, reading.sent)));
    lines
}

/// One line with the same numbers, for a log.
pub(super) fn line(recent: &Recent) -> Line {
    let Some((now, reading)) = recent.last() else { return Line::new() };
    let elapsed = clock(*now - recent.begun);
    if !reading.sending {
        let (users, provisioned) = reading.users;
        return Line::new()
            .and(Paint::Plain, format!("{elapsed}  {provisioned} of {users} users provisioned"));
    }
    let latencies = recent.latencies().percentiles();
    let of = if reading.expected > 0 { format!(" of {}", reading.expected) } else { String::new() };
    Line::new().and(
        Paint::Plain,
        format!(
            "{elapsed}  {}{of} sent, {} accepted, {} refused, {} unanswered; {:.0}/s, {:.0} ms behind, p50 {:.1} ms, p99 \
             {:.1} ms",
            reading.sent,
            reading.accepted,
            reading.refused,
            reading.unanswered,
            recent.rate(),
            recent.behind().as_secs_f64() * 1000.0,
            latencies.p50_ms,
            latencies.p99_ms
        ),
    )
}

/// The bar: of users while they are provisioned, then of events where their number is known.
fn progress(now: Instant, reading: &Reading, recent: &Recent) -> Line {
    let elapsed = clock(now - recent.begun);
    let done = reading.accepted + reading.refused + reading.unanswered;
    let (done, total, what) = match (reading.sending, reading.expected) {
        (false, _) => (reading.users.1, reading.users.0, "users provisioned"),
        (true, 0) => {
            let line = Line::new()
                .and(Paint::Accent, "●")
                .and(Paint::Plain, format!(" {elapsed}, until it is stopped"));
            return line;
        }
        (true, expected) => (done, expected, "events"),
    };
    let part = if total == 0 { 0.0 } else { done as f64 / total as f64 };
    let left = match recent.sending_since {
        Some(since) if done > 0 && done < total => {
            let took = (now - since).as_secs_f64();
            format!(
                ", about {} left",
                clock(Duration::from_secs_f64(took * (total - done) as f64 / done as f64))
            )
        }
        _ => String::new(),
    };
    let full = filled(part, BAR);
    Line::new()
        .and(Paint::Accent, "━".repeat(full))
        .and(Paint::Faint, "━".repeat(BAR - full))
        .and(Paint::Strong, format!(" {:3.0} %", (part * 100.0).floor()))
        .and(Paint::Plain, format!("  {} of {} {what}, {elapsed}{left}", grouped(done), grouped(total)))
}

fn events(reading: &Reading) -> Line {
    let settled = reading.accepted + reading.refused + reading.unanswered;
    let trouble = |count| if count > 0 { Paint::Bad } else { Paint::Plain };
    label("events")
        .and(Paint::Plain, format!("{} sent  ", grouped(reading.sent)))
        .and(Paint::Good, format!("{} accepted  ", grouped(reading.accepted)))
        .and(trouble(reading.refused), format!("{} refused  ", grouped(reading.refused)))
        .and(trouble(reading.unanswered), format!("{} unanswered  ", grouped(reading.unanswered)))
        .and(Paint::Faint, format!("{} in flight", grouped(reading.sent.saturating_sub(settled))))
}

fn rate(heading: &Heading, recent: &Recent) -> Line {
    let wanted = heading.rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{}/s", rounded(rate)));
    let behind = recent.behind();
    let late = if behind > Duration::from_millis(250) { Paint::Bad } else { Paint::Plain };
    label("rate")
        .and(Paint::Strong, format!("{}/s now", rounded(recent.rate())))
        .and(Paint::Plain, format!("  {}/s on average  wanted {wanted}  ", rounded(recent.mean_rate())))
        .and(late, format!("{} ms behind", grouped(u64::try_from(behind.as_millis()).unwrap_or(u64::MAX))))
}

fn latency(reading: &Reading, recent: &Recent) -> Line {
    let latencies = recent.latencies().percentiles();
    let line = label("latency").and(
        Paint::Plain,
        format!(
            "p50 {:.1} ms  p99 {:.1} ms  max {:.1} ms",
            latencies.p50_ms, latencies.p99_ms, latencies.max_ms
        ),
    );
    let failed = reading.failed_attempts;
    let line = if failed > 0 {
        line.and(Paint::Bad, format!("  {} attempts failed", grouped(failed)))
    } else {
        line
    };
    match reading.at {
        Some(at) => {
            line.and(Paint::Faint, format!("  it is {}", jiff::tz::Offset::UTC.to_datetime(at).date()))
        }
        None => line,
    }
}

fn journeys(reading: &Reading) -> Line {
    let [applied, denied, accepted, notified] = reading.journeys;
    label("journeys").and(
        Paint::Plain,
        format!("{applied} applied  {denied} denied  {accepted} accepted an offer  {notified} notified"),
    )
}

fn persona_line(persona: Persona, users: u64, (emotions, transactions): (u64, u64), sent: u64) -> Line {
    let part = if sent == 0 { 0.0 } else { (emotions + transactions) as f64 / sent as f64 };
    Line::new()
        .and(
            Paint::Plain,
            format!(
                "{persona:18} {:>7} {:>11} {:>13}  ",
                grouped(users),
                grouped(emotions),
                grouped(transactions)
            ),
        )
        .and(Paint::Accent, "■".repeat(filled(part, SHARE)))
        .and(Paint::Faint, "·".repeat(SHARE - filled(part, SHARE)))
        .and(Paint::Plain, format!(" {:4.1} %", part * 100.0))
}

fn label(name: &str) -> Line {
    Line::new().and(Paint::Faint, format!("{name:9} "))
}

/// How many of so many cells a part fills.
fn filled(part: f64, cells: usize) -> usize {
    ((part.clamp(0.0, 1.0) * cells as f64).round() as usize).min(cells)
}

/// With commas, as 61,204.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rounded(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 { format!("{rate:.1}") } else { grouped(rate.round() as u64) }
}

/// As 02:05, or 1:02:05.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}
