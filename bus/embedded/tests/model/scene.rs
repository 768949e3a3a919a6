//! The real bus and its members beside the model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecs_bus::{Bus, Delivery, Settlement, SubscribeOptions, Subscription, Tag, Verdict};
use ecs_bus_conformance::kit::{SUBJECT, event, publish, within};
use ecs_bus_embedded::{EmbeddedBus, Options, Synchronous};
use ecs_domain::{Clock, Timestamp};

use crate::reference::{Group, LEASE};
use crate::{Action, End, MEMBERS, group};

const GROUPS: [ecs_bus::Group; 2] = [ecs_bus::Group("two members"), ecs_bus::Group("one member")];

/// Seconds since 1970.
struct Seconds(AtomicI64);

impl Seconds {
    fn get(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.get()).unwrap()
    }
}

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<Seconds>,
    /// `None` only between two lives of the process.
    bus: Option<EmbeddedBus>,
    members: Vec<Member>,
    groups: [Group; 2],
    /// When each event became durable; its position is one more than its index.
    published: Vec<i64>,
    /// Everything at or below was forgotten.
    floor: u64,
}

struct Member {
    subscription: Box<dyn Subscription>,
    /// The tags of what it holds, by position.
    tags: BTreeMap<u64, Tag>,
    /// All that it ever got.
    past: Vec<(u64, Tag)>,
}

fn open(folder: &tempfile::TempDir, clock: &Arc<Seconds>) -> EmbeddedBus {
    let options = Options {
        // Only a retry, or an end in good order, writes progress down.
        progress_interval: Duration::from_secs(3600),
        synchronous: Synchronous::Off,
        ..Options::new(Arc::clone(clock) as Arc<dyn Clock>)
    };
    EmbeddedBus::open(folder.path().join("bus.db"), options).unwrap()
}

async fn join(bus: &EmbeddedBus, member: usize) -> Member {
    let lease = Duration::from_secs(LEASE.unsigned_abs());
    let options = SubscribeOptions { max_batch: 1 + member, linger: Duration::ZERO, lease };
    let subscription = within(bus.subscribe(SUBJECT, GROUPS[group(member)], options)).await.unwrap();
    Member { subscription, tags: BTreeMap::new(), past: Vec::new() }
}

/// Events are numbered as they stand in the log.
fn position(delivery: &Delivery) -> u64 {
    let position = u64::try_from(delivery.event.id.uuid().as_u128() - 1).unwrap();
    assert_eq!(delivery.event, event(position.into()), "an event comes as it was published");
    position
}

