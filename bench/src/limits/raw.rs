//! What a transport can do at best: its plain client library in a loop, with nothing around it.

use std::ops::Range;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ecs_bus::{Event, Group};
use futures::StreamExt as _;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;

use super::per_second;

/// The group in which limits consume: not the platform's, which drains the same backlog afterwards.
pub(crate) const GROUP: Group = Group("limit");
/// How long a server may say nothing.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);

/// A transport's plain client library. It sends the platform's bytes and headers to where the platform's events go, and what it
/// calls sent is as durable as theirs.
#[async_trait(?Send)]
pub(crate) trait RawBus {
    /// Makes messages of events, for the calls below to send: making them is not what is measured.
    fn prepare(&mut self, events: &[Event]);

    /// Sends groups of so many messages for some time, one after the other, each when all of the last one are durable.
    async fn groups(&mut self, size: usize, time: Duration) -> anyhow::Result<f64>;

    /// The same by so many publishers at once, each of which awaits every message of its own.
    async fn singly(&mut self, publishers: usize, time: Duration) -> anyhow::Result<f64>;

    /// Sends every message once.
    async fn lay(&mut self) -> anyhow::Result<()>;

    /// Takes as many messages as were prepared and acknowledges them. They must have been laid before.
    async fn consume(&mut self) -> anyhow::Result<f64>;

    /// The rate at which it takes messages that come in groups of this mean size from so many callers, in the faster of both ways.
    async fn append(&mut self, group: usize, callers: usize, time: Duration) -> anyhow::Result<f64> {
        let singly = self.singly(callers, time).await?;
        if group < 2 {
            return Ok(singly);
        }
        Ok(singly.max(self.groups(group, time).await?))
    }
}

/// Calls `send` with one range after the other, each of `size` of the `count` messages that there are, until the time is over. The
/// first tenth of it doesn't count.
pub(super) async fn in_groups(
    count: usize,
    size: usize,
    time: Duration,
    mut send: impl AsyncFnMut(Range<usize>) -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let size = size.clamp(1, count.max(1));
    let (mut sent, warm) = (0, Instant::now() + time / 10);
    let mut started = warm;
    for first in (0..count / size).map(|group| group * size).cycle() {
        let now = Instant::now();
        if now < warm {
            (started, sent) = (now, 0);
        }
        if now >= warm + time {
            break;
        }
        send(first..first + size).await?;
        sent += size as u64;
    }
    Ok(per_second(sent, started.elapsed()))
}

/// Calls `send` with each of these numbers at once, and waits for all of them.
pub(super) async fn at_once(
    numbers: Range<usize>,
    send: impl AsyncFn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    try_join_all(numbers.map(|number| send(number))).await?;
    Ok(())
}

/// Calls `send` with the number of each message once, so many of them at once.
pub(super) async fn in_windows(
    count: usize,
    window: usize,
    send: impl AsyncFn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for first in (0..count).step_by(window) {
        at_once(first..(first + window).min(count), &send).await?;
    }
    Ok(())
}

/// Calls `send` with one number of a message after the other from so many publishers at once, until the time is over.
pub(super) async fn by_publishers(
    count: usize,
    publishers: usize,
    time: Duration,
    send: impl AsyncFn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let started = Instant::now();
    let publisher = async |first: usize| {
        let mut published = 0_u64;
        for number in (0..count).cycle().skip(first) {
            if started.elapsed() >= time {
                break;
            }
            send(number).await?;
            published += 1;
        }
        anyhow::Ok(published)
    };
    let mut running: FuturesUnordered<_> = (0..publishers).map(publisher).collect();
    let mut published = 0;
    while let Some(own) = running.next().await {
        published += own?;
    }
    Ok(per_second(published, started.elapsed()))
}
