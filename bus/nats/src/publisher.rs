//! One task per stream publishes group by group: a flush is for all of a group.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use ecs_breaker::{Breaker, State};
use ecs_bus::{BusError, Event, PublishError, Subject};
use ecs_bus_outgoing::{GroupCommit, Request, Results};
use ecs_metrics::Metrics;
use tokio::time::Instant;

use crate::Options;
use crate::choice::Choice;
use crate::link::Link;
use crate::message;
use crate::sender::{Failure, Fate, Outgoing, Sender, Way};
use crate::streams;

/// The most events that are published at once: what one batch holds a few times over, so that a large upload keeps the server
/// busy and nobody waits for long behind it.
pub(crate) const LARGEST_GROUP: usize = 4_000;

/// Publishes the events of one subject.
pub(crate) struct Publisher {
    subject: Subject,
    sender: Sender,
    link: Link,
    breaker: Breaker,
    metrics: Metrics,
    /// Whether the stream takes batches.
    atomic: bool,
    choice: Choice,
    publish_timeout: Duration,
    patience: Duration,
}

impl Publisher {
    /// The subject's publisher.
    pub(crate) async fn open(
        subject: Subject,
        link: &Link,
        breaker: &Breaker,
        atomic: bool,
        options: &Options,
    ) -> Result<Self, BusError> {
        Ok(Self {
            subject,
            sender: Sender::open(link, streams::name(subject)).await?,
            link: link.clone(),
            breaker: breaker.clone(),
            metrics: options.metrics.clone(),
            atomic,
            choice: Choice::default(),
            publish_timeout: options.publish_timeout,
            patience: options.patience,
        })
    }

    async fn reachable(&self) -> bool {
        self.link.is_connected()
            || matches!(tokio::time::timeout(self.patience, self.link.connected()).await, Ok(true))
    }

    /// Publishes by the faster way. What a batch is refused for may be one member's fault or nobody's, such as too many batches
    /// under way; nothing of it was kept, so its messages go singly, and each gets the answer it deserves.
    async fn deliver(&mut self, messages: &[Outgoing]) -> Vec<Fate> {
        let way = if self.atomic { self.choice.way(messages.len()) } else { Way::Singles };
        let started = Instant::now();
        let mut fates = self.sender.send(messages, way, self.publish_timeout).await;
        let is_refused = |fate: &Fate| matches!(fate, Err(Failure::Refused(_)));
        if fates.iter().all(Result::is_ok) {
            self.choice.learn(way, messages.len(), started.elapsed());
        }
        if way == Way::Batches && fates.iter().any(is_refused) {
            if let Some(Err(reason)) = fates.iter().find(|fate| is_refused(fate)) {
                tracing::warn!(subject = %self.subject, %reason, "a batch was refused, its events go one by one");
            }
            let again: Vec<usize> =
                (0..fates.len()).filter(|at| fates.get(*at).is_some_and(is_refused)).collect();
            let singles: Vec<Outgoing> = again.iter().filter_map(|at| messages.get(*at).cloned()).collect();
            let second = self.sender.send(&singles, Way::Singles, self.publish_timeout).await;
            for (at, fate) in again.into_iter().zip(second) {
                if let Some(place) = fates.get_mut(at) {
                    *place = fate;
                }
            }
        }
        self.metrics.bus_batch("published", self.subject.as_str(), messages.len());
        fates
    }

    fn report(&self, fates: &[Fate]) {
        let failed = fates.iter().filter(|fate| fate.is_err()).count();
        if let Some(Err(reason)) = fates.iter().find(|fate| fate.is_err()) {
            tracing::warn!(subject = %self.subject, failed, of = fates.len(), %reason, "events were not made durable");
        }
    }
}

