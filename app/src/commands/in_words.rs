//! Summaries in words.

use ecs_client::import::Report;
use ecs_client::simulate::{JourneySummary, PersonaSummary, Summary};

/// Refused rows that are printed unless all are asked for.
const REFUSALS: usize = 10;

/// How an import went: counts and totals that can be held against the file, and the rows that were refused.
pub(super) fn import(report: &Report, all_refusals: bool) -> String {
    let date = |day: Option<ecs_domain::Day>| day.map_or_else(|| "never".to_owned(), |day| day.to_string());
    let mut text = format!(
        "rows            {} read = {} accepted + {} refused{}\n\
         customers       {} ({} new)\n\
         amount          {} accepted, quantity {}, from {} to {}\n\
         time            {:.1} s",
        report.rows,
        report.accepted,
        report.refused.len(),
        if report.accepted_before > 0 {
            format!(" ({} of them by an earlier run)", report.accepted_before)
        } else {
            String::new()
        },
        report.customers,
        report.new_customers,
        report.amount,
        report.quantity,
        date(report.first_date),
        date(report.last_date),
        report.seconds
    );
    let shown = if all_refusals { report.refused.len() } else { REFUSALS };
    for row in report.refused.iter().take(shown) {
        text.push_str(&format!("\nrefused         line {}: {}", row.line, row.reason));
    }
    if report.refused.len() > shown {
        text.push_str(&format!(
            "\nrefused         and {} more; --all-refusals prints them",
            report.refused.len() - shown
        ));
    }
    if let Some(reason) = &report.interrupted {
        text.push_str(&format!("\nINTERRUPTED     {reason}; run it again to go on"));
    }
    text
}

/// How a simulation went, in a few lines.
pub(super) fn simulation(summary: &Summary) -> String {
    let Summary { sent, emotions, accepted, unanswered, seconds, rate, behind_ms, .. } = summary;
    let refused: u64 = summary.refused.values().sum();
    let mut text = format!(
        "sent            {sent} events ({emotions} emotions, {} transactions) in {seconds:.1} s\n\
         answered        {accepted} accepted, {refused} refused, {unanswered} without an answer\n\
         rate            {rate:.1} accepted events/s, at worst {behind_ms:.1} ms behind schedule",
        sent - emotions
    );
    if summary.uploads > 0 {
        text.push_str(&format!("\nuploads         {} of NDJSON", summary.uploads));
    }
    for (status, count) in &summary.refused {
        text.push_str(&format!("\nrefused         {count} with status {status}"));
    }
    for (label, count) in &summary.failed_attempts {
        text.push_str(&format!("\ntried again     {count} attempts: {label}"));
    }
    if let Some(latency) = &summary.latency {
        text.push_str(&format!(
            "\nlatency         p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms
        ));
    }
    if summary.journeys.applied > 0 || !summary.journeys.failed.is_empty() {
        text.push_str(&journeys(&summary.journeys));
    }
    for (persona, of) in &summary.personas {
        text.push_str(&format!("\n{persona:17} {}", in_persona(of)));
    }
    if summary.wrong_ids > 0 {
        text.push_str(&format!("\nWRONG           {} answers named another event", summary.wrong_ids));
    }
    text
}

fn journeys(journeys: &JourneySummary) -> String {
    let failed: u64 = journeys.failed.values().sum();
    format!(
        "\njourneys        {} applied: {} denied, {} accepted an offer, {} had accepted before; {} notified, {} not \
         notified in time, {failed} failed",
        journeys.applied,
        journeys.denied,
        journeys.accepted,
        journeys.accepted_before,
        journeys.notified,
        journeys.not_notified
    )
}

fn in_persona(of: &PersonaSummary) -> String {
    let PersonaSummary { users, emotions, transactions, accepted, applied, denied } = of;
    let credit = if *applied > 0 { format!("; {applied} applied, {denied} denied") } else { String::new() };
    format!("{users} users: {emotions} emotions, {transactions} transactions, {accepted} accepted{credit}")
}
