//! The task behind a subscription: it asks the server for events ahead of need, lets go of what its member doesn't settle in
//! time, and hands everything back when the member leaves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use ecs_bus::{BusError, Group, Subject};
use ecs_domain::Timestamp;
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ledger::{Key, Ledger};
use crate::link::{Link, UNREAD};
use crate::member::{Fetched, Member, Phase};
use crate::message::{self, Stamp};
use crate::{consumers, streams, subscription};

/// How long a request for events stands.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that a request still stands while there is nothing to deliver.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// When a request is given up because the server says nothing.
const SILENCE: Duration = Duration::from_secs(5);
/// How long to wait after the server has refused a request.
const PAUSE: Duration = Duration::from_millis(250);
/// When an event comes again whose failures can't be looked up.
const LATER: Duration = Duration::from_millis(500);
/// How many bytes one request asks for at most.
const LARGEST_PULL: usize = 32 << 20;
/// How long a leaving member waits for events that are on their way to it.
const FAREWELL: Duration = Duration::from_secs(2);
/// How many messages besides events may be on their way at once: heartbeats, and the ends of requests.
const STATUSES: u64 = 8;

pub(crate) struct Puller {
    subject: Subject,
    group: Group,
    link: Link,
    ledger: Arc<Ledger>,
    member: Arc<Member>,
    closing: watch::Receiver<bool>,
    /// Where events arrive while requests stand.
    inbox: Option<Inbox>,
    /// Not to ask again before this.
    rest_until: Option<Instant>,
}

struct Inbox {
    subject: String,
    messages: Subscriber,
    /// How many events are asked for and not delivered yet.
    asked: usize,
    /// How many messages have arrived, of any kind.
    received: u64,
    /// On which connection they were.
    epoch: u64,
    /// When the server said something last.
    heard: Instant,
}

/// What a message of the inbox is.
enum Arrival {
    Event(Message),
    /// So many events that were asked for won't come.
    Unanswered(usize),
    /// Nothing that concerns the member: the server says that it is there, or we hear ourselves.
    Sound,
    /// The server refuses: the consumer or JetStream is not there.
    Refused,
}

impl Puller {
    pub(crate) fn new(
        subject: Subject,
        group: Group,
        link: Link,
        ledger: Arc<Ledger>,
        member: Arc<Member>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self { subject, group, link, ledger, member, closing, inbox: None, rest_until: None }
    }

    pub(crate) async fn run(mut self) {
        while self.goes_on() {
            let due = self.member.due();
            if !due.expired.is_empty() || !due.unclaimed.is_empty() {
                self.let_go(due.expired, due.unclaimed).await;
                continue;
            }
            if let Err(error) = self.ask().await {
                tracing::warn!(group = %self.group, %error, "events can't be asked for");
                self.inbox = None;
                self.rest_until = Some(Instant::now() + PAUSE);
            }
            self.wait(due.next).await;
        }
        self.leave().await;
    }

    fn goes_on(&self) -> bool {
        if *self.closing.borrow() {
            self.member.end(Phase::Closed);
        }
        self.member.phase() == Phase::Joined
    }

    /// Asks for more when the member will soon need it. Requests are lost with their connection, and are as good as lost
    /// when the server has not said anything for a while.
    async fn ask(&mut self) -> Result<(), BusError> {
        let epoch = self.link.epoch();
        if self.inbox.as_ref().is_some_and(|inbox| inbox.epoch != epoch || inbox.is_silent()) {
            self.close_inbox().await;
        }
        let resting = self.rest_until.is_some_and(|until| Instant::now() < until);
        let Some(fetched) = self.member.appetite().filter(|_| !resting && self.link.is_connected()) else {
            return Ok(());
        };
        if self.rest_until.take().is_some() {
            // Whatever was refused may have gone with its consumer, so that is looked after first.
            consumers::open(&self.link, self.subject, self.group, self.member.options).await?;
        }
        let max_batch = self.member.max_batch().min(UNREAD / 4);
        let coming = fetched + self.inbox.as_ref().map_or(0, |inbox| inbox.asked);
        if coming > max_batch / 2 {
            return Ok(());
        }
        let wanted = max_batch - coming;
        let Inbox { subject, asked, heard, .. } = match &mut self.inbox {
            Some(inbox) => inbox,
            empty => empty.insert(Inbox::open(&self.link, epoch).await?),
        };
        let request = json!({
            "batch": wanted,
            "expires": u64::try_from(EXPIRES.as_nanos()).unwrap_or(u64::MAX),
            "idle_heartbeat": u64::try_from(HEARTBEAT.as_nanos()).unwrap_or(u64::MAX),
            "max_bytes": LARGEST_PULL,
        });
        let to = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", streams::name(self.subject), self.group);
        *asked += wanted;
        *heard = Instant::now();
        let reply = subject.clone();
        let sent = self.link.client.publish_with_reply(to, reply, request.to_string().into()).await;
        sent.map_err(|error| BusError::Unavailable(error.to_string()))
    }

