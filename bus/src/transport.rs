//! What every transport implements.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::Timestamp;

use crate::{BusError, Event, Frontier, Group, Position, PublishError, Subject};

/// A bus.
///
/// A transport MUST keep these promises, and the conformance kit tests each:
/// - **Durable at return.** An event whose result is `Ok` is flushed to disk, or replicated as configured, and survives
///   the death of every process at any later instant.
/// - **One result per event**, in the order of the batch. One event's failure doesn't fail its batch-mates.
/// - **Back-pressure before acceptance.** When more waits than the publish window holds, the answer is
///   [`PublishError::WindowFull`] at once, and nothing of the event was written.
/// - **At least once.** Every durable event is delivered to every group until a member of it settles it.
/// - **Groups are independent; members of a group compete.** While one member holds a delivery, no other member gets it.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Publishes a batch. See the promises above.
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>>;

    /// Joins a group. A new group starts at the oldest event that the bus still keeps.
    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError>;

    /// What this transport can do beyond the promises. Checked at start-up against what an enabled role needs.
    fn capabilities(&self) -> Capabilities;

    /// How far a group has come.
    async fn backlog(&self, subject: Subject, group: Group) -> Result<Backlog, BusError>;

    /// A page of the log from where the reader has come to; who has read it advances by its records. Fewer than `limit` records
    /// mean that the log ended there when it was read. [`BusError::Unsupported`] where the transport keeps no log.
    async fn log(&self, subject: Subject, after: &Frontier, limit: usize) -> Result<LogPage, BusError>;

    /// Forgets events of `subject` that were published before `before`, consumed or not: payloads are kept for a
    /// bounded time. Returns how many were forgotten; does a bounded piece of work and may be called again.
    async fn prune(&self, subject: Subject, before: Timestamp) -> Result<u64, BusError>;

    /// Whether the transport can take and hand out events right now.
    async fn ping(&self) -> Result<(), BusError>;

    /// Stops taking events, makes what was taken durable, keeps the groups' progress, and closes. Subscriptions end.
    async fn close(&self) -> Result<(), BusError>;
}

/// One member of a group. Dropping it hands what it has not settled back to the group at once, and that MUST NOT count as
/// an attempt: a worker leaves when it stops, or when what it needs is away, which is no event's fault.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for events, then returns at least one and at most `max_batch` of them. [`BusError::Closed`] when the
    /// bus is draining. Cancel safe: a dropped future loses nothing.
    async fn next(&mut self) -> Result<Vec<Delivery>, BusError>;

    /// Settles deliveries of this member. After an acknowledgement the event is delivered again only if the process or
    /// the transport dies before it wrote it down. A retry is delivered again not before its delay has passed, with
    /// the next higher attempt, and doesn't hold up the events behind it. A tag that was settled before, or whose lease
    /// has run out, is ignored.
    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), BusError>;
}

/// How a member wants to be served.
#[derive(Debug, Clone, Copy)]
pub struct SubscribeOptions {
    /// The most deliveries that [`Subscription::next`] returns at once.
    pub max_batch: usize,
    /// How long to wait for more once the first event is there; batches are cheaper than single events.
    pub linger: Duration,
    /// A delivery that isn't settled within this time goes to the group again.
    pub lease: Duration,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { max_batch: 5_000, linger: Duration::from_millis(20), lease: Duration::from_secs(30) }
    }
}

/// An event handed to one member of one group.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Names this delivery when it is settled.
    pub tag: Tag,
    /// The event.
    pub event: Event,
    /// 1 for the first delivery. Counts survive a restart as far as retries were settled.
    pub attempt: u32,
    /// Why earlier attempts failed, oldest first, where the transport can remember.
    pub history: Vec<FailedAttempt>,
    /// When the event became durable, by the transport's clock.
    pub published_at: Timestamp,
}

/// Names one delivery within its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// One attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// When it ended.
    pub at: Timestamp,
    /// Why, in words; never the event's values.
    pub reason: String,
}

/// What becomes of a delivery, as far as a transport is concerned.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Which delivery.
    pub tag: Tag,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// A transport knows two ends of a delivery; the third, a dead letter, is made by [`crate::Consumer`] in the same way
/// on every transport.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Done: don't deliver it to this group again.
    Ack,
    /// Deliver it to this group again after the delay.
    Retry {
        /// How long to wait at least.
        after: Duration,
        /// Why it failed, in words; never the event's values.
        reason: String,
    },
}

/// What a transport can do beyond what every transport must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Such as `embedded`; appears in errors.
    pub transport: &'static str,
    /// An id that is published twice within the transport's window is stored once.
    pub stored_once_per_id: bool,
    /// Events of one key are first delivered in the order in which they became durable.
    pub ordered_per_key: bool,
    /// [`Bus::log`] works: the books can read what was accepted.
    pub keeps_log: bool,
    /// Several processes may share it.
    pub shared: bool,
}

/// What an enabled role needs beyond what every transport does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// See [`Capabilities::stored_once_per_id`].
    pub stored_once_per_id: bool,
    /// See [`Capabilities::ordered_per_key`].
    pub ordered_per_key: bool,
    /// See [`Capabilities::keeps_log`].
    pub keeps_log: bool,
    /// See [`Capabilities::shared`].
    pub shared: bool,
}

impl Capabilities {
    /// Refuses a transport that lacks something that is needed, by the name of what it lacks.
    pub fn require(&self, needs: Needs) -> Result<(), BusError> {
        let checks = [
            (needs.stored_once_per_id, self.stored_once_per_id, "storing an event once per id"),
            (needs.ordered_per_key, self.ordered_per_key, "order within one user's events"),
            (needs.keeps_log, self.keeps_log, "a log that can be read"),
            (needs.shared, self.shared, "sharing between processes"),
        ];
        match checks.into_iter().find(|(needed, offered, _)| *needed && !offered) {
            Some((_, _, capability)) => Err(BusError::Unsupported { transport: self.transport, capability }),
            None => Ok(()),
        }
    }
}

/// How far a group has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Every event that this covers is settled for good.
    pub settled_through: Frontier,
    /// How many events are not settled: waiting, in flight, or due for a retry.
    pub pending: u64,
    /// When the oldest of them became durable.
    pub oldest: Option<Timestamp>,
}

/// A page of a subject's log.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// Oldest first within each shard; fewer than asked for, or none, at the end of the log.
    pub records: Vec<LogRecord>,
    /// Until when events were forgotten by [`Bus::prune`]; `None` when the log is complete.
    pub pruned_at: Option<Timestamp>,
}

/// One event of the log.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// Where it stands.
    pub position: Position,
    /// When it became durable.
    pub published_at: Timestamp,
    /// The event.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_met_by_what_is_offered_and_by_nothing_else() {
        let offered = Capabilities {
            transport: "test",
            stored_once_per_id: false,
            ordered_per_key: true,
            keeps_log: true,
            shared: false,
        };
        let check = |needs: Needs, expect: Option<&str>| {
            let refusal = offered.require(needs).err().map(|error| error.to_string());
            assert_eq!(refusal.as_deref(), expect);
        };
        check(Needs::default(), None);
        check(Needs { ordered_per_key: true, keeps_log: true, ..Needs::default() }, None);
        check(
            Needs { shared: true, keeps_log: true, ..Needs::default() },
            Some("the test bus does not offer sharing between processes"),
        );
        check(
            Needs { stored_once_per_id: true, ..Needs::default() },
            Some("the test bus does not offer storing an event once per id"),
        );
    }
}
