//! How far a group has come.
//!
//! The server counts what nobody holds, members count what they hold, and nobody counts what is between the two. So the counts are
//! taken until they come out twice the same, and nothing was sent meanwhile: then nothing was on its way.

use std::time::Duration;

use ecs_bus::{Backlog, BusError, Frontier, Group, Position, Subject};
use ecs_domain::Timestamp;
use lapin::options::{BasicGetOptions, BasicNackOptions};

use crate::bus::Core;
use crate::census::Held;
use crate::link::away;
use crate::log::{self, Start, Walk};
use crate::look::Look;
use crate::{message, names, topology};

/// How often the counts are taken at most. Under load they never come out the same.
const READINGS: usize = 5;
/// How long nothing must move before a group counts as done: longer than an event is on its way from one of its queues to another.
const CALM: Duration = Duration::from_millis(25);
/// How long the server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The counts at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reading {
    ready: u64,
    /// What waits in each retry queue.
    waiting: Vec<(String, u64)>,
    /// How many channels members have.
    channels: u64,
    held: Held,
}

impl Reading {
    async fn take(core: &Core, queue: &str) -> Result<Self, BusError> {
        let listen = &core.listen;
        let channels = topology::counts(listen, &names::members(queue)).await?.unwrap_or_default().consumers;
        let held = if channels > 0 { core.census.ask(queue, channels).await? } else { Held::default() };
        let ready = topology::counts(listen, queue).await?.unwrap_or_default().ready;
        let mut waiting = Vec::new();
        for delay in core.control.delays(queue) {
            let name = names::retry(queue, delay);
            let ready = topology::counts(listen, &name).await?.unwrap_or_default().ready;
            waiting.push((name, ready));
        }
        // Whoever came meanwhile may hold what was not there to be counted.
        let after = topology::counts(listen, &names::members(queue)).await?.unwrap_or_default().consumers;
        let channels = channels.max(after);
        Ok(Self { ready, waiting, channels, held })
    }

    /// Whoever doesn't answer holds something.
    fn pending(&self) -> u64 {
        let silent = self.channels.saturating_sub(self.held.channels);
        self.ready + self.held.events + silent + self.waiting.iter().map(|(_, ready)| ready).sum::<u64>()
    }
}

/// See [`ecs_bus::Bus::backlog`].
pub(crate) async fn of(core: &Core, subject: Subject, group: Group) -> Result<Backlog, BusError> {
    let queue = core.names.group(subject, group);
    if !core.control.is_complete(&queue) {
        return before_anybody_joined(core, subject).await;
    }
    let mut reading = Reading::take(core, &queue).await?;
    for _ in 1..READINGS {
        let idle = reading.pending() == 0;
        let end = if idle { log::near_end(core, subject).await? } else { None };
        if idle {
            tokio::time::sleep(CALM).await;
            if peek(core, &queue, &queue).await?.is_some() {
                reading = Reading::take(core, &queue).await?;
                continue;
            }
        }
        let again = Reading::take(core, &queue).await?;
        if again == reading {
            if idle {
                core.settled(&queue, end).await;
            }
            break;
        }
        reading = again;
    }
    let pending = reading.pending();
    let oldest = if pending == 0 { None } else { oldest(core, &queue, &reading).await? };
    Ok(Backlog { settled_through: core.settled_through(subject, &queue), pending, oldest })
}

/// Everything that is kept waits for a group that nobody ever joined.
async fn before_anybody_joined(core: &Core, subject: Subject) -> Result<Backlog, BusError> {
    let floor = core.control.floor(subject);
    let mut walk = Walk::begin(core, subject, Start::At(floor.offset)).await?;
    let (mut pending, mut oldest) = (0, None::<Timestamp>);
    while let Some(entry) = walk.next().await? {
        let Some(record) = entry.record(subject) else { continue };
        if floor.before.is_none_or(|before| record.published_at >= before) {
            pending += 1;
            oldest = Some(oldest.map_or(record.published_at, |oldest| oldest.min(record.published_at)));
        }
    }
    let settled_through = floor.offset.checked_sub(1).map(Position::single).into_iter().collect::<Frontier>();
    Ok(Backlog { settled_through, pending, oldest })
}

/// When the oldest unsettled event was published. What members hold came out of the queue before what is still in it; only where they
/// hold nothing is the queue looked into.
async fn oldest(core: &Core, queue: &str, reading: &Reading) -> Result<Option<Timestamp>, BusError> {
    let mut oldest = reading.held.oldest;
    if oldest.is_none() && reading.ready > 0 {
        oldest = peek(core, queue, queue).await?;
    }
    for (waiting, ready) in &reading.waiting {
        if *ready > 0 {
            oldest = [oldest, peek(core, queue, waiting).await?].into_iter().flatten().min();
        }
    }
    Ok(oldest)
}

/// When the first message of a group's queue, or of one of its retry queues, was published; it stays the first. `None` means that the
/// queue is empty, and that everything that was sent to it before has been there: reading a message is an entry in the queue's own log,
/// like writing one.
async fn peek(core: &Core, group: &str, queue: &str) -> Result<Option<Timestamp>, BusError> {
    let peeking = async {
        let mut look = Look::begin(core, group).await?;
        let channel = look.channel().clone();
        let peeked = async {
            let Some(first) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: false }).await?
            else {
                return Ok(None);
            };
            look.holds();
            let again = BasicNackOptions { multiple: false, requeue: true };
            channel.basic_nack(first.delivery_tag, again).await?;
            // What comes next on this channel is heard after that.
            topology::asked(&channel, queue).await?;
            lapin::Result::Ok(Some(message::published_at(&first.properties)))
        };
        let published_at = peeked.await.map_err(|error| away(&error))?;
        look.end().await?;
        Ok(published_at)
    };
    tokio::time::timeout(ANSWERS_WITHIN, peeking).await.unwrap_or_else(|_| Err(away(&"it does not answer")))
}