    /// Waits until something happens that concerns this task, and takes what has arrived.
    async fn wait(&mut self, until: Option<Instant>) {
        let silence = self.inbox.as_ref().filter(|inbox| inbox.asked > 0).map(|inbox| inbox.heard + SILENCE);
        let until = [until, silence, self.rest_until].into_iter().flatten().min();
        let epoch = self.inbox.as_ref().map_or_else(|| self.link.epoch(), |inbox| inbox.epoch);
        let connected = self.link.is_connected();
        let message = async {
            match &mut self.inbox {
                Some(inbox) => inbox.messages.next().await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            message = message => message,
            () = self.member.moved.notified() => None,
            () = sleep_until(until) => None,
            () = self.link.lost(epoch) => None,
            _ = self.link.connected(), if !connected => None,
            _ = self.closing.changed() => None,
        };
        if let Some(first) = first {
            self.take(first).await;
        }
    }

    /// Takes a message and whatever else has arrived with it.
    async fn take(&mut self, first: Message) {
        let Some(inbox) = &mut self.inbox else { return };
        let mut messages = vec![first];
        let most = self.member.max_batch();
        while messages.len() < most {
            let Some(Some(message)) = inbox.messages.next().now_or_never() else { break };
            messages.push(message);
        }
        inbox.heard = Instant::now();
        inbox.received += messages.len() as u64;
        let mut events = VecDeque::new();
        for message in messages {
            match arrival(message) {
                Arrival::Event(message) => {
                    inbox.asked = inbox.asked.saturating_sub(1);
                    events.push_back(message);
                }
                Arrival::Unanswered(count) => inbox.asked = inbox.asked.saturating_sub(count),
                Arrival::Sound => {}
                Arrival::Refused => {
                    inbox.asked = 0;
                    self.rest_until = Some(Instant::now() + PAUSE);
                }
            }
        }
        let fetched = self.with_failures(events).await;
        if !fetched.is_empty() {
            self.member.add(fetched);
        }
    }

    /// The events of messages, each with its failures. Only what comes again can have failed before.
    async fn with_failures(&self, messages: VecDeque<Message>) -> Vec<Fetched> {
        let at = Instant::now();
        let mut again = Vec::new();
        let mut fetched = Vec::with_capacity(messages.len());
        for message in messages {
            let Some(stamp) = Stamp::of(&message) else {
                tracing::error!(group = %self.group, "a delivery of NATS can't be understood");
                continue;
            };
            let Message { reply, payload, headers, .. } = message;
            let Some(reply) = reply else { continue };
            let event = message::event(self.subject, stamp.sequence, headers.as_ref(), payload);
            if stamp.delivered > 1 {
                let (subject, group, sequence) = (self.subject, self.group, stamp.sequence);
                again.push((fetched.len(), Key { subject, group, sequence, event: event.id }));
            }
            let (sequence, published_at) = (stamp.sequence, stamp.published_at);
            fetched.push(Fetched { event, sequence, published_at, reply, failures: Default::default(), at });
        }
        let (places, keys): (Vec<usize>, Vec<Key>) = again.into_iter().unzip();
        match self.ledger.find(&keys).await {
            Ok(found) => {
                for (place, failures) in places.into_iter().zip(found) {
                    if let Some(fetched) = fetched.get_mut(place) {
                        fetched.failures = failures;
                    }
                }
                fetched
            }
            Err(error) => {
                tracing::warn!(group = %self.group, %error, "what comes again waits until its failures are known");
                let is_again = |place: &usize| places.binary_search(place).is_ok();
                let (again, first): (Vec<_>, Vec<_>) =
                    fetched.into_iter().enumerate().partition(|(place, _)| is_again(place));
                let again = again.into_iter().map(|(_, fetched)| fetched.reply).collect();
                self.hand_back(again, LATER).await;
                first.into_iter().map(|(_, fetched)| fetched).collect()
            }
        }
    }

    /// Lets go of what the member doesn't settle or doesn't come for, and asks for nothing more until it comes again: the
    /// events shall go to the others.
    async fn let_go(&mut self, expired: Vec<crate::member::Held>, unclaimed: Vec<Fetched>) {
        self.close_inbox().await;
        let mut replies: Vec<_> = expired.iter().map(|held| held.reply.clone()).collect();
        replies.extend(unclaimed.into_iter().map(|fetched| fetched.reply));
        let now = Timestamp::now();
        let reason = "it was not settled within its lease";
        let expired = expired.into_iter();
        let records: Vec<_> =
            expired.map(|held| subscription::record(self.subject, self.group, held, now, reason)).collect();
        if !records.is_empty() {
            tracing::warn!(group = %self.group, deliveries = records.len(), "deliveries were not settled within their lease");
            if let Err(failure) = self.ledger.keep(&records).await {
                tracing::warn!(group = %self.group, %failure, "failures of events are not counted");
            }
        }
        self.hand_back(replies, Duration::ZERO).await;
    }

    /// Ends the requests. What is on its way already is waited for and kept: the server holds it for delivered.
    async fn close_inbox(&mut self) {
        let Some(mut inbox) = self.inbox.take() else { return };
        let mut late = VecDeque::new();
        if inbox.epoch == self.link.epoch() {
            // With the connection gone nothing ends it; what was delivered comes again after its lease.
            let _ = tokio::time::timeout(FAREWELL, inbox.run_dry(&self.link, &mut late)).await;
        }
        while let Some(Some(message)) = inbox.messages.next().now_or_never() {
            late.push_back(message);
        }
        let events = late.into_iter().filter_map(|message| match arrival(message) {
            Arrival::Event(message) => Some(message),
            Arrival::Unanswered(_) | Arrival::Sound | Arrival::Refused => None,
        });
        let fetched = self.with_failures(events.collect()).await;
        if !fetched.is_empty() {
            self.member.add(fetched);
        }
    }

    /// Gives everything back before the task ends.
    async fn leave(&mut self) {
        self.close_inbox().await;
        self.hand_back(self.member.give_up(), Duration::ZERO).await;
    }

    /// Hands deliveries back, to be delivered again. That counts as nobody's failure: only the ledger counts.
    async fn hand_back(&self, replies: Vec<async_nats::Subject>, after: Duration) {
        let word = message::nak(after);
        let words: Vec<(_, Bytes)> = replies.into_iter().map(|reply| (reply, word.clone())).collect();
        if let Err(error) = subscription::tell(&self.link, words).await {
            tracing::warn!(group = %self.group, %error, "deliveries come again only after their lease");
        }
    }
}

/// However the task ends, its member must not wait for it.
impl Drop for Puller {
    fn drop(&mut self) {
        self.member.end(Phase::Closed);
    }
}

impl Inbox {
    async fn open(link: &Link, epoch: u64) -> Result<Self, BusError> {
        let subject = link.client.new_inbox();
        let messages = link.client.subscribe(subject.clone()).await;
        let messages = messages.map_err(|error| BusError::Unavailable(error.to_string()))?;
        Ok(Self { subject, messages, asked: 0, received: 0, epoch, heard: Instant::now() })
    }

