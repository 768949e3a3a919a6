//! The task behind a subscription: it has events sent ahead of need, lets go of what its member doesn't settle in time, and hands
//! everything back when the member leaves.

use std::sync::Arc;
use std::time::Duration;

use ecs_bus::{BusError, Subject};
use futures::FutureExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::bus::Core;
use crate::consumers::Consumers;
use crate::control::Known;
use crate::link::{OnLink, away};
use crate::member::{Due, Fetched, Holding, Member, Phase, Place};
use crate::settle::{Failed, Voice};
use crate::{groups, message, names, topology};

/// How long to wait after the server has refused something.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to end a consumer.
const CANCELLED_WITHIN: Duration = Duration::from_secs(2);
/// The most messages that are sent to one consumer ahead of their acknowledgement.
const MOST: usize = u16::MAX as usize;

/// How long arrivals gather while a batch fills that may linger anyway: to wake for every few is half the work.
const GATHER: Duration = Duration::from_millis(1);

/// Whoever asks what a member holds; no answer means that it is none right now.
pub(crate) type Asked = oneshot::Sender<Holding>;

pub(crate) struct Puller {
    pub(crate) core: Arc<Core>,
    pub(crate) subject: Subject,
    pub(crate) queue: String,
    pub(crate) member: Arc<Member>,
    pub(crate) voice: Arc<Voice>,
    pub(crate) questions: mpsc::Receiver<Asked>,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) known: watch::Receiver<Known>,
    /// Where events are sent.
    pub(crate) line: Option<Line>,
    /// Channels over which nothing more is sent. They end when the member has settled what it has from them: what the server sent
    /// behind its last word on a consumer is known to nobody here, and goes back with the channel.
    pub(crate) retired: Vec<Line>,
    /// Counts channels.
    pub(crate) channels: u64,
    /// Not to try again before this.
    pub(crate) rest_until: Option<Instant>,
    /// Not to take more messages before this.
    pub(crate) gather_until: Option<Instant>,
}

/// The member's channel, with what consumes on it.
pub(crate) struct Line {
    id: u64,
    on: OnLink,
    consumers: Consumers,
    tags: Vec<ShortString>,
    /// How many messages the server sends before it waits for acknowledgements.
    credit: usize,
    /// Keeps the member's place among the members.
    _presence: Consumer,
}

impl Line {
    fn is_alive(&self, core: &Core) -> bool {
        core.listen.has(self.on.epoch) && self.on.channel.status().connected()
    }
}

enum Woken {
    Delivered(Box<lapin::Result<lapin::message::Delivery>>),
    /// The server ended a consumer.
    Ended,
    Asked(Asked),
    Otherwise,
}

impl Puller {
    pub(crate) async fn run(mut self) {
        while self.goes_on() {
            let due = self.member.due();
            if !due.expired.is_empty() || !due.unclaimed.is_empty() {
                self.let_go(due).await;
                continue;
            }
            let served = tokio::time::timeout(ANSWERS_WITHIN, self.serve()).await;
            if let Err(error) = served.unwrap_or_else(|_| Err(away(&"it does not answer"))) {
                tracing::warn!(queue = %self.queue, %error, "events can't be asked for");
                self.hang_up().await;
                self.rest_until = Some(Instant::now() + PAUSE);
            }
            match self.wait(due.next).await {
                Woken::Delivered(first) => self.take(Some(*first)).await,
                Woken::Ended => self.hang_up().await,
                Woken::Asked(asked) => self.answer(asked).await,
                Woken::Otherwise => {}
            }
        }
        self.pause().await;
        self.voice.leave().await;
    }

    fn goes_on(&self) -> bool {
        if *self.closing.borrow() {
            self.member.end(Phase::Closed);
        }
        self.member.phase() == Phase::Joined
    }

