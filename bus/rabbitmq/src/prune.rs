//! Forgetting.
//!
//! The server forgets a log by itself, in whole files and by its own clock. When it is told to forget, there is nothing that it could
//! do at once, so everybody is told instead: from this place on the log is read, and what was published before this time is dropped
//! wherever it turns up.

use std::time::Duration;

use ecs_bus::{BusError, Subject};
use ecs_domain::Timestamp;
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{FieldTable, ShortString};

use crate::bus::Core;
use crate::control::Floor;
use crate::link::away;
use crate::log::{Start, Walk};
use crate::look::Look;
use crate::{message, names, topology};

/// How many events are looked at at once.
const PIECE: u64 = 20_000;
/// How much earlier than an event's own time the log may have it, with room for clocks that differ.
const SLACK: Duration = Duration::from_secs(10);
/// How many messages of a queue are on their way at once.
const PREFETCH: u16 = 500;
/// How long nothing comes from a queue before it counts as walked through.
const LULL: Duration = Duration::from_millis(200);

/// See [`ecs_bus::Bus::prune`]. Counts every place of the log that it skips; a mark in there counts as an event.
pub(crate) async fn forget(core: &Core, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
    let floor = core.control.floor(subject);
    let (forgotten, mut raised) = skip(core, subject, floor, before).await?;
    raised.before = raised.before.max(floor.before);
    if raised != floor {
        core.control.raise_floor(&core.courier, subject, raised).await?;
    }
    if let Some(before) = raised.before {
        for queue in core.control.groups(&core.names.group(subject, ecs_bus::Group(""))) {
            drain(core, &queue, &queue, before, Order::Published).await?;
            for delay in core.control.delays(&queue) {
                drain(core, &queue, &names::retry(&queue, delay), before, Order::None).await?;
            }
        }
    }
    Ok(forgotten)
}

/// Where the log begins when everything before this time is forgotten, and how many events that skips.
async fn skip(
    core: &Core,
    subject: Subject,
    floor: Floor,
    before: Timestamp,
) -> Result<(u64, Floor), BusError> {
    let about = before.checked_sub(SLACK).unwrap_or(Timestamp::MIN);
    let is_far = floor.before.is_none_or(|floor| floor < about);
    let start = if is_far { Start::Before(about) } else { Start::At(floor.offset) };
    let mut walk = Walk::begin(core, subject, start).await?;
    let (mut forgotten, mut next) = (0, floor.offset);
    while forgotten < PIECE {
        let Some(entry) = walk.next().await? else { break };
        if entry.offset < next {
            continue;
        }
        if message::published_at(&entry.properties) >= before {
            return Ok((forgotten + passed(entry.offset, next, floor), at(entry.offset, before)));
        }
        if forgotten == 0 {
            forgotten += passed(entry.offset, next, floor);
        }
        next = entry.offset + 1;
        forgotten += u64::from(message::mark_of(&entry.properties).is_none());
    }
    let reached = if forgotten < PIECE { Some(before) } else { floor.before };
    Ok((forgotten, Floor { offset: next, before: reached }))
}

/// How many places lie between the floor and the first entry that was looked at.
fn passed(first: u64, next: u64, floor: Floor) -> u64 {
    if next == floor.offset { first.saturating_sub(next) } else { 0 }
}

fn at(offset: u64, before: Timestamp) -> Floor {
    Floor { offset, before: Some(before) }
}

/// How a queue is ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By the time of publication: after the first young event there is no old one.
    Published,
    /// In no way that helps.
    None,
}

/// Drops what is old from a group's queue, or from one of its retry queues. Its members do the same with what they are sent.
async fn drain(
    core: &Core,
    group: &str,
    queue: &str,
    before: Timestamp,
    order: Order,
) -> Result<(), BusError> {
    let Some(counts) = topology::counts(&core.listen, queue).await? else { return Ok(()) };
    if counts.ready == 0 {
        return Ok(());
    }
    let mut look = Look::begin(core, group).await?;
    look.holds();
    let channel = look.channel();
    let draining = async {
        let ahead = if order == Order::Published { PREFETCH } else { u16::MAX };
        channel.basic_qos(ahead, BasicQosOptions::default()).await?;
        let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
        let mut messages = channel.basic_consume(queue.into(), tag, options, FieldTable::default()).await?;
        for _ in 0..counts.ready {
            let Ok(Some(message)) = tokio::time::timeout(LULL, messages.next()).await else { break };
            let message = message?;
            if message::published_at(&message.properties) < before {
                channel.basic_ack(message.delivery_tag, BasicAckOptions::default()).await?;
            } else if order == Order::Published {
                break;
            }
        }
        // More must not come while the rest goes back.
        channel.basic_cancel(messages.tag(), BasicCancelOptions::default()).await?;
        channel.basic_nack(0, BasicNackOptions { multiple: true, requeue: true }).await?;
        topology::asked(channel, queue).await.map(drop)
    };
    draining.await.map_err(|error| away(&error))?;
    look.end().await
}
