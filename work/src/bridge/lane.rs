//! One subject on its way over the bridge.

use std::collections::HashSet;
use std::time::Duration;

use ecs_bus::{
    Backlog, BusError, Delivery, Group, PublishError, Settlement, SubscribeOptions, Subscription, Verdict,
};
use ecs_domain::{EventId, Timestamp};
use jiff::SignedDuration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Bridge;
use super::payloads::{self, Sorted};
use super::progress::OfSubject;
use crate::BackOff;

/// How many events of a subject are held at most: all that is in memory between the two buses.
const WINDOW: usize = 1_000;
/// How often the bridge asks how much is left.
const LOOK: Duration = Duration::from_millis(500);
/// How long the bus waits for a bridge that was killed before it gives what that one held to the next.
const LEASE: Duration = Duration::from_secs(15);
/// How long events are held while the other bus is away. It is well within the lease: who holds on longer, others get them too.
const HOLD: Duration = Duration::from_secs(5);
/// When an event comes again that the other bus refused for good: a later bridge, to one that takes it, need not wait for long.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);
/// How far the clocks of buses may lie apart without an event of before the start being taken for a later one.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Why a member has left its group.
enum Left {
    /// It is done, or was told to stop.
    Done,
    /// One of the sides is away.
    Away(String),
}

