//! The bus itself: the contract over queues, streams and members.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ecs_breaker::Breaker;
use ecs_bus::{
    Backlog, Bus, BusError, Capabilities, Event, Frontier, Group, LogPage, Position, PublishError, Subject,
    SubscribeOptions, Subscription, Window,
};
use ecs_bus_outgoing::{Queues, locked};
use ecs_domain::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::census::Census;
use crate::control::Control;
use crate::courier::Courier;
use crate::link::{self, Link, away};
use crate::member::Member;
use crate::names::Names;
use crate::publisher::{self, Publisher};
use crate::puller::Puller;
use crate::settle::Voice;
use crate::subscription::RabbitSubscription;
use crate::{Options, backlog, groups, log, prune, topology};

/// How long a ping waits for its answer.
const PING: Duration = Duration::from_secs(1);

/// How often other processes are told how far a group has come.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What every part of the bus uses.
pub(crate) struct Core {
    pub(crate) names: Names,
    /// Where events are published.
    pub(crate) talk: Link,
    /// Where everything else happens; the server never stops reading what comes here.
    pub(crate) listen: Link,
    pub(crate) courier: Arc<Courier>,
    pub(crate) control: Control,
    pub(crate) census: Arc<Census>,
    /// How far each group was when it had nothing left to do, by its queue, and when others were told.
    settled: Mutex<HashMap<String, Settled>>,
}

#[derive(Default)]
struct Settled {
    through: Option<u64>,
    /// Not to tell others again before this.
    quiet_until: Option<Instant>,
}

impl Core {
    /// Notes that a group had nothing left to do, after the log had come to this place, and tells the other processes now and then:
    /// those that never see the group idle.
    pub(crate) async fn settled(&self, queue: &str, end: Option<u64>) {
        let now = Instant::now();
        let news = {
            let mut settled = locked(&self.settled);
            let own = settled.entry(queue.to_owned()).or_default();
            own.through = own.through.max(end);
            let is_quiet = own.quiet_until.is_some_and(|until| now < until);
            let news =
                own.through.filter(|through| !is_quiet && self.control.settled(queue) < Some(*through));
            own.quiet_until = if news.is_some() { Some(now + TELL_EVERY) } else { own.quiet_until };
            news
        };
        if let Some(through) = news
            && let Err(error) = self.control.set_settled(&self.courier, queue, through).await
        {
            tracing::debug!(queue, %error, "other processes don't hear how far the group has come");
        }
    }

    /// How far a group has certainly come.
    pub(crate) fn settled_through(&self, subject: Subject, queue: &str) -> Frontier {
        let own = locked(&self.settled).get(queue).and_then(|settled| settled.through);
        // What is forgotten is settled for good, too.
        let forgotten = self.control.floor(subject).offset.checked_sub(1);
        let through = own.max(self.control.settled(queue)).max(forgotten);
        through.map(Position::single).into_iter().collect()
    }
}

/// A bus over a RabbitMQ server or cluster, shared by all processes that name the same address. [`Bus::close`] ends it in good order.
/// Dropping it finishes what was published in the background.
pub struct RabbitBus {
    core: Arc<Core>,
    queues: Queues<Subject>,
    publishers: Mutex<JoinSet<()>>,
    members: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
    /// Whether a first close has begun; a second one waits for it.
    closed: tokio::sync::Mutex<bool>,
    breaker: Breaker,
}

impl RabbitBus {
    /// Connects, and makes what is missing on the server. [`BusError::Corrupt`] names what is there with other settings;
    /// [`BusError::Unavailable`] when RabbitMQ can't be reached.
    pub async fn open(options: Options) -> Result<Self, BusError> {
        let servers = link::parse(&options.url, options.root_certificates.as_deref())?;
        let names = Names::new(&options.prefix);
        let talk = Link::open(&servers, "publisher", options.patience).await?;
        let listen = Link::open(&servers, "listener", options.patience.max(PING)).await?;
        topology::open(&listen, &names, &options).await?;
        let closing = watch::Sender::new(false);
        let courier = Arc::new(Courier::new(talk.clone(), options.publish_timeout));
        let control = Control::open(&listen, &courier, names.control(), closing.subscribe()).await?;
        let census = Census::open(&listen, Arc::clone(&courier), names.questions(), closing.subscribe());
        let settled = Mutex::default();
        let core = Arc::new(Core { names, talk, listen, courier, control, census, settled });
        let own = Subject::ALL.map(|subject| (subject, core.names.group(subject, subject.group())));
        groups::open(&core, &own).await?;
        let window = Window::new(options.window_events, options.window_bytes, options.max_payload);
        let breaker = Breaker::new("bus", options.breaker, &options.metrics);
        let (mut queues, mut publishers) = (Queues::new(window), JoinSet::new());
        for subject in Subject::ALL {
            // It takes all that is there: the server gathers what it flushes by itself.
            let own = queues.add(subject, usize::MAX);
            let publisher = Publisher::new(subject, &core.names, own, &core.talk, &breaker, &options);
            publishers.spawn(publisher.run());
        }
        let (publishers, members) = (Mutex::new(publishers), Mutex::default());
        let closed = tokio::sync::Mutex::default();
        Ok(Self { core, queues, publishers, members, closing, closed, breaker })
    }