    /// Ends the subscription at a place in its own row of messages that server and client know alike, and takes everything up
    /// to there.
    ///
    /// An `UNSUB` that counts at once would do for the server, but the client library forgets the subscription with it, and
    /// whatever is on its way by then would be lost until its lease is over. So both are told to end after as many more messages
    /// as can be on their way at most, and we send that many ourselves. What the server would deliver after that it knows
    /// to be undelivered, and delivers elsewhere.
    async fn run_dry(&mut self, link: &Link, late: &mut VecDeque<Message>) {
        let more = self.asked as u64 + STATUSES;
        if self.messages.unsubscribe_after(self.received + more).await.is_err() {
            return;
        }
        for _ in 0..more {
            if link.client.publish(self.subject.clone(), Bytes::new()).await.is_err() {
                return;
            }
        }
        while let Some(message) = self.messages.next().await {
            late.push_back(message);
        }
    }

    fn is_silent(&self) -> bool {
        self.asked > 0 && self.heard.elapsed() >= SILENCE
    }
}

fn arrival(message: Message) -> Arrival {
    match message.status {
        None | Some(StatusCode::OK) if message.reply.is_none() => Arrival::Sound,
        None | Some(StatusCode::OK) => Arrival::Event(message),
        Some(StatusCode::IDLE_HEARTBEAT) => Arrival::Sound,
        Some(StatusCode::NO_RESPONDERS) => Arrival::Refused,
        Some(status) => {
            let headers = message.headers.as_ref();
            let unanswered = headers.and_then(|headers| headers.get("Nats-Pending-Messages"));
            match unanswered.and_then(|count| count.as_str().parse().ok()) {
                Some(count) => Arrival::Unanswered(count),
                None => {
                    let reason = message.description.as_deref().unwrap_or_default();
                    tracing::warn!(%status, reason, "NATS delivers nothing");
                    Arrival::Refused
                }
            }
        }
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