impl GroupCommit for Publisher {
    async fn commit(&mut self, requests: &[Request]) -> Results {
        let events: Vec<&Event> = requests.iter().flat_map(|request| &request.events).collect();
        let permit = match self.breaker.admit() {
            Ok(permit) => permit,
            Err(open) => return vec![Err(away(&open)); events.len()],
        };
        let (messages, places) = distinct(&events);
        let fates = if self.reachable().await {
            self.deliver(&messages).await
        } else {
            vec![Err(Failure::Unheard("there is no connection to NATS")); messages.len()]
        };
        // A refusal is an answer: who gives it is there.
        match fates.iter().find(|fate| matches!(fate, Err(Failure::Unheard(_)))) {
            Some(_) => permit.failed(),
            None => permit.succeeded(),
        }
        self.report(&fates);
        places.into_iter().map(|place| result(fates.get(place))).collect()
    }
}

/// The answer while the breaker is open; `None` when events may be tried.
pub(crate) fn refusal(breaker: &Breaker) -> Option<PublishError> {
    match breaker.state() {
        State::Open => Some(PublishError::Unavailable("NATS did not answer lately".to_owned())),
        State::Closed | State::HalfOpen => None,
    }
}

fn away(open: &ecs_breaker::Open) -> PublishError {
    PublishError::Unavailable(format!("NATS did not answer lately; next try in {:?}", open.retry_after))
}

fn result(fate: Option<&Fate>) -> Result<(), PublishError> {
    match fate {
        Some(Ok(())) => Ok(()),
        Some(Err(failure)) => Err(PublishError::Unavailable(failure.to_string())),
        None => Err(PublishError::Unavailable("it was not sent".to_owned())),
    }
}

/// The messages of distinct events, and for each event the place of its message. An impatient client's second request that
/// comes while the first one waits is the same event and needs no second message; where it came from doesn't count. The same
/// id with another payload is another event.
fn distinct(events: &[&Event]) -> (Vec<Outgoing>, Vec<usize>) {
    let mut messages = Vec::with_capacity(events.len());
    let mut places = Vec::with_capacity(events.len());
    let mut seen: HashMap<_, (usize, &Event)> = HashMap::with_capacity(events.len());
    for event in events {
        let place = match seen.entry(event.id) {
            Entry::Occupied(first) if is_same(first.get().1, event) => {
                places.push(first.get().0);
                continue;
            }
            Entry::Occupied(_) => messages.len(),
            Entry::Vacant(first) => first.insert((messages.len(), event)).0,
        };
        places.push(place);
        messages.push(Outgoing {
            subject: async_nats::Subject::from_static(event.subject.as_str()),
            headers: message::headers(event),
            payload: event.payload.clone(),
        });
    }
    (messages, places)
}

fn is_same(one: &Event, other: &Event) -> bool {
    one.key == other.key
        && one.payload == other.payload
        && one.headers.schema_version == other.headers.schema_version
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ecs_bus::Headers;
    use ecs_domain::{EventId, UserId};
    use uuid::Uuid;

    use super::*;

    fn event(id: u128, payload: &'static str, request: &str) -> Event {
        Event {
            id: EventId::new(Uuid::from_u128(id)),
            subject: Subject::Emotions,
            key: UserId::new(Uuid::from_u128(1)),
            payload: Bytes::from_static(payload.as_bytes()),
            headers: Headers { request_id: Some(request.to_owned()), ..Headers::current() },
        }
    }

    #[test]
    fn only_the_very_same_event_is_taken_out() {
        let check = |events: &[Event], expect: &[usize]| {
            let (messages, places) = distinct(&events.iter().collect::<Vec<_>>());
            assert_eq!(places, expect);
            assert_eq!(messages.len(), expect.iter().max().map_or(0, |last| last + 1));
        };
        check(&[], &[]);
        check(&[event(1, "a", "r1"), event(2, "a", "r2")], &[0, 1]);
        check(&[event(1, "a", "r1"), event(2, "b", "r2"), event(1, "a", "r3")], &[0, 1, 0]);
        check(&[event(1, "a", "r1"), event(1, "b", "r1"), event(1, "a", "r1")], &[0, 1, 0]);
        let stranger = Event { key: UserId::new(Uuid::from_u128(9)), ..event(1, "a", "r1") };
        check(&[event(1, "a", "r1"), stranger], &[0, 1]);
    }
}