    fn check_open(&self) -> Result<(), BusError> {
        if *self.closing.borrow() { Err(BusError::Closed) } else { Ok(()) }
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn publish(&self, batch: Vec<Event>) -> Vec<Result<(), PublishError>> {
        let count = batch.len();
        if *self.closing.borrow() {
            return vec![Err(PublishError::Closed); count];
        }
        if let Some(refusal) = publisher::refusal(&self.breaker, &self.core.talk) {
            return vec![Err(refusal); count];
        }
        self.queues.publish(batch, |event| event.subject).await
    }

    async fn subscribe(
        &self,
        subject: Subject,
        group: Group,
        options: SubscribeOptions,
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.check_open()?;
        let queue = self.core.names.group(subject, group);
        groups::open(&self.core, &[(subject, queue.clone())]).await?;
        let core = Arc::clone(&self.core);
        let member = Arc::new(Member::new(options));
        let voice = Arc::new(Voice::new(Arc::clone(&core), queue.clone(), Arc::clone(&member)));
        let puller = Puller {
            questions: core.census.join(&queue),
            known: core.control.watch(),
            core,
            subject,
            queue,
            member: Arc::clone(&member),
            voice: Arc::clone(&voice),
            closing: self.closing.subscribe(),
            line: None,
            retired: Vec::new(),
            channels: 0,
            rest_until: None,
            gather_until: None,
        };
        {
            let mut members = locked(&self.members);
            // Those that have ended take no more room.
            while members.try_join_next().is_some() {}
            members.spawn(puller.run());
        }
        Ok(Box::new(RabbitSubscription { member, voice }))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            transport: "rabbitmq",
            stored_once_per_id: false,
            // What comes again comes behind what was published since, and members are sent one user's events side by side.
            ordered_per_key: false,
            keeps_log: true,
            shared: true,
        }
    }

    async fn backlog(&self, subject: Subject, group: Group) -> Result<Backlog, BusError> {
        self.check_open()?;
        backlog::of(&self.core, subject, group).await
    }

    async fn log(&self, subject: Subject, after: &Frontier, limit: usize) -> Result<LogPage, BusError> {
        self.check_open()?;
        log::page(&self.core, subject, after, limit).await
    }

    async fn prune(&self, subject: Subject, before: Timestamp) -> Result<u64, BusError> {
        self.check_open()?;
        prune::forget(&self.core, subject, before).await
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.check_open()?;
        if !self.core.talk.is_connected() || !self.core.listen.is_connected() {
            return Err(away(&"there is no connection"));
        }
        if self.core.talk.is_blocked() {
            return Err(away(&"the server runs out of memory or disk"));
        }
        let log = self.core.names.log(Subject::Emotions);
        let asked = tokio::time::timeout(PING, topology::counts(&self.core.listen, &log)).await;
        match asked.unwrap_or_else(|_| Err(away(&"it does not answer")))? {
            Some(_) => Ok(()),
            None => Err(away(&"the log is gone")),
        }
    }

    async fn close(&self) -> Result<(), BusError> {
        self.closing.send_replace(true);
        let mut closed = self.closed.lock().await;
        if std::mem::replace(&mut *closed, true) {
            return Ok(());
        }
        self.queues.drain();
        let mut publishers = std::mem::take(&mut *locked(&self.publishers));
        let mut members = std::mem::take(&mut *locked(&self.members));
        while publishers.join_next().await.is_some() {}
        while members.join_next().await.is_some() {}
        tokio::join!(self.core.talk.close(), self.core.listen.close());
        Ok(())
    }
}

impl Drop for RabbitBus {
    fn drop(&mut self) {
        self.queues.drain();
        locked(&self.publishers).detach_all();
        self.closing.send_replace(true);
        locked(&self.members).detach_all();
    }
}