    /// Has events sent when the member will soon need them.
    async fn serve(&mut self) -> Result<(), BusError> {
        self.tidy().await;
        if self.rest_until.is_some_and(|until| Instant::now() < until) || !self.core.listen.is_connected() {
            return Ok(());
        }
        let Some(is_hungry) = self.member.hunger() else { return Ok(()) };
        if self.line.is_none() {
            self.line = Some(self.open_line().await?);
        }
        let Some(line) = &mut self.line else { return Ok(()) };
        let is_first = line.credit == 0;
        if is_first || (is_hungry && self.member.open_on(line.id) >= line.credit) {
            // Twice a batch: one to work on, one on its way. More only when somebody holds that much and still waits.
            let ahead = self.member.max_batch().saturating_mul(2).min(MOST);
            let consumer = consume(&line.on.channel, &self.queue, ahead).await?;
            line.tags.push(consumer.tag());
            line.consumers.add(consumer);
            line.credit += ahead;
        }
        if is_first {
            // All that is there comes at once, and makes whole batches.
            heard(&line.on.channel, &self.queue).await.map_err(|error| away(&error))?;
            self.take(None).await;
        }
        Ok(())
    }

    async fn open_line(&mut self) -> Result<Line, BusError> {
        if self.rest_until.take().is_some() {
            // Whatever was refused may have gone with its queues, so these are looked after first.
            groups::open(&self.core, &[(self.subject, self.queue.clone())]).await?;
            topology::open_members(&self.core.listen, &self.queue).await?;
        }
        let on = self.core.listen.channel().await?;
        let presence = consume(&on.channel, &names::members(&self.queue), 1).await?;
        self.channels += 1;
        let id = self.channels;
        self.voice.add(id, on.channel.clone()).await;
        Ok(Line { id, on, consumers: Consumers::default(), tags: Vec::new(), credit: 0, _presence: presence })
    }

    /// Gives up the channels that are gone, and those that are needed no more.
    async fn tidy(&mut self) {
        if self.line.as_ref().is_some_and(|line| !line.is_alive(&self.core)) {
            self.hang_up().await;
        }
        for line in std::mem::take(&mut self.retired) {
            if line.is_alive(&self.core) && self.member.open_on(line.id) > 0 {
                self.retired.push(line);
            } else {
                self.voice.remove(line.id).await;
            }
        }
    }

