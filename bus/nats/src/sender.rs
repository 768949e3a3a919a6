//! Publishing many messages at once and hearing of each whether it is durable.
//!
//! Two ways lead into a stream. An *atomic batch* (server 2.12 and newer) is staged, checked and written as one, with one flush
//! (server 2.15) and one answer. *Windowed singles* are all sent before the first answer is awaited; each is flushed and answered by itself.

use std::fmt;
use std::ops::Range;

use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::{HeaderMap, Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use ecs_bus::BusError;
use futures::StreamExt;
use tokio::time::{Duration, timeout};

use crate::api::{self, ApiError};
use crate::link::Link;

/// The most messages that the server takes as one batch.
pub(crate) const LARGEST_BATCH: usize = 1_000;

/// A message on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) subject: Subject,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

/// Why a message is not known to be durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server said no. It kept nothing.
    Refused(String),
    /// Nothing was heard. It may be durable or not.
    Unheard(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => f.write_str(reason),
            Self::Unheard(reason) => f.write_str(reason),
        }
    }
}

/// What became of a message.
pub(crate) type Fate = Result<(), Failure>;

/// How messages go into the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each by itself.
    Singles,
    /// As few atomic batches as possible.
    Batches,
}

/// Publishes for one stream, one group of messages after the other.
pub(crate) struct Sender {
    link: Link,
    /// Answers come to subjects below this one.
    inbox: String,
    answers: Subscriber,
    /// Counts the groups, so that a late answer to an earlier one is known as such.
    group: u64,
}

impl Sender {
    pub(crate) async fn open(link: &Link) -> Result<Self, BusError> {
        let inbox = link.client.new_inbox();
        let answers = link.client.subscribe(format!("{inbox}.*")).await;
        let answers = answers.map_err(|error| BusError::Unavailable(error.to_string()))?;
        Ok(Self { link: link.clone(), inbox, answers, group: 0 })
    }

    /// Publishes `messages` and returns what became of each. Gives up when the server says nothing for `patience`, and when the
    /// connection is lost: answers don't come over another one. On a slow disk many messages take their time, so each answer
    /// begins it anew.
    pub(crate) async fn send(&mut self, messages: &[Outgoing], way: Way, patience: Duration) -> Vec<Fate> {
        self.group += 1;
        let epoch = self.link.epoch();
        let parts = parts(messages.len(), way);
        let mut fates: Vec<Option<Fate>> = vec![None; parts.len()];
        let lost = {
            let link = self.link.clone();
            async move { link.lost(epoch).await }
        };
        let exchange = async {
            // The client takes nothing more while its connection stands still.
            if timeout(patience, self.write(messages, &parts, way)).await.is_ok() {
                self.gather(&mut fates, patience).await;
            }
        };
        let unheard = tokio::select! {
            () = exchange => "NATS did not acknowledge in time",
            () = lost => "the connection to NATS was lost",
        };
        let of_part = |(part, fate): (Range<usize>, Option<Fate>)| {
            let fate = fate.unwrap_or(Err(Failure::Unheard(unheard)));
            part.map(move |_| fate.clone())
        };
        parts.into_iter().zip(fates).flat_map(of_part).collect()
    }

    async fn write(&self, messages: &[Outgoing], parts: &[Range<usize>], way: Way) {
        let client = &self.link.client;
        for (number, part) in parts.iter().enumerate() {
            let batch = (way == Way::Batches).then(|| format!("{}-{}-{number}", self.inbox, self.group));
            let last = part.end.saturating_sub(1);
            for (index, message) in part.clone().zip(messages.get(part.clone()).unwrap_or_default()) {
                let Outgoing { subject, mut headers, payload } = message.clone();
                if let Some(batch) = &batch {
                    // The id may have 64 characters; the inbox's random part tells our batches from all others.
                    headers.insert(NATS_BATCH_ID, batch.strip_prefix("_INBOX.").unwrap_or(batch));
                    headers.insert(NATS_BATCH_SEQUENCE, (index - part.start + 1).to_string());
                    if index == last {
                        headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
                    }
                }
                let sent = if index == last {
                    let reply = format!("{}.{}-{number}", self.inbox, self.group);
                    client.publish_with_reply_and_headers(subject, reply, headers, payload).await
                } else {
                    client.publish_with_headers(subject, headers, payload).await
                };
                if let Err(error) = sent {
                    // What isn't sent is never acknowledged; the rest may be.
                    tracing::warn!(%error, "the NATS client takes no message");
                }
            }
        }
    }

    async fn gather(&mut self, fates: &mut [Option<Fate>], patience: Duration) {
        let mut open = fates.len();
        while open > 0 {
            let Ok(Some(answer)) = timeout(patience, self.answers.next()).await else { return };
            let place = self.part_of(&answer).and_then(|part| fates.get_mut(part));
            let Some(fate) = place.filter(|fate| fate.is_none()) else { continue };
            *fate = Some(read(&answer));
            open -= 1;
        }
    }

    /// Which part of the group under way an answer is for.
    fn part_of(&self, answer: &Message) -> Option<usize> {
        let token = answer.subject.strip_prefix(&self.inbox)?.strip_prefix('.')?;
        let (group, part) = token.split_once('-')?;
        (group.parse() == Ok(self.group)).then(|| part.parse().ok()).flatten()
    }
}

/// The ranges of messages that are answered together.
fn parts(count: usize, way: Way) -> Vec<Range<usize>> {
    let size = match way {
        Way::Singles => 1,
        Way::Batches => LARGEST_BATCH,
    };
    (0..count).step_by(size).map(|start| start..count.min(start + size)).collect()
}

fn read(answer: &Message) -> Fate {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Failure::Unheard("no stream takes the event, or JetStream is away"));
    }
    match api::read::<serde_json::Value>(&answer.payload) {
        Ok(_) => Ok(()),
        Err(error @ ApiError::Refused { .. }) => Err(Failure::Refused(error.to_string())),
        Err(ApiError::Away(_) | ApiError::Unclear(_)) => {
            Err(Failure::Unheard("an answer of NATS can't be understood"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_cut_into_what_the_server_takes_at_once() {
        assert_eq!(parts(3, Way::Singles), [0..1, 1..2, 2..3]);
        assert_eq!(parts(2_500, Way::Batches), [0..1_000, 1_000..2_000, 2_000..2_500]);
        assert_eq!(parts(1_001, Way::Batches), [0..1_000, 1_000..1_001]);
        assert_eq!(parts(1_000, Way::Batches).len(), 1);
        assert!(parts(0, Way::Batches).is_empty());
    }
}
