//! What is drawn, without a terminal.

use super::panel::{clock, grouped, line, panel};
use super::screen::{Line, Paint, frame};
use super::*;

fn reading() -> Reading {
    Reading {
        users: (500, 500),
        expected: 90_112,
        sending: true,
        sent: 61_204,
        accepted: 60_950,
        refused: 3,
        unanswered: 0,
        failed_attempts: 7,
        behind: Duration::from_millis(12),
        at: Some("2026-11-03T10:00:00Z".parse().unwrap()),
        personas: [(30_000, 8_000), (14_000, 3_000), (2_000, 2_000), (1_500, 300), (200, 204)],
        journeys: [12, 3, 9, 8],
    }
}

fn recent(reading: Reading) -> Recent {
    let begun = Instant::now();
    let mut recent = Recent::new(begun);
    let before = Reading { accepted: reading.accepted.saturating_sub(10_000), ..reading.clone() };
    recent.add(begun, before, Latencies::new());
    let mut latencies = Latencies::new();
    (1..=100).for_each(|ms| latencies.record(Duration::from_millis(ms)));
    recent.add(begun + Duration::from_secs(10), reading, latencies);
    recent
}

fn heading(rate: Option<f64>) -> Heading {
    Heading { what: "500 users".to_owned(), rate, users: [225, 125, 60, 75, 15] }
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text(100, false)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_panel_tells_all_that_matters() {
    let panel = text(&panel(&heading(Some(1_200.0)), &recent(reading())));
    for part in [
        "ecs simulate  500 users",
        " 67 %  60,953 of 90,112 events, 00:10, about 00:04 left",
        "61,204 sent  60,950 accepted  3 refused  0 unanswered  251 in flight",
        "1,000/s now  6,095/s on average  wanted 1,200/s  12 ms behind",
        "p99 ",
        "7 attempts failed  it is 2026-11-03",
        "12 applied  3 denied  9 accepted an offer  8 notified",
        "steady-earner          225      30,000         8,000  ■■■■■■■■■■■······· 62.1 %",
        "fraudster               15         200           204",
    ] {
        assert!(panel.contains(part), "{part:?} is missing in\n{panel}");
    }
}

#[test]
fn the_panel_before_events_and_without_an_end() {
    let provisioning = Reading { users: (500, 120), ..Reading::default() };
    let before = text(&panel(&heading(None), &recent(provisioning)));
    assert!(before.contains(" 24 %  120 of 500 users provisioned, 00:10"), "{before}");
    assert!(before.contains("wanted no limit") && !before.contains("journeys"), "{before}");
    let endless = text(&panel(&heading(None), &recent(Reading { expected: 0, ..reading() })));
    assert!(endless.contains("00:10, until it is stopped"), "{endless}");
    assert!(super::panel::panel(&heading(None), &Recent::new(Instant::now())).is_empty());
}

#[test]
fn rates_and_latencies_are_those_of_the_last_ten_seconds() {
    let begun = Instant::now();
    let mut recent = Recent::new(begun);
    for second in 0..60_u64 {
        // A hundred a second at first, ten in the last half of the minute.
        let accepted = if second < 30 { 100 * second } else { 3_000 + 10 * (second - 30) };
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(if second < 30 { 500 } else { 5 }));
        let reading = Reading { sending: true, accepted, ..Reading::default() };
        recent.add(begun + Duration::from_secs(second), reading, latencies);
    }
    assert!((recent.rate() - 10.0).abs() < 1e-9, "{}", recent.rate());
    assert!((recent.mean_rate() - 3_290.0 / 59.0).abs() < 1e-9, "{}", recent.mean_rate());
    assert!(recent.latencies().percentiles().max_ms < 10.0);
}

#[test]
fn a_line_tells_the_same() {
    let line = line(&recent(reading())).text(usize::MAX, false);
    assert!(
        line.starts_with("00:10  61204 of 90112 sent, 60950 accepted, 3 refused, 0 unanswered; 1000/s"),
        "{line}"
    );
}

#[test]
fn a_frame_takes_the_place_of_the_one_before_and_never_wraps() {
    let lines = [
        Line::new().and(Paint::Good, "12345").and(Paint::Plain, "6789"),
        Line::new().and(Paint::Plain, "é".repeat(20)),
    ];
    assert_eq!(frame(0, &lines, 7, false), "1234567\x1b[K\nééééééé\x1b[K\n\x1b[J");
    assert_eq!(frame(2, &lines[..1], 5, true), "\r\x1b[2A\x1b[32m12345\x1b[0m\x1b[K\n\x1b[J");
    assert_eq!(frame(2, &[], 0, false), "\r\x1b[2A\x1b[J");
}

#[test]
fn numbers_are_written_for_people() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(
        [5, 65, 3_725].map(|seconds| clock(Duration::from_secs(seconds))),
        ["00:05", "01:05", "1:02:05"]
    );
}
