//! How far a bridge is, in words.

use std::collections::HashMap;

use ecs_work::bridge::SubjectProgress;
use tokio::time::Instant;

/// Refused events that are printed; `--json` has more.
const REFUSALS: usize = 20;

/// Tells rates: what was copied since it told last.
pub(super) struct Rates {
    at: Instant,
    copied: HashMap<&'static str, u64>,
}

impl Rates {
    pub(super) fn begin() -> Self {
        Self { at: Instant::now(), copied: HashMap::new() }
    }

    /// A line for each subject.
    pub(super) fn tell(&mut self, subjects: &[SubjectProgress]) -> String {
        let seconds = self.at.elapsed().as_secs_f64().max(0.001);
        self.at = Instant::now();
        let lines: Vec<String> = subjects.iter().map(|of| self.line(of, seconds)).collect();
        lines.join("\n")
    }

    fn line(&mut self, of: &SubjectProgress, seconds: f64) -> String {
        let before = self.copied.insert(of.subject, of.copied).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "for the eye")]
        let rate = of.copied.saturating_sub(before) as f64 / seconds;
        let mut line = format!("{:24} {} copied, {rate:.0}/s, {} left", of.subject, of.copied, of.left);
        if of.erased > 0 {
            line += &format!(", {} left out of people who were erased", of.erased);
        }
        if of.refused > 0 {
            line += &format!(", {} refused", of.refused);
        }
        if let Some(trouble) = &of.trouble {
            line += &format!("; waits: {trouble}");
        }
        line
    }
}

/// What was copied, and what wasn't.
pub(super) fn report(subjects: &[SubjectProgress]) -> String {
    let mut lines = Vec::new();
    for of in subjects {
        let mut line = format!("{:24} {} copied", of.subject, of.copied);
        if !of.caught_up {
            line += ", stopped before the end; run it again to go on";
        }
        lines.push(line);
        for refusal in of.refusals.iter().take(REFUSALS) {
            lines.push(format!("REFUSED                  event {}: {}", refusal.event_id, refusal.reason));
        }
        let more = of.refused.saturating_sub(REFUSALS as u64);
        if more > 0 {
            lines.push(format!("REFUSED                  and {more} more"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use ecs_work::bridge::Refusal;

    use super::*;

    fn of(copied: u64, left: u64) -> SubjectProgress {
        SubjectProgress {
            subject: "user.notifications",
            at_start: Some(10),
            copied,
            left,
            erased: 0,
            refused: 0,
            refusals: Vec::new(),
            trouble: None,
            caught_up: left == 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_tells_the_rate_since_the_last_one() {
        let mut rates = Rates::begin();
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        assert_eq!(rates.tell(&[of(10, 90)]), "user.notifications       10 copied, 5/s, 90 left");
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        let troubled = SubjectProgress { trouble: Some("away".to_owned()), ..of(70, 30) };
        assert_eq!(rates.tell(&[troubled]), "user.notifications       70 copied, 30/s, 30 left; waits: away");
    }

    #[test]
    fn refused_events_are_named() {
        let refusal =
            Refusal { event_id: ecs_domain::EventId::new(uuid::Uuid::nil()), reason: "too large".to_owned() };
        let told = report(&[SubjectProgress { refused: 21, refusals: vec![refusal; 21], ..of(3, 21) }]);
        assert_eq!(told.matches("too large").count(), 20, "{told}");
        assert!(told.contains("and 1 more") && told.contains("stopped before the end"), "{told}");
    }
}
