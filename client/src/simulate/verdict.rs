//! What the answer to an upload says about each of its lines.

use crate::events::StreamAnswer;

/// What is said about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It got its 202.
    Accepted,
    /// It will never be accepted.
    Refused,
    /// It was not accepted this time.
    Again,
}

/// One verdict per line, or `None` when the answer's numbers don't account for all of them: then nothing is sure but
/// that the lines may be sent again.
///
/// An upload that breaks off says so with its last rejected line, from which on nothing was read.
pub(super) fn verdicts(lines: usize, answer: &StreamAnswer) -> Option<Vec<Verdict>> {
    if answer.rejected_total > answer.rejected.len() as u64 {
        return None;
    }
    let mut verdicts = vec![Verdict::Accepted; lines];
    for rejected in &answer.rejected {
        let index = usize::try_from(rejected.line).ok()?.checked_sub(1)?;
        let verdict = if rejected.retryable { Verdict::Again } else { Verdict::Refused };
        match verdicts.get_mut(index) {
            Some(place) => *place = verdict,
            // Behind the last line only a break can be reported, and then all of them were read.
            None if rejected.retryable => {}
            None => return None,
        }
    }
    if accepted(&verdicts) != answer.accepted {
        let from = answer.rejected.iter().map(|rejected| rejected.line).max()?;
        let read = usize::try_from(from).ok()?.saturating_sub(1);
        verdicts.iter_mut().skip(read).for_each(|verdict| *verdict = Verdict::Again);
    }
    (accepted(&verdicts) == answer.accepted).then_some(verdicts)
}

fn accepted(verdicts: &[Verdict]) -> u64 {
    verdicts.iter().filter(|verdict| **verdict == Verdict::Accepted).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::RejectedLine;

    #[test]
    fn every_line_has_a_verdict_or_none_is_sure() {
        let check =
            |lines: usize, accepted: u64, rejected: &[(u64, bool)], total: u64, expect: Option<&str>| {
                let line = |&(line, retryable)| RejectedLine { line, detail: String::new(), retryable };
                let rejected = rejected.iter().map(line).collect();
                let answer = StreamAnswer { accepted, rejected, rejected_total: total };
                let letters = verdicts(lines, &answer).map(|verdicts| {
                    let letter = |verdict: &Verdict| match verdict {
                        Verdict::Accepted => 'a',
                        Verdict::Refused => 'r',
                        Verdict::Again => '?',
                    };
                    verdicts.iter().map(letter).collect::<String>()
                });
                assert_eq!(letters.as_deref(), expect, "{answer:?}");
            };
        check(3, 3, &[], 0, Some("aaa"));
        check(4, 2, &[(2, true), (4, false)], 2, Some("a?ar"));
        check(4, 2, &[(4, false), (2, true)], 0, Some("a?ar"));
        // It broke off at the third line: the fourth and fifth were not read, either.
        check(5, 2, &[(3, true)], 1, Some("aa???"));
        check(5, 1, &[(2, false), (3, true)], 2, Some("ar???"));
        // It broke off after the last line.
        check(2, 2, &[(3, true)], 1, Some("aa"));
        // More were rejected than are listed, and numbers that don't add up.
        check(3, 0, &[(1, true)], 3, None);
        check(3, 1, &[], 0, None);
        check(3, 3, &[(2, true)], 1, None);
        check(3, 2, &[(9, false)], 1, None);
        check(3, 3, &[(0, false)], 1, None);
    }
}
