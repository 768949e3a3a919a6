//! What the server can't remember: how often an event has *failed*, and why.
//!
//! The server counts deliveries, but a delivery is no attempt: what a leaving member hands back is delivered again, too, and that
//! must count against no event. So failures are kept in a stream of their own, one small record per event and group,
//! written before the server is told to deliver it again. As long as nothing fails, nothing is read or written here.

use std::time::Duration;

use async_nats::{HeaderMap, Request, StatusCode};
use ecs_bus::{BusError, FailedAttempt, Group, Subject};
use ecs_domain::{EventId, Timestamp};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use crate::link::Link;
use crate::sender::{Failure, Outgoing, Sender, Way};
use crate::streams;

const STREAM: &str = "ecs-attempts";
/// How long a record outlives the last failure that was written to it. An event that waits longer starts anew.
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The most failures that are remembered by their reasons; all are counted.
const REASONS: usize = 64;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// How many records are asked for at once.
const LOOK_UPS: usize = 128;

/// The failures of one event in one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// How many.
    pub(crate) count: u32,
    /// Why, oldest first.
    pub(crate) history: Vec<FailedAttempt>,
}

impl Failures {
    /// One more.
    pub(crate) fn add(&mut self, at: Timestamp, reason: &str) {
        self.count = self.count.saturating_add(1);
        if self.history.len() >= REASONS {
            self.history.remove(0);
        }
        self.history.push(FailedAttempt { at, reason: reason.chars().take(LONGEST_REASON).collect() });
    }
}

/// Which record is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) subject: Subject,
    pub(crate) group: Group,
    pub(crate) sequence: u64,
    /// Places in a stream begin anew when somebody deletes it and makes it again; ids don't.
    pub(crate) event: EventId,
}

impl Key {
    fn subject(&self) -> String {
        format!("ecs.attempts.{}.{}.{}", streams::name(self.subject), self.group, self.sequence)
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    event: EventId,
    failures: u32,
    history: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    reason: String,
}

/// Keeps and finds failures.
pub(crate) struct Ledger {
    link: Link,
    sender: Mutex<Sender>,
    limit: Duration,
}

impl Ledger {
    /// Makes the stream where it is missing.
    pub(crate) async fn open(link: &Link, replicas: usize, limit: Duration) -> Result<Self, BusError> {
        let wanted = json!({
            "name": STREAM,
            "subjects": ["ecs.attempts.>"],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "max_age": u64::try_from(KEPT.as_nanos()).unwrap_or(u64::MAX),
            "max_msgs_per_subject": 1,
            "num_replicas": replicas,
            "allow_direct": true,
        });
        streams::made(link, STREAM, &wanted).await?;
        Ok(Self { link: link.clone(), sender: Mutex::new(Sender::open(link).await?), limit })
    }

    /// Writes failures down, durably.
    pub(crate) async fn keep(&self, records: &[(Key, Failures)]) -> Result<(), Failure> {
        let mut messages = Vec::with_capacity(records.len());
        for (key, failures) in records {
            let history =
                failures.history.iter().map(|line| Line { at: line.at, reason: line.reason.clone() });
            let record = Record { event: key.event, failures: failures.count, history: history.collect() };
            let payload = serde_json::to_vec(&record).map_err(|error| Failure::Refused(error.to_string()))?;
            messages.push(Outgoing {
                subject: key.subject().into(),
                headers: HeaderMap::new(),
                payload: payload.into(),
            });
        }
        let fates = self.sender.lock().await.send(&messages, Way::Singles, self.limit).await;
        fates.into_iter().collect()
    }

    /// Finds the failures of each; none where nothing was written down.
    pub(crate) async fn find(&self, keys: &[Key]) -> Vec<Failures> {
        let look_ups: Vec<_> = keys.iter().map(|key| self.look_up(*key)).collect();
        futures::stream::iter(look_ups).buffered(LOOK_UPS).collect().await
    }

    async fn look_up(&self, key: Key) -> Failures {
        let subject = format!("$JS.API.DIRECT.GET.{STREAM}.{}", key.subject());
        let request = Request::new().timeout(Some(self.limit));
        let answer = match self.link.client.send_request(subject, request).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(group = %key.group, %error, "an event's failures can't be looked up, it starts anew");
                return Failures::default();
            }
        };
        if answer.status.is_some_and(|status| status != StatusCode::OK) {
            return Failures::default();
        }
        match serde_json::from_slice::<Record>(&answer.payload) {
            Ok(record) if record.event == key.event => Failures {
                count: record.failures,
                history: record
                    .history
                    .into_iter()
                    .map(|line| FailedAttempt { at: line.at, reason: line.reason })
                    .collect(),
            },
            Ok(_) | Err(_) => Failures::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_failures_are_counted_and_the_last_ones_remembered() {
        let mut failures = Failures::default();
        for number in 0..100 {
            failures.add(Timestamp::UNIX_EPOCH, &format!("failure {number}"));
        }
        assert_eq!((failures.count, failures.history.len()), (100, REASONS));
        assert_eq!(failures.history.last().map(|line| line.reason.as_str()), Some("failure 99"));
        failures.add(Timestamp::UNIX_EPOCH, &"ü".repeat(1_000));
        assert_eq!(failures.history.last().map(|line| line.reason.chars().count()), Some(LONGEST_REASON));
    }
}