impl Scene {
    pub(crate) async fn open() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Seconds(AtomicI64::new(1_000_000))));
        let bus = Some(open(&folder, &clock));
        let mut scene = Self {
            folder,
            clock,
            bus,
            members: Vec::new(),
            groups: Default::default(),
            published: Vec::new(),
            floor: 0,
        };
        scene.everybody_joins().await;
        scene
    }

    async fn everybody_joins(&mut self) {
        for member in 0..MEMBERS {
            let joined = join(self.bus(), member).await;
            self.members.push(joined);
        }
    }

    fn bus(&self) -> &EmbeddedBus {
        self.bus.as_ref().unwrap()
    }

    fn head(&self) -> u64 {
        self.published.len() as u64
    }

    fn group(&mut self, member: usize) -> &mut Group {
        &mut self.groups[group(member)]
    }

    pub(crate) async fn happen(&mut self, action: Action) {
        let now = self.clock.get();
        match action {
            Action::Publish(count) => self.publish(count, now).await,
            Action::Take(member) => self.take(member, now).await,
            Action::Ack(member, end) => {
                if let Some(position) = self.held(member, end) {
                    self.ack(member, position, now).await;
                }
            }
            Action::Retry(member, end, after) => self.retry(member, end, after, now).await,
            Action::SettleAgain(member, which) => self.settle_again(member, which, now).await,
            Action::Leave(member) => {
                self.group(member).leave(member, now);
                self.members[member] = join(self.bus(), member).await;
            }
            Action::Clock(seconds) => {
                self.clock.0.fetch_add(seconds, Ordering::SeqCst);
            }
            Action::Prune(age) => self.prune(now - age, now).await,
            Action::Crash => self.end(false).await,
            Action::Restart => self.end(true).await,
        }
    }

    async fn publish(&mut self, count: usize, now: i64) {
        let first = u128::from(self.head()) + 1;
        publish(self.bus(), (first..first + count as u128).map(event).collect()).await;
        self.published.extend(vec![now; count]);
    }

    async fn take(&mut self, member: usize, now: i64) {
        let there = self.floor + 1..=self.head();
        let group = self.group(member);
        group.looks_at(now);
        group.expire(now);
        let ready = group.ready(there, now);
        let next = self.members[member].subscription.next();
        if ready == 0 {
            let nothing = tokio::time::timeout(Duration::ZERO, next).await;
            assert!(nothing.is_err(), "nothing is there for {member}, but it got {nothing:?}");
            return;
        }
        let batch = within(next).await.unwrap();
        assert!((1..=1 + member).contains(&batch.len()));
        for delivery in &batch {
            let position = position(delivery);
            let published_at = self.published[usize::try_from(position).unwrap() - 1];
            assert_eq!(delivery.published_at.as_second(), published_at);
            self.members[member].tags.insert(position, delivery.tag);
            self.members[member].past.push((position, delivery.tag));
        }
        let taken: Vec<(u64, u32)> =
            batch.iter().map(|delivery| (position(delivery), delivery.attempt)).collect();
        self.group(member).took(member, &taken, now);
    }

    fn held(&mut self, member: usize, end: End) -> Option<u64> {
        let held = self.group(member).held_by(member);
        match end {
            End::First => held.first().map(|(position, _)| *position),
            End::Last => held.last().map(|(position, _)| *position),
        }
    }

    async fn settle(&mut self, member: usize, tag: Tag, verdict: Verdict) {
        let member = &mut self.members[member];
        within(member.subscription.settle(vec![Settlement { tag, verdict }])).await.unwrap();
    }

    /// What was settled before, or went to others, is not settled by this.
    async fn settle_again(&mut self, member: usize, which: usize, now: i64) {
        let held = self.group(member).held_by(member);
        let Member { past, tags, .. } = &self.members[member];
        let is_held = |position: &u64| held.iter().any(|(held, _)| held == position);
        let old: Vec<Tag> = past
            .iter()
            .filter(|(position, tag)| !is_held(position) || tags[position] != *tag)
            .map(|(_, tag)| *tag)
            .collect();
        if !old.is_empty() {
            self.settle(member, old[which % old.len()], Verdict::Ack).await;
            self.group(member).looks_at(now);
        }
    }

    async fn ack(&mut self, member: usize, position: u64, now: i64) {
        let tag = self.members[member].tags[&position];
        self.settle(member, tag, Verdict::Ack).await;
        let group = self.group(member);
        group.looks_at(now);
        group.ack(position);
    }

    async fn retry(&mut self, member: usize, end: End, after: u64, now: i64) {
        let Some(position) = self.held(member, end) else { return };
        let tag = self.members[member].tags[&position];
        let verdict = Verdict::Retry { after: Duration::from_secs(after), reason: "a test's".to_owned() };
        self.settle(member, tag, verdict).await;
        let group = self.group(member);
        group.looks_at(now);
        group.retry(position, now + after.cast_signed());
        self.groups.iter_mut().for_each(Group::write);
    }

    async fn prune(&mut self, before: i64, now: i64) {
        let kept = |(_, published): &(usize, &i64)| **published >= before;
        let old = self.published.iter().enumerate().skip(usize::try_from(self.floor).unwrap());
        let through = old.into_iter().find(kept).map_or(self.head(), |(index, _)| index as u64);
        let forgotten =
            within(self.bus().prune(SUBJECT, Timestamp::from_second(before).unwrap())).await.unwrap();
        assert_eq!(forgotten, through - self.floor);
        self.floor = through;
        self.groups.iter_mut().for_each(|group| group.forget(through));
        // What a member holds it may still settle.
        for member in 0..MEMBERS {
            for (position, _) in self.group(member).held_by(member) {
                if position <= through {
                    self.ack(member, position, now).await;
                }
            }
        }
    }

    async fn end(&mut self, in_good_order: bool) {
        self.members.clear();
        if in_good_order {
            let now = self.clock.get();
            for member in 0..MEMBERS {
                self.group(member).leave(member, now);
            }
            self.groups.iter_mut().for_each(Group::write);
            within(self.bus().close()).await.unwrap();
        }
        self.groups.iter_mut().for_each(Group::crash);
        // The file is free when the old bus is gone, so that goes first.
        drop(self.bus.take());
        self.bus = Some(open(&self.folder, &self.clock));
        self.everybody_joins().await;
    }

    /// The group's progress says what the model says.
    pub(crate) async fn agrees(&self) {
        for (name, group) in GROUPS.into_iter().zip(&self.groups) {
            let backlog = within(self.bus().backlog(SUBJECT, name)).await.unwrap();
            let unsettled = group.unsettled(self.head());
            assert_eq!(backlog.pending, unsettled.len() as u64, "{group:?}");
            if let Some(oldest) = unsettled.first() {
                let through = backlog.settled_through.through(0);
                assert!(
                    through < Some(*oldest),
                    "progress is at {through:?}, {oldest} isn't settled: {group:?}"
                );
            }
        }
    }

    /// From here on all is taken and acknowledged. Then each group has acknowledged all that was not forgotten.
    pub(crate) async fn drain(mut self) {
        for member in 0..MEMBERS {
            self.happen(Action::Leave(member)).await;
        }
        for member in [0, MEMBERS - 1] {
            self.happen(Action::Clock(1_000)).await;
            while !self.groups[group(member)].unsettled(self.head()).is_empty() {
                self.happen(Action::Take(member)).await;
                while self.held(member, End::First).is_some() {
                    self.happen(Action::Ack(member, End::First)).await;
                }
            }
        }
        self.agrees().await;
        for group in &self.groups {
            let lost = (self.floor + 1..=self.head()).find(|position| !group.acked.contains(position));
            assert_eq!(lost, None, "{group:?}");
        }
        self.happen(Action::Restart).await;
        assert!(self.groups.iter().all(|group| group.unsettled(self.head()).is_empty()));
        self.agrees().await;
        within(self.bus().close()).await.unwrap();
    }
}