pub(super) struct Lane<'a> {
    bridge: &'a Bridge,
    progress: &'a OfSubject,
    stop: &'a CancellationToken,
    group: Group,
    /// What became durable after this needs no copy, unless the bridge follows.
    until: Timestamp,
    refused: HashSet<EventId>,
    looked: Option<Instant>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(bridge: &'a Bridge, progress: &'a OfSubject, stop: &'a CancellationToken) -> Self {
        let until = bridge.clock.now().checked_add(SKEW).unwrap_or(Timestamp::MAX);
        let group = bridge.plan.copies.group(progress.subject);
        Self { bridge, progress, stop, group, until, refused: HashSet::new(), looked: None }
    }

    /// Copies until it is done, whatever is away meanwhile.
    pub(super) async fn run(mut self) -> Result<(), BusError> {
        let mut failures = 0;
        loop {
            let before = self.progress.lock().copied;
            let reason = match self.visit().await {
                Ok(Left::Done) => return Ok(()),
                Ok(Left::Away(reason)) | Err(BusError::Unavailable(reason)) => reason,
                Err(error) => return Err(error),
            };
            failures = if self.progress.lock().copied > before { 1 } else { failures + 1 };
            self.progress.trouble(reason);
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(BackOff::OUTAGE.delay(failures, 0)) => {}
            }
        }
    }

    /// Joins the group and copies. What is not settled at the end goes back to the group, and no attempt is counted.
    async fn visit(&mut self) -> Result<Left, BusError> {
        if self.is_done().await? {
            return Ok(Left::Done);
        }
        let options = SubscribeOptions { max_batch: WINDOW, lease: LEASE, ..SubscribeOptions::default() };
        let mut member = self.bridge.from.subscribe(self.progress.subject, self.group, options).await?;
        loop {
            let batch = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Left::Done),
                batch = tokio::time::timeout(LOOK, member.next()) => batch,
            };
            if let Ok(batch) = batch
                && let Some(reason) = self.carry(member.as_mut(), batch?).await?
            {
                return Ok(Left::Away(reason));
            }
            if self.is_done().await? {
                return Ok(Left::Done);
            }
        }
    }

    /// Copies a batch and settles what is durable on the other side. Says what is wrong when something is left over.
    async fn carry(
        &mut self,
        member: &mut dyn Subscription,
        batch: Vec<Delivery>,
    ) -> Result<Option<String>, BusError> {
        let begun = Instant::now();
        let mut settlements = Vec::with_capacity(batch.len());
        let mut rest = match payloads::sort(self.bridge, batch).await {
            Ok(sorted) => self.sorted(sorted, &mut settlements),
            // Nothing of the batch is settled, so it comes again.
            Err(error) => return Ok(Some(error.to_string())),
        };
        let erased = settlements.iter().filter(|one| matches!(one.verdict, Verdict::Ack)).count() as u64;
        let mut trouble = None;
        loop {
            let (left, pause) = self.publish(rest, &mut settlements).await;
            rest = left;
            let Some((wait, reason)) = pause else { break };
            if begun.elapsed() + wait > HOLD || self.stop.is_cancelled() {
                trouble = Some(reason);
                break;
            }
            self.progress.trouble(reason);
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        let copied =
            settlements.iter().filter(|settlement| matches!(settlement.verdict, Verdict::Ack)).count();
        if !settlements.is_empty() {
            member.settle(settlements).await?;
        }
        self.progress.settled(copied as u64 - erased, erased);
        Ok(trouble)
    }

    /// Settles what is not copied, and returns what is.
    fn sorted(&mut self, sorted: Sorted, settlements: &mut Vec<Settlement>) -> Vec<Delivery> {
        let acknowledged = |delivery: Delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack };
        settlements.extend(sorted.erased.into_iter().map(acknowledged));
        for (delivery, reason) in sorted.unreadable {
            let verdict = self.refuse(delivery.event.id, reason);
            settlements.push(Settlement { tag: delivery.tag, verdict });
        }
        sorted.copied
    }

    /// Publishes once. Returns what may be tried again, how long to wait before that, and why.
    async fn publish(
        &mut self,
        batch: Vec<Delivery>,
        settlements: &mut Vec<Settlement>,
    ) -> (Vec<Delivery>, Option<(Duration, String)>) {
        let events = batch.iter().map(|delivery| delivery.event.clone()).collect();
        let results = self.bridge.to.publish(events).await;
        let (mut rest, mut pause) = (Vec::new(), None);
        for (delivery, result) in batch.into_iter().zip(results) {
            let verdict = match result {
                Ok(()) => Verdict::Ack,
                Err(error @ PublishError::TooLarge { .. }) => {
                    self.refuse(delivery.event.id, error.to_string())
                }
                Err(error) => {
                    let wait = match &error {
                        PublishError::WindowFull { retry_after } => *retry_after,
                        PublishError::Unavailable(_)
                        | PublishError::Closed
                        | PublishError::TooLarge { .. } => BackOff::OUTAGE.first,
                    };
                    pause = Some((wait, error.to_string()));
                    rest.push(delivery);
                    continue;
                }
            };
            settlements.push(Settlement { tag: delivery.tag, verdict });
        }
        (rest, pause)
    }

    /// It stays in the group, where a later bridge finds it, and holds up nothing.
    fn refuse(&mut self, id: EventId, reason: String) -> Verdict {
        if self.refused.insert(id) {
            tracing::warn!(subject = %self.progress.subject, event = %id, reason, "an event can't be copied");
            self.progress.refused(id, reason.clone());
        }
        Verdict::Retry { after: REFUSED_AGAIN, reason }
    }

    /// Whether all that was there at the start is copied, as far as it can be.
    async fn is_done(&mut self) -> Result<bool, BusError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(false);
        }
        let backlog = self.bridge.from.backlog(self.progress.subject, self.group).await?;
        self.looked = Some(Instant::now());
        let mut state = self.progress.lock();
        let at_start = *state.at_start.get_or_insert(backlog.pending);
        state.left = backlog.pending;
        let settled = state.copied.saturating_add(state.erased).saturating_add(state.refused);
        state.caught_up = state.caught_up || self.has_caught_up(&backlog, at_start, settled);
        Ok(state.caught_up && !self.bridge.plan.follow)
    }

    /// New events may come faster than somebody looks, so it isn't enough to wait for the moment at which nothing is left. The
    /// oldest that is left tells; where refused ones are the oldest, or the transport can't tell, the number does.
    fn has_caught_up(&self, backlog: &Backlog, at_start: u64, settled: u64) -> bool {
        let refused = self.refused.len() as u64;
        match backlog.oldest {
            _ if backlog.pending <= refused => true,
            Some(oldest) if refused == 0 => oldest > self.until,
            Some(_) | None => settled >= at_start,
        }
    }
}
