//! The owner's side of a subscription.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Request, Subject as ReplySubject};
use async_trait::async_trait;
use bytes::Bytes;
use ecs_bus::{BusError, Delivery, Failures, Group, Settlement, Subject, Subscription, Verdict};
use ecs_domain::Timestamp;

use crate::ledger::{Key, Ledger};
use crate::link::Link;
use crate::member::{Held, Member, Phase};
use crate::message;

/// How long to wait for the server's word that it has heard what became of a batch.
const HEARD: Duration = Duration::from_secs(2);

pub(crate) struct NatsSubscription {
    pub(crate) subject: Subject,
    pub(crate) group: Group,
    pub(crate) member: Arc<Member>,
    pub(crate) link: Link,
    pub(crate) ledger: Arc<Ledger>,
}

/// Says that the owner waits for as long as this lives: a dropped future waits no longer.
struct Waiting<'a>(&'a Member);

impl<'a> Waiting<'a> {
    fn begin(member: &'a Member) -> Self {
        member.set_waiting(true);
        Self(member)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set_waiting(false);
    }
}

#[async_trait]
impl Subscription for NatsSubscription {
    async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let _waiting = Waiting::begin(&self.member);
        loop {
            if self.member.phase() != Phase::Joined {
                return Err(BusError::Closed);
            }
            // No await from here to the return: what is taken is returned.
            let look_again = match self.member.take() {
                Ok(batch) => {
                    // There is room for more now.
                    self.member.moved.notify_one();
                    return Ok(batch);
                }
                Err(look_again) => look_again,
            };
            let arrived = self.member.arrived.notified();
            match look_again {
                // Elapsed or rung, the loop looks again.
                Some(at) => drop(tokio::time::timeout_at(at, arrived).await),
                None => arrived.await,
            }
        }
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), BusError> {
        if self.member.phase() != Phase::Joined {
            return Err(BusError::Closed);
        }
        let now = Timestamp::now();
        let mut words = Vec::with_capacity(settlements.len());
        let mut failed = Vec::new();
        for Settlement { tag, verdict } in settlements {
            let Some(held) = self.member.settle(tag) else { continue };
            match verdict {
                Verdict::Ack => words.push((held.reply, message::ACK)),
                Verdict::Retry { after, reason } => {
                    words.push((held.reply.clone(), message::nak(after)));
                    failed.push(record(self.subject, self.group, held, now, &reason));
                }
            }
        }
        self.member.moved.notify_one();
        if !failed.is_empty() {
            // A failed attempt counts from the moment it is reported, so it is written down before the event comes again.
            if let Err(failure) = self.ledger.keep(&failed).await {
                tracing::warn!(group = %self.group, %failure, "failures of events are not counted");
            }
        }
        tell(&self.link, words).await
    }
}

impl Drop for NatsSubscription {
    fn drop(&mut self) {
        self.member.end(Phase::Left);
    }
}

/// The record of one more failure.
pub(crate) fn record(
    subject: Subject,
    group: Group,
    held: Held,
    at: Timestamp,
    reason: &str,
) -> (Key, Failures) {
    let mut failures = held.failures;
    failures.add(at, reason);
    (Key { subject, group, sequence: held.sequence, event: held.event }, failures)
}

/// Tells the server what became of deliveries, and waits until it has heard the last word: it hears them in order. A word
/// that is lost with the connection costs another delivery. Without a connection it ends soon: the client library has room for
/// a few thousand words, and whoever says more would wait until somebody hears them.
pub(crate) async fn tell(link: &Link, words: Vec<(ReplySubject, Bytes)>) -> Result<(), BusError> {
    let unsaid = |reason: &str| {
        BusError::Unavailable(format!("NATS did not hear what became of deliveries: {reason}"))
    };
    if !words.is_empty() && !link.is_connected() {
        return Err(unsaid("there is no connection"));
    }
    let epoch = link.epoch();
    tokio::select! {
        told = say(link, words) => told.map_err(|error| unsaid(&error.to_string())),
        () = link.lost(epoch) => Err(unsaid("the connection was lost")),
        () = tokio::time::sleep(HEARD) => Err(unsaid("it did not answer in time")),
    }
}

async fn say(link: &Link, words: Vec<(ReplySubject, Bytes)>) -> Result<(), async_nats::Error> {
    let mut words = words;
    let Some((last_reply, last_word)) = words.pop() else { return Ok(()) };
    for (reply, word) in words {
        link.client.publish(reply, word).await?;
    }
    let request = Request::new().payload(last_word).timeout(Some(HEARD));
    link.client.send_request(last_reply, request).await?;
    Ok(())
}
