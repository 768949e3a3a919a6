//! Publishing many messages at once and hearing of each whether it is durable.
//!
//! Two ways lead into a stream. An *atomic batch* (server 2.12 and newer) is staged, checked and written as one, with one flush
//! (server 2.15) and one answer. *Windowed singles* are all sent before the first answer is awaited; each is flushed and answered by itself.

use std::fmt;
use std::ops::Range;

use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::{HeaderMap, Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use ecs_bus::BusError;
use futures::StreamExt;
use serde::Deserialize;
use tokio::time::{Duration, timeout};

use crate::api::{self, ApiError};
use crate::link::Link;

/// The most messages that the server takes as one batch.
pub(crate) const LARGEST_BATCH: usize = 1_000;

/// How many singles are sent at once. The server works off everything that has arrived before it answers the first of it, so on a slow
/// disk thousands would get no answer in time.
const WINDOW: usize = 128;

/// Nobody listens where messages of the stream are sent to.
pub(crate) const NO_STREAM: &str = "no stream takes the event, or JetStream is away";

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
    /// The stream whose acknowledgement counts. Anybody may listen to its subjects, and answer.
    stream: &'static str,
    /// Answers come to subjects below this one.
    inbox: String,
    answers: Subscriber,
    /// Counts the groups, so that a late answer to an earlier one is known as such.
    group: u64,
}

impl Sender {
    pub(crate) async fn open(link: &Link, stream: &'static str) -> Result<Self, BusError> {
        let inbox = link.client.new_inbox();
        let answers = link.client.subscribe(format!("{inbox}.*")).await;
        let answers = answers.map_err(|error| BusError::Unavailable(error.to_string()))?;
        Ok(Self { link: link.clone(), stream, inbox, answers, group: 0 })
    }

    /// Publishes `messages` and returns what became of each, singles one window after the other. What comes behind a window that was
    /// not heard of is not sent.
    pub(crate) async fn send(&mut self, messages: &[Outgoing], way: Way, patience: Duration) -> Vec<Fate> {
        let window = match way {
            Way::Singles => WINDOW,
            Way::Batches => messages.len().max(1),
        };
        let mut fates: Vec<Fate> = Vec::with_capacity(messages.len());
        for messages in messages.chunks(window) {
            let unheard =
                fates.iter().rev().take(window).find(|fate| matches!(fate, Err(Failure::Unheard(_))));
            let next = match unheard.cloned() {
                Some(unheard) => vec![unheard; messages.len()],
                None => self.send_at_once(messages, way, patience).await,
            };
            fates.extend(next);
        }
        fates
    }

