//! One member of a group.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecs_bus::{BusError, Delivery, LogRecord, Settlement, Subject, SubscribeOptions, Subscription};
use ecs_domain::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::group::{Member, Reserved, tag};
use crate::queue::{Command, Phase};
use crate::raw;
use crate::shared::{Members, Shared, Topic};
use crate::tail::Block;

/// How long a member sleeps at most while something is due later: the clock may be moved under it.
const LONGEST_NAP: Duration = Duration::from_millis(250);

/// However much is asked for, a batch has to fit into memory.
const LARGEST_BATCH: usize = 100_000;

pub(crate) struct EmbeddedSubscription {
    shared: Arc<Shared>,
    subject: Subject,
    members: Arc<Members>,
    member: Member,
    options: SubscribeOptions,
    /// A read that a dropped future of `next` left behind; the next call carries on with it.
    reading: Option<Reading>,
}

struct Reading {
    reserved: Reserved,
    task: JoinHandle<Result<Records, BusError>>,
}

/// What was read for a reservation. Fewer than reserved when the log forgot some in between.
struct Records {
    again: Vec<Option<LogRecord>>,
    fresh: Vec<LogRecord>,
}

impl EmbeddedSubscription {
    pub(crate) fn join(
        shared: Arc<Shared>,
        subject: Subject,
        group: &str,
        options: SubscribeOptions,
    ) -> Self {
        static NEXT_MEMBER: AtomicU64 = AtomicU64::new(0);
        let members = shared.topic(subject).group(group);
        let member = NEXT_MEMBER.fetch_add(1, Ordering::Relaxed);
        Self { shared, subject, members, member, options, reading: None }
    }

    fn topic(&self) -> &Topic {
        self.shared.topic(self.subject)
    }

    fn now(&self) -> Timestamp {
        self.shared.options.clock.now()
    }

    fn max_batch(&self) -> usize {
        self.options.max_batch.clamp(1, LARGEST_BATCH)
    }

    fn check_open(&self) -> Result<(), BusError> {
        match self.shared.queue.phase() {
            Phase::Open => Ok(()),
            Phase::Draining | Phase::Abandoned => Err(BusError::Closed),
        }
    }

