//! Summaries in words.

use ecs_client::simulate::Summary;

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
    let journeys = &summary.journeys;
    if journeys.applied > 0 {
        let failed: u64 = journeys.failed.values().sum();
        text.push_str(&format!(
            "\njourneys        {} applied: {} denied, {} accepted an offer, {} had accepted before; {} notified, {} not \
             notified in time, {failed} failed",
            journeys.applied,
            journeys.denied,
            journeys.accepted,
            journeys.accepted_before,
            journeys.notified,
            journeys.not_notified
        ));
    }
    if summary.wrong_ids > 0 {
        text.push_str(&format!("\nWRONG           {} answers named another event", summary.wrong_ids));
    }
    text
}
