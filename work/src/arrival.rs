//! When events arrived, as the store notes it.
//!
//! The bus forgets by the time of publication, and the store keeps ids, and the books look for events, by the time of
//! arrival. So the two must not lie far apart, however long an event waited: what is late is noted as having arrived
//! when it was published.

use std::time::Duration;

use ecs_bus::Delivery;
use ecs_domain::Timestamp;
use jiff::SignedDuration;

/// How far a noted arrival may lie behind the publication. The books allow for twice as much.
pub const LATEST: Duration = Duration::from_secs(12 * 60 * 60);

/// Splits a batch into runs that arrived together, each with the arrival to note for it: not before the publication of
/// any of its events, and at most [`LATEST`] after it. A batch without late events is one run that arrives `now`.
#[must_use]
pub fn runs(batch: &[Delivery], now: Timestamp) -> Vec<(&[Delivery], Timestamp)> {
    let mut runs = Vec::new();
    let mut rest = batch;
    while let Some(first) = rest.first() {
        let (mut oldest, mut newest) = (first.published_at, first.published_at);
        let mut length = 0;
        for Delivery { published_at, .. } in rest {
            let (older, newer) = (oldest.min(*published_at), newest.max(*published_at));
            if !is_within(older, newer) {
                break;
            }
            (oldest, newest) = (older, newer);
            length += 1;
        }
        let (run, others) = rest.split_at(length);
        runs.push((run, if is_within(oldest, now) { now } else { newest }));
        rest = others;
    }
    runs
}

fn is_within(older: Timestamp, newer: Timestamp) -> bool {
    newer.duration_since(older) <= SignedDuration::try_from(LATEST).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ecs_bus::{Event, Headers, Subject, Tag};
    use ecs_domain::{EventId, UserId};
    use uuid::Uuid;

    use super::*;

    fn delivery(hour: i64) -> Delivery {
        let event = Event {
            id: EventId::new(Uuid::nil()),
            subject: Subject::Emotions,
            key: UserId::new(Uuid::nil()),
            payload: Bytes::new(),
            headers: Headers::current(),
        };
        Delivery { tag: Tag(0), event, attempt: 1, history: Vec::new(), published_at: at(hour) }
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    #[test]
    fn late_events_arrive_when_they_were_published_and_others_now() {
        let check = |published: &[i64], now: i64, expect: &[(usize, i64)]| {
            let batch: Vec<Delivery> = published.iter().map(|hour| delivery(*hour)).collect();
            let runs = runs(&batch, at(now));
            let found: Vec<_> = runs.iter().map(|(run, arrival)| (run.len(), *arrival)).collect();
            let expect: Vec<_> = expect.iter().map(|(length, hour)| (*length, at(*hour))).collect();
            assert_eq!(found, expect, "{published:?} at {now}");
        };
        check(&[], 100, &[]);
        check(&[100, 99, 100], 100, &[(3, 100)]);
        check(&[88, 100], 100, &[(2, 100)]);
        check(&[87, 99, 100], 100, &[(2, 99), (1, 100)]);
        check(&[10, 20, 22, 23, 50], 100, &[(3, 22), (1, 23), (1, 50)]);
        check(&[50, 40, 62], 100, &[(2, 50), (1, 62)]);
        // A clock that was set back makes nothing late.
        check(&[100], 90, &[(1, 90)]);
    }
}
