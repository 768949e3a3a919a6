//! What `ecs dead-letters` prints for people: nothing wider than 100 columns, and nothing that a terminal would obey.

use std::fmt::Write as _;

use ecs_client::dead_letters::{
    DeadLetter, DeadLetterCount, DeadLetterPage, DeadLettersDone, FullDeadLetter,
};
use ecs_domain::Timestamp;
use ecs_work::dead_letters::Action;

const WIDTH: usize = 100;
/// Where the lines below a letter's first begin.
const INDENT: &str = "        ";

pub(super) fn page(page: &DeadLetterPage) -> String {
    if page.items.is_empty() {
        return "there are no such dead letters".to_owned();
    }
    let head = row("ID", "GIVEN UP", "STATE", "KIND", "SUBJECT", "ATTEMPTS");
    let mut text = page.items.iter().fold(head, |text, letter| text + "\n" + &in_list(letter));
    if let Some(next) = page.next {
        text += &format!("\nthere are more: --before {next}");
    }
    text
}

fn in_list(letter: &DeadLetter) -> String {
    let DeadLetter { id, subject, event_id, user_id, kind, reason, given_up_at, attempts, state, .. } =
        letter;
    let (id, attempts) = (id.to_string(), attempts.to_string());
    let mut text = row(&id, &moment(*given_up_at), state, kind, subject, &attempts);
    text += &format!("\n{INDENT}user {user_id}  event {event_id}");
    text + &paragraph(reason)
}

fn row(id: &str, given_up: &str, state: &str, kind: &str, subject: &str, attempts: &str) -> String {
    format!("{id:>6}  {given_up:20}  {state:8}  {kind:12}  {:24}  {attempts:>8}", printable(subject))
}

pub(super) fn counts(counts: &[DeadLetterCount]) -> String {
    if counts.is_empty() {
        return "there are no dead letters".to_owned();
    }
    let line = |count: &str, state: &str, kind: &str, subject: &str, group: &str| {
        format!("{count:>8}  {state:8}  {kind:12}  {:24}  {}", printable(subject), printable(group))
            .trim_end()
            .to_owned()
    };
    counts.iter().fold(line("COUNT", "STATE", "KIND", "SUBJECT", "GROUP"), |text, sort| {
        let DeadLetterCount { subject, group, kind, state, count } = sort;
        text + "\n" + &line(&count.to_string(), state, kind, subject, group)
    })
}

pub(super) fn letter(full: &FullDeadLetter) -> String {
    let FullDeadLetter { letter, history, schema_version, request_id, traceparent, payload_bytes, .. } = full;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing into a text can't fail.
        let _ = writeln!(text, "{name:<15} {}", printable(value));
    };
    line("dead letter", &letter.id.to_string());
    let since = letter.state_changed_at.map(|at| format!(" since {}", moment(at))).unwrap_or_default();
    line("state", &format!("{}{since}, replayed {} times", letter.state, letter.replays));
    line("kind", &letter.kind);
    line("given up", &format!("{} by {}", moment(letter.given_up_at), letter.group));
    line("subject", &format!("{} (schema version {schema_version})", letter.subject));
    line("event", &letter.event_id.to_string());
    line("user", &letter.user_id.to_string());
    line("request", request_id.as_deref().unwrap_or("not known"));
    line("trace", traceparent.as_deref().unwrap_or("not known"));
    line("payload", &payload_bytes.map_or_else(|| gone(&letter.state), |bytes| format!("{bytes} bytes")));
    text += "reason";
    text += &paragraph(&letter.reason);
    text += "\nhistory";
    for attempt in history {
        text += &format!("\n{INDENT}{}", moment(attempt.at));
        text += &paragraph(&attempt.reason);
    }
    if let Some(shown) = full.payload.as_ref().or(full.payload_hex.as_ref()) {
        text += &format!("\npayload\n{}", printable(shown));
    }
    text
}

fn gone(state: &str) -> String {
    if state == "replayed" { "went out with the replay" } else { "forgotten when it was dropped" }.to_owned()
}

pub(super) fn done(action: Action, done: &DeadLettersDone) -> String {
    let what = match action {
        Action::Replay => "replayed",
        Action::Drop => "dropped",
    };
    let mut text = format!("{what:15} {}", numbers(&done.done));
    if !done.skipped.is_empty() {
        text += &format!("\nskipped         {}: not there, or not waiting", numbers(&done.skipped));
    }
    text
}

/// How many, and which: the first of them, if there are many.
fn numbers(ids: &[i64]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = ids.iter().take(SHOWN).map(ToString::to_string).collect();
    match ids.len() {
        0 => "none".to_owned(),
        count if count > SHOWN => {
            format!("{count} ({} and {} more)", shown.join(", "), count - SHOWN)
        }
        count => format!("{count} ({})", shown.join(", ")),
    }
}

/// To the second: who needs more asks for JSON.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The text as indented lines that fit, each behind a line break.
fn paragraph(text: &str) -> String {
    let mut lines = String::new();
    let mut room = 0;
    for word in printable(text).split_whitespace() {
        let length = word.chars().count() + 1;
        if length > room {
            lines += "\n";
            lines += INDENT;
            room = WIDTH - INDENT.len();
        } else {
            lines += " ";
        }
        lines += word;
        room = room.saturating_sub(length);
    }
    lines
}

/// The text without what a terminal would take for a command: payloads are whatever somebody sent.
fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> DeadLetter {
        DeadLetter {
            id: 123_456,
            subject: "credit.offers.approved".to_owned(),
            group: "credit-application".to_owned(),
            event_id: ecs_domain::EventId::new(uuid::Uuid::nil()),
            user_id: ecs_domain::UserId::new(uuid::Uuid::nil()),
            kind: "unknown-user".to_owned(),
            reason: ecs_work::decoded::UNKNOWN_USER.repeat(3),
            given_up_at: "2026-11-20T14:30:00.25Z".parse().unwrap(),
            attempts: 100,
            state: "replayed".to_owned(),
            state_changed_at: None,
            replays: 0,
        }
    }

    #[test]
    fn a_list_fits_a_hundred_columns_and_obeys_nobody() {
        let evil = DeadLetter { reason: "red \u{1b}[31m".to_owned(), ..letter() };
        let text = page(&DeadLetterPage { items: vec![letter(), evil], next: Some(7) });
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains("2026-11-20T14:30:00Z") && text.contains("--before 7"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(&letter().reason), "no word of the reason is lost: {text}");
    }

    #[test]
    fn numbers_are_listed_as_long_as_they_are_few() {
        let check = |ids: std::ops::Range<i64>, expect: &str| {
            assert_eq!(numbers(&ids.collect::<Vec<_>>()), expect);
        };
        check(0..0, "none");
        check(5..7, "2 (5, 6)");
        check(0..12, "12 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more)");
    }
}