    /// Waits until a batch is full, or something is there and no more came within the linger time.
    async fn wait(&self) -> Result<(), BusError> {
        let mut linger_ends: Option<Instant> = None;
        loop {
            let changed = self.members.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.check_open()?;
            let now = self.now();
            let head = self.topic().head();
            let (ready, next, change) = self.members.with(|group| {
                group.expire(now);
                (group.ready(now, head, self.max_batch()), group.next(), group.next_change())
            });
            let nap = if ready == 0 {
                change
                    .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default().min(LONGEST_NAP))
            } else {
                let ends = *linger_ends.get_or_insert_with(|| Instant::now() + self.options.linger);
                Some(ends.saturating_duration_since(Instant::now()))
            };
            if ready >= self.max_batch() || (ready > 0 && nap.is_some_and(|nap| nap.is_zero())) {
                return Ok(());
            }
            let wanted = if ready == 0 { next } else { head + (self.max_batch() - ready) as u64 };
            self.members.want(wanted);
            if self.topic().head() >= wanted {
                continue;
            }
            match nap {
                // Elapsed or rung, the loop looks again.
                Some(nap) => drop(tokio::time::timeout(nap, changed).await),
                None => changed.await,
            }
        }
    }

    fn reserve(&self) -> Reserved {
        let now = self.now();
        let until = now.saturating_add(self.options.lease).unwrap_or(Timestamp::MAX);
        let head = self.topic().head();
        self.members.with(|group| {
            group.follow_clock(now);
            group.reserve(self.member, self.max_batch(), now, until, head)
        })
    }

    /// Builds the deliveries without a read when everything reserved is new and still in memory.
    fn take_from_memory(&self, reserved: &Reserved) -> Option<Vec<Delivery>> {
        if !reserved.again.is_empty() || reserved.fresh.is_empty() {
            return None;
        }
        let range = reserved.fresh.clone();
        let blocks = self.topic().in_memory(range.start, range.end)?;
        let mut deliveries = Vec::with_capacity(usize::try_from(range.end - range.start).ok()?);
        for block in &blocks {
            extend(&mut deliveries, block, &range);
        }
        Some(deliveries)
    }

    fn start_reading(&self, reserved: Reserved) -> Reading {
        let shared = Arc::clone(&self.shared);
        let subject = self.subject;
        let again: Vec<u64> = reserved.again.iter().map(|again| again.position).collect();
        let fresh = reserved.fresh.clone();
        let task = tokio::task::spawn_blocking(move || {
            shared.read_blocking(|connection| {
                let one = |position| raw::read_one(connection, subject, position);
                let again = again.into_iter().map(one).collect::<Result<_, _>>()?;
                let count = usize::try_from(fresh.end - fresh.start).unwrap_or(usize::MAX);
                let mut fresh_records = Vec::new();
                if count > 0 {
                    fresh_records = raw::read_from(connection, subject, fresh.start, count)?;
                    fresh_records.retain(|record| fresh.contains(&record.position.offset));
                }
                Ok(Records { again, fresh: fresh_records })
            })
        });
        Reading { reserved, task }
    }

    /// Waits for a read that is under way. It stays where it is when this future is dropped.
    async fn finish_reading(&mut self) -> Result<Vec<Delivery>, BusError> {
        let Some(reading) = &mut self.reading else { return Ok(Vec::new()) };
        let result = (&mut reading.task).await;
        let Some(Reading { reserved, .. }) = self.reading.take() else { return Ok(Vec::new()) };
        let records = match result {
            Ok(Ok(records)) => records,
            Ok(Err(error)) => return Err(self.give_back(&reserved, error)),
            Err(error) => return Err(self.give_back(&reserved, BusError::Unavailable(error.to_string()))),
        };
        let positions: Vec<u64> = reserved.positions().collect();
        let deliveries = deliveries(reserved, records);
        if deliveries.len() < positions.len() {
            self.forget_missing(&positions, &deliveries);
        }
        Ok(deliveries)
    }

    fn give_back(&self, reserved: &Reserved, error: BusError) -> BusError {
        let now = self.now();
        self.members.with(|group| group.take_back(self.member, reserved.positions(), now));
        self.members.changed.notify_waiters();
        error
    }

    /// What was reserved but isn't in the log any more was forgotten by `prune`.
    fn forget_missing(&self, positions: &[u64], deliveries: &[Delivery]) {
        let found: std::collections::HashSet<u64> =
            deliveries.iter().map(|delivery| delivery.tag.0 >> 8).collect();
        let missing = positions.iter().copied().filter(|position| !found.contains(position));
        self.members.with(|group| group.forget(missing));
        self.shared.soil();
    }
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        loop {
            self.check_open()?;
            if self.reading.is_none() {
                self.wait().await?;
                // No await from here to the return: what is reserved is either returned or kept in `reading`.
                let reserved = self.reserve();
                if let Some(deliveries) = self.take_from_memory(&reserved) {
                    return Ok(deliveries);
                }
                if reserved.positions().next().is_none() {
                    continue;
                }
                self.reading = Some(self.start_reading(reserved));
            }
            let deliveries = self.finish_reading().await?;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), BusError> {
        self.check_open()?;
        let now = self.now();
        let retried = self.members.with(|group| {
            group.follow_clock(now);
            group.settle(self.member, settlements, now)
        });
        self.shared.soil();
        if !retried {
            return Ok(());
        }
        self.members.changed.notify_waiters();
        // A failed attempt counts from the moment it is reported, so it is written down before this returns.
        let (sender, receiver) = oneshot::channel();
        self.shared.queue.command(Command::Flush(sender))?;
        receiver.await.unwrap_or(Err(BusError::Closed))
    }
}

impl Drop for EmbeddedSubscription {
    fn drop(&mut self) {
        let now = self.now();
        let unseen = self.reading.take();
        self.members.with(|group| {
            if let Some(Reading { reserved, .. }) = unseen {
                group.take_back(self.member, reserved.positions(), now);
            }
            group.leave(self.member, now);
        });
        self.members.changed.notify_waiters();
    }
}

fn extend(deliveries: &mut Vec<Delivery>, block: &Block, range: &std::ops::Range<u64>) {
    for (position, event) in (block.first..).zip(&block.events) {
        if range.contains(&position) {
            deliveries.push(Delivery {
                tag: tag(position, 1),
                event: event.clone(),
                attempt: 1,
                history: Vec::new(),
                published_at: block.published_at,
            });
        }
    }
}

fn deliveries(reserved: Reserved, records: Records) -> Vec<Delivery> {
    let mut deliveries = Vec::with_capacity(records.again.len() + records.fresh.len());
    for (again, record) in reserved.again.into_iter().zip(records.again) {
        let Some(LogRecord { published_at, event, .. }) = record else { continue };
        let tag = tag(again.position, again.attempt);
        deliveries.push(Delivery {
            tag,
            event,
            attempt: again.attempt,
            history: again.history,
            published_at,
        });
    }
    for LogRecord { position, published_at, event } in records.fresh {
        let tag = tag(position.offset, 1);
        deliveries.push(Delivery { tag, event, attempt: 1, history: Vec::new(), published_at });
    }
    deliveries
}