    /// Publishes `messages` and returns what became of each. Gives up when the server says nothing for `patience`, and when the
    /// connection is lost: answers don't come over another one. On a slow disk many messages take their time, so each answer
    /// begins it anew.
    async fn send_at_once(&mut self, messages: &[Outgoing], way: Way, patience: Duration) -> Vec<Fate> {
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
            if timeout(patience, self.write(messages, &parts, way, &mut fates)).await.is_ok() {
                self.gather(&parts, way, &mut fates, patience).await;
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

    /// Sends all parts. One that the client doesn't take has its fate at once, so that nobody waits for the server's word on it.
    async fn write(
        &self,
        messages: &[Outgoing],
        parts: &[Range<usize>],
        way: Way,
        fates: &mut [Option<Fate>],
    ) {
        for ((number, part), fate) in parts.iter().enumerate().zip(fates) {
            if let Err(failure) = self.write_part(messages, number, part, way).await {
                *fate = Some(Err(failure));
            }
        }
    }

    async fn write_part(
        &self,
        messages: &[Outgoing],
        number: usize,
        part: &Range<usize>,
        way: Way,
    ) -> Result<(), Failure> {
        let client = &self.link.client;
        let batch = self.batch(number, way);
        let last = part.end.saturating_sub(1);
        for (index, message) in part.clone().zip(messages.get(part.clone()).unwrap_or_default()) {
            let Outgoing { subject, mut headers, payload } = message.clone();
            if let Some(batch) = &batch {
                headers.insert(NATS_BATCH_ID, batch.as_str());
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
            sent.map_err(|error| unsent(&error))?;
        }
        Ok(())
    }

    /// The id of a part that goes as a batch. It may have 64 characters; the inbox's random part tells our batches from all others.
    fn batch(&self, number: usize, way: Way) -> Option<String> {
        let inbox = self.inbox.strip_prefix("_INBOX.").unwrap_or(&self.inbox);
        (way == Way::Batches).then(|| format!("{inbox}-{}-{number}", self.group))
    }

    async fn gather(
        &mut self,
        parts: &[Range<usize>],
        way: Way,
        fates: &mut [Option<Fate>],
        patience: Duration,
    ) {
        let mut open = fates.iter().filter(|fate| fate.is_none()).count();
        while open > 0 {
            let Ok(Some(answer)) = timeout(patience, self.answers.next()).await else { return };
            let Some(number) = self.part_of(&answer) else { continue };
            let (Some(part), Some(fate)) = (parts.get(number), fates.get_mut(number)) else { continue };
            let batch = self.batch(number, way).map(|batch| (batch, part.len()));
            if let (None, Some(word)) = (&fate, read(&answer, self.stream, batch)) {
                *fate = Some(word);
                open -= 1;
            }
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

/// What the client itself doesn't take. The server may have come back with a lower limit than it had.
fn unsent(error: &PublishError) -> Failure {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => Failure::Refused("it is larger than NATS takes".to_owned()),
        PublishErrorKind::InvalidSubject | PublishErrorKind::Send => {
            Failure::Unheard("the NATS client takes no message")
        }
    }
}

/// A stream's word that it has kept a message, or a whole batch.
#[derive(Deserialize)]
struct Acknowledgement {
    stream: String,
    seq: u64,
    batch: Option<String>,
    count: Option<usize>,
}

impl Acknowledgement {
    /// Whether it speaks of this stream, and of the whole batch if there is one. A server that knows no batches would take their
    /// messages one by one, and acknowledge the last.
    fn is_for(&self, stream: &str, batch: Option<(String, usize)>) -> bool {
        self.stream == stream
            && self.seq > 0
            && batch.is_none_or(|(batch, count)| self.batch == Some(batch) && self.count == Some(count))
    }
}

/// What an answer says; `None` when it is not the stream's word.
fn read(answer: &Message, stream: &str, batch: Option<(String, usize)>) -> Option<Fate> {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Some(Err(Failure::Unheard(NO_STREAM)));
    }
    match api::read::<Acknowledgement>(&answer.payload) {
        Ok(acknowledgement) if acknowledgement.is_for(stream, batch) => Some(Ok(())),
        Err(error @ ApiError::Refused { .. }) => Some(Err(Failure::Refused(error.to_string()))),
        Ok(_) | Err(ApiError::Away(_) | ApiError::Unclear(_)) => {
            tracing::warn!(stream, "somebody answers what is published, and it is no acknowledgement");
            None
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

    #[test]
    fn only_a_word_on_all_of_it_is_an_acknowledgement() {
        let check = |payload: &str, batch: Option<usize>, expect: Option<Fate>| {
            let answer = Message {
                subject: "inbox".into(),
                reply: None,
                payload: payload.to_owned().into(),
                headers: None,
                status: None,
                description: None,
                length: 0,
            };
            let batch = batch.map(|count| ("b".to_owned(), count));
            assert_eq!(read(&answer, "emotions", batch), expect, "{payload}");
        };
        check(r#"{"stream": "emotions", "seq": 4}"#, None, Some(Ok(())));
        check(r#"{"stream": "elsewhere", "seq": 4}"#, None, None);
        check(r#"{"stream": "emotions"}"#, None, None);
        check("{}", None, None);
        check("+OK", None, None);
        check(r#"{"stream": "emotions", "seq": 4, "batch": "b", "count": 3}"#, Some(3), Some(Ok(())));
        check(r#"{"stream": "emotions", "seq": 4, "batch": "b", "count": 2}"#, Some(3), None);
        check(r#"{"stream": "emotions", "seq": 4, "batch": "c", "count": 3}"#, Some(3), None);
        check(r#"{"stream": "emotions", "seq": 4}"#, Some(3), None);
        let refused = Failure::Refused("full (NATS error 10077)".to_owned());
        check(r#"{"error": {"err_code": 10077, "description": "full"}}"#, None, Some(Err(refused)));
    }
}
