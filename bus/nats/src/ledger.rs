//! What the server can't remember: how often an event has *failed*, and why.
//!
//! The server counts deliveries, but a delivery is no attempt: what a leaving member hands back is delivered again, too, and that
//! must count against no event. So failures are kept in a stream of their own, one small record per event and group,
//! written before the server is told to deliver it again. As long as nothing fails, nothing is read or written here.

use std::time::Duration;

use async_nats::{HeaderMap, Request, RequestErrorKind, StatusCode};
use ecs_bus::{BusError, FailedAttempt, Failures, Group, Subject};
use ecs_domain::{EventId, Timestamp};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use crate::drift::{self, Rule, is_on, number, text};
use crate::link::Link;
use crate::sender::{Failure, Fate, NO_STREAM, Outgoing, Sender, Way};
use crate::streams;

const STREAM: &str = "ecs-attempts";
const SUBJECTS: &str = "ecs.attempts.>";
/// How long a record outlives the last failure that was written to it. An event that waits longer starts anew.
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How many records are asked for at once.
const LOOK_UPS: usize = 128;

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
    replicas: usize,
    limit: Duration,
}

impl Ledger {
    /// Makes the stream where it is missing, and checks it where it is there.
    pub(crate) async fn open(link: &Link, replicas: usize, limit: Duration) -> Result<Self, BusError> {
        check_stream(link, replicas).await?;
        let sender = Mutex::new(Sender::open(link, STREAM).await?);
        Ok(Self { link: link.clone(), sender, replicas, limit })
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
        let mut sender = self.sender.lock().await;
        let written = all(sender.send(&messages, Way::Singles, self.limit).await);
        if written != Err(Failure::Unheard(NO_STREAM)) {
            return written;
        }
        // Somebody has deleted the stream. A record may be written twice: the last one counts, and they are the same.
        self.come_back().await.map_err(|error| Failure::Refused(error.to_string()))?;
        all(sender.send(&messages, Way::Singles, self.limit).await)
    }

    /// Finds the failures of each; none where nothing was written down. An error where that can't be told: an event that starts anew
    /// each time would never be given up.
    pub(crate) async fn find(&self, keys: &[Key]) -> Result<Vec<Failures>, BusError> {
        match self.look_ups(keys).await {
            Err(LookUp::NobodyThere) => {
                self.come_back().await?;
                Ok(self.look_ups(keys).await?)
            }
            found => Ok(found?),
        }
    }

    /// Makes the stream again if it is gone.
    async fn come_back(&self) -> Result<(), BusError> {
        tracing::warn!("nobody answers for the stream of failures; where it is gone, counting begins anew");
        check_stream(&self.link, self.replicas).await
    }

    async fn look_ups(&self, keys: &[Key]) -> Result<Vec<Failures>, LookUp> {
        let look_ups: Vec<_> = keys.iter().map(|key| self.look_up(*key)).collect();
        // The first one that fails ends the rest: while the server is away each of them would wait for it.
        let all = futures::stream::iter(look_ups).buffered(LOOK_UPS).try_collect();
        tokio::time::timeout(self.limit, all).await.unwrap_or(Err(LookUp::Unheard))
    }

    async fn look_up(&self, key: Key) -> Result<Failures, LookUp> {
        let subject = format!("$JS.API.DIRECT.GET.{STREAM}.{}", key.subject());
        let request = Request::new().timeout(Some(self.limit));
        let answer = self.link.client.send_request(subject, request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => LookUp::NobodyThere,
            _ => LookUp::Unheard,
        })?;
        match answer.status {
            None | Some(StatusCode::OK) => Ok(failures(key, &answer.payload)),
            Some(StatusCode::NOT_FOUND) => Ok(Failures::default()),
            Some(_) => Err(LookUp::Unheard),
        }
    }
}

/// Why an event's failures can't be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum LookUp {
    #[error("nobody answers for the stream of failures")]
    NobodyThere,
    #[error("NATS does not tell the failures of an event")]
    Unheard,
}

impl From<LookUp> for BusError {
    fn from(error: LookUp) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What a record says. One of another event, or one that isn't ours, says nothing of this one.
fn failures(key: Key, record: &[u8]) -> Failures {
    let record = serde_json::from_slice::<Record>(record).ok().filter(|record| record.event == key.event);
    let Some(Record { failures, history, .. }) = record else { return Failures::default() };
    let history = history.into_iter().map(|line| FailedAttempt { at: line.at, reason: line.reason });
    Failures { count: failures, history: history.collect() }
}

fn all(fates: Vec<Fate>) -> Result<(), Failure> {
    fates.into_iter().collect()
}

async fn check_stream(link: &Link, replicas: usize) -> Result<(), BusError> {
    let wanted = json!({
        "name": STREAM,
        "subjects": [SUBJECTS],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_age": u64::try_from(KEPT.as_nanos()).unwrap_or(u64::MAX),
        "max_msgs_per_subject": 1,
        "num_replicas": replicas,
        "allow_direct": true,
    });
    let found = streams::made(link, STREAM, &wanted).await?;
    drift::check(&format!("the stream {STREAM}"), &found.config, &rules(replicas))
}

fn rules(replicas: usize) -> Vec<Rule> {
    let endless = "events that fail are never given up";
    let kept = i64::try_from(KEPT.as_nanos()).unwrap_or(i64::MAX);
    vec![
        streams::takes(SUBJECTS, endless),
        Rule::must("storage", "file", endless, |config| text(config, "storage") == "file"),
        Rule::must("retention", "limits", endless, |config| text(config, "retention") == "limits"),
        Rule::must("allow_direct", "true", endless, |config| is_on(config, "allow_direct")),
        Rule::must("no_ack", "false", endless, |config| !is_on(config, "no_ack")),
        Rule::must("sealed", "false", endless, |config| !is_on(config, "sealed")),
        streams::copies(replicas),
        Rule::should("max_msgs_per_subject", "1", |config| number(config, "max_msgs_per_subject") == 1),
        Rule::should("max_age", kept.to_string(), move |config| {
            let age = number(config, "max_age");
            age == 0 || age >= kept
        }),
    ]
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
        assert_eq!((failures.count, failures.history.len()), (100, Failures::REASONS));
        assert_eq!(failures.history.last().map(|line| line.reason.as_str()), Some("failure 99"));
        failures.add(Timestamp::UNIX_EPOCH, &"ü".repeat(1_000));
        assert_eq!(
            failures.history.last().map(|line| line.reason.chars().count()),
            Some(Failures::LONGEST_REASON)
        );
    }
}