    /// Waits until something happens that concerns this task.
    async fn wait(&mut self, until: Option<Instant>) -> Woken {
        let until = [until, self.rest_until].into_iter().flatten().min();
        let epoch = self.line.as_ref().map(|line| line.on.epoch);
        let listen = self.core.listen.clone();
        let connected = listen.is_connected();
        let gather_until = self.gather_until;
        let delivery = async {
            if let Some(until) = gather_until {
                tokio::time::sleep_until(until).await;
            }
            match &mut self.line {
                Some(line) if !line.tags.is_empty() => line.consumers.next().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        let lost = async {
            match epoch {
                Some(epoch) => listen.lost(epoch).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            delivered = delivery => delivered.map_or(Woken::Ended, |delivered| Woken::Delivered(Box::new(delivered))),
            Some(asked) = self.questions.recv() => Woken::Asked(asked),
            () = self.member.moved.notified() => Woken::Otherwise,
            () = sleep_until(until) => Woken::Otherwise,
            () = lost => Woken::Otherwise,
            () = listen.connected(), if !connected => Woken::Otherwise,
            Ok(()) = self.known.changed() => {
                self.forget().await;
                Woken::Otherwise
            }
            _ = self.closing.changed() => Woken::Otherwise,
        }
    }

    /// Takes a message and whatever else has arrived.
    async fn take(&mut self, first: Option<lapin::Result<lapin::message::Delivery>>) {
        let Some(line) = &mut self.line else { return };
        let floor = self.core.control.floor(self.subject).before;
        let at = Instant::now();
        let (mut arrived, mut fetched, mut forgotten, mut is_over) =
            (Vec::new(), Vec::new(), Vec::new(), false);
        let mut next = first;
        loop {
            let delivery = match next.take() {
                Some(delivery) => delivery,
                None => match line.consumers.next().now_or_never() {
                    Some(Some(delivery)) => delivery,
                    Some(None) | None => break,
                },
            };
            let Ok(delivery) = delivery else {
                is_over = true;
                break;
            };
            let carried = message::carried(self.subject, &delivery.properties, delivery.data);
            let place = Place { channel: line.id, number: delivery.delivery_tag };
            arrived.push((place.number, carried.published_at));
            if floor.is_some_and(|floor| carried.published_at < floor) {
                forgotten.push(place);
            } else {
                fetched.push(Fetched { carried, place, at });
            }
        }
        self.member.receive(line.id, &arrived, fetched);
        self.gather_until = self.member.is_filling(GATHER * 4).then(|| at + GATHER);
        if !forgotten.is_empty() && self.voice.done(forgotten).await.is_err() {
            is_over = true;
        }
        if is_over {
            self.hang_up().await;
        }
    }

    /// Drops what was fetched and is forgotten meanwhile.
    async fn forget(&self) {
        let Some(floor) = self.core.control.floor(self.subject).before else { return };
        if let Err(error) = self.voice.done(self.member.forget(floor)).await {
            tracing::debug!(queue = %self.queue, %error, "what is forgotten comes once more");
        }
    }

    /// Says what the member holds.
    async fn answer(&mut self, asked: Asked) {
        let lines = self.retired.iter().chain(&self.line);
        let channels: Vec<Channel> = lines.map(|line| line.on.channel.clone()).collect();
        let all_heard = async {
            for channel in &channels {
                heard(channel, &self.queue).await?;
            }
            lapin::Result::Ok(())
        };
        if let Ok(Ok(())) = tokio::time::timeout(ANSWERS_WITHIN, all_heard).await {
            self.take(None).await;
            // Who asked may have given up.
            let _ = asked.send(Holding { channels: channels.len() as u64, ..self.member.holding() });
        }
    }

    /// Lets go of what the member doesn't settle or doesn't come for, and has nothing more sent until it comes again: the events
    /// shall go to the others.
    async fn let_go(&mut self, due: Due) {
        let (excused, expired): (Vec<_>, Vec<_>) = due.expired.into_iter().partition(|held| held.excused);
        let mut back = due.unclaimed;
        if !expired.is_empty() || !back.is_empty() {
            self.pause().await;
            back.extend(self.member.unclaimed());
        }
        back.extend(excused.into_iter().map(|held| held.place));
        if !expired.is_empty() {
            tracing::warn!(queue = %self.queue, deliveries = expired.len(), "deliveries were not settled within their lease");
            let reason = "it was not settled within its lease".to_owned();
            let failed = expired.into_iter().map(|held| Failed {
                held,
                after: Duration::ZERO,
                reason: reason.clone(),
            });
            if let Err(error) = self.voice.failed(failed.collect()).await {
                tracing::warn!(queue = %self.queue, %error, "failures of events are not counted");
            }
        }
        self.voice.back(back).await;
    }

    /// Ends the consumers. What was on its way to them is kept.
    async fn pause(&mut self) {
        let Some(line) = &mut self.line else { return };
        let (channel, tags) = (line.on.channel.clone(), std::mem::take(&mut line.tags));
        let cancelling = async {
            for tag in tags {
                channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
            }
            lapin::Result::Ok(())
        };
        let cancelled = tokio::time::timeout(CANCELLED_WITHIN, cancelling).await;
        self.take(None).await;
        if matches!(cancelled, Ok(Ok(()))) {
            self.retired.extend(self.line.take());
        } else {
            self.hang_up().await;
        }
    }

    /// Gives the channel up. What was on it goes back to the group by itself.
    async fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            self.voice.remove(line.id).await;
        }
    }
}

/// Waits until everything has arrived that the queue has sent on a channel by now. The answer to the second question comes behind
/// everything that was sent before the first one was heard.
async fn heard(channel: &Channel, queue: &str) -> lapin::Result<()> {
    topology::asked(channel, queue).await?;
    topology::asked(channel, queue).await.map(drop)
}

/// Has messages of a queue sent, at most so many ahead of their acknowledgement.
pub(crate) async fn consume(channel: &Channel, queue: &str, ahead: usize) -> Result<Consumer, BusError> {
    let consuming = async {
        let ahead = u16::try_from(ahead).unwrap_or(u16::MAX);
        channel.basic_qos(ahead, BasicQosOptions::default()).await?;
        let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
        channel.basic_consume(queue.into(), tag, options, FieldTable::default()).await
    };
    consuming.await.map_err(|error| away(&error))
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
