//! One task per subject sends what was admitted, and answers each request when the server has confirmed all of it.
//!
//! The server gathers what it flushes by itself, so everything goes at once and nobody waits for a group to fill.

use std::sync::Arc;
use std::time::Duration;

use ecs_breaker::{Breaker, Permit, State};
use ecs_bus::{Event, Failures, PublishError, Subject};
use ecs_bus_outgoing::{Queue, Request, Results};
use ecs_domain::Timestamp;
use ecs_metrics::Metrics;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use lapin::Channel;
use lapin::types::ShortString;

use crate::courier::{self, Fate, Parcel};
use crate::link::{Link, OnLink};
use crate::message;
use crate::names::Names;
use crate::{Options, topology};

/// When it is worth another try after the server ran out of memory or disk.
const ALARM_RETRY: Duration = Duration::from_secs(5);

/// Publishes the events of one subject.
pub(crate) struct Publisher {
    subject: Subject,
    names: Names,
    queue: Arc<Queue>,
    link: Link,
    breaker: Breaker,
    metrics: Metrics,
    options: Options,
    channel: Option<OnLink>,
}

/// A request after its end.
struct Done {
    request: Request,
    fates: Vec<Fate>,
    permit: Permit,
    /// The server didn't answer in time.
    timed_out: bool,
}

impl Publisher {
    pub(crate) fn new(
        subject: Subject,
        names: &Names,
        queue: Arc<Queue>,
        link: &Link,
        breaker: &Breaker,
        options: &Options,
    ) -> Self {
        Self {
            subject,
            names: names.clone(),
            queue,
            link: link.clone(),
            breaker: breaker.clone(),
            metrics: options.metrics.clone(),
            options: options.clone(),
            channel: None,
        }
    }

    /// Publishes until the queue drains, and finishes what it has begun.
    pub(crate) async fn run(mut self) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                filled = self.queue.filled() => {
                    if !filled {
                        break;
                    }
                    for request in self.begin().await {
                        under_way.push(request);
                    }
                }
                Some(done) = under_way.next(), if !under_way.is_empty() => self.finish(done).await,
            }
        }
        while let Some(done) = under_way.next().await {
            self.finish(done).await;
        }
    }

    /// Takes what waits and sends it.
    async fn begin(&mut self) -> Vec<impl Future<Output = Done> + Send + use<>> {
        let requests = self.queue.take();
        let events = requests.iter().map(|request| request.events.len()).sum();
        self.metrics.bus_batch("published", self.subject.as_str(), events);
        let channel = self.reachable().await;
        let mut begun = Vec::with_capacity(requests.len());
        for request in requests {
            match self.breaker.admit() {
                Ok(permit) => begun.push(self.send(request, channel.clone(), permit)),
                Err(open) => {
                    let refusal = PublishError::Unavailable(format!(
                        "RabbitMQ did not answer lately; next try in {:?}",
                        open.retry_after
                    ));
                    let results = vec![Err(refusal); request.events.len()];
                    self.queue.answer(request, results);
                }
            }
        }
        begun
    }

    /// The channel, a new one if need be. The error says why there is none.
    async fn reachable(&mut self) -> Result<Channel, String> {
        let usable = |it: &OnLink| self.link.has(it.epoch) && it.channel.status().connected();
        if let Some(current) = self.channel.as_ref().filter(|it| usable(it)) {
            return Ok(current.channel.clone());
        }
        let opened = courier::confirming(&self.link).await.map_err(|error| error.to_string())?;
        Ok(self.channel.insert(opened).channel.clone())
    }

    fn send(
        &self,
        request: Request,
        channel: Result<Channel, String>,
        permit: Permit,
    ) -> impl Future<Output = Done> + Send + use<> {
        let (exchange, routing_key) =
            (ShortString::from(self.names.events()), ShortString::from(self.subject.as_str()));
        let limit = self.options.publish_timeout;
        async move {
            let count = request.events.len();
            let channel = match channel {
                Ok(channel) => channel,
                Err(reason) => {
                    let fates = vec![Fate::Unheard(reason); count];
                    return Done { request, fates, permit, timed_out: false };
                }
            };
            let now = Timestamp::now();
            let parcel = |event: &Event| Parcel {
                exchange: exchange.clone(),
                routing_key: routing_key.clone(),
                properties: message::properties(event, now, &Failures::default()),
                payload: event.payload.clone(),
            };
            let sending = request.events.iter().map(|event| courier::send(channel.clone(), parcel(event)));
            match tokio::time::timeout(limit, join_all(sending)).await {
                Ok(fates) => Done { request, fates, permit, timed_out: false },
                Err(_) => {
                    let fates = vec![Fate::Unheard("no confirmation came in time".to_owned()); count];
                    Done { request, fates, permit, timed_out: true }
                }
            }
        }
    }

    /// Answers a request.
    async fn finish(&mut self, done: Done) {
        let Done { request, fates, permit, timed_out } = done;
        // A refusal is an answer: who gives it is there. And who has said that he is full is not away.
        match fates.iter().any(|fate| matches!(fate, Fate::Unheard(_))) {
            true if self.link.is_blocked() => drop(permit),
            true => permit.failed(),
            false => permit.succeeded(),
        }
        if timed_out {
            // What is still unconfirmed would be remembered for as long as the channel lives.
            self.channel = None;
        }
        self.report(&fates);
        let is_refused = fates.iter().any(|fate| matches!(fate, Fate::Refused(_)));
        let results: Results =
            fates.into_iter().map(|fate| fate.result().map_err(PublishError::Unavailable)).collect();
        self.queue.answer(request, results);
        if is_refused && let Err(error) = topology::open(&self.link, &self.names, &self.options).await {
            tracing::warn!(subject = %self.subject, %error, "what is missing on RabbitMQ can't be made again");
        }
    }

    fn report(&self, fates: &[Fate]) {
        let failed = fates.iter().filter(|fate| **fate != Fate::Kept).count();
        let reason = fates.iter().find_map(|fate| match fate {
            Fate::Refused(reason) | Fate::Unheard(reason) => Some(reason),
            Fate::Kept => None,
        });
        if let Some(reason) = reason {
            tracing::warn!(subject = %self.subject, failed, of = fates.len(), %reason, "events were not made durable");
        }
    }
}

/// The answer while nothing can be accepted; `None` when events may be tried.
pub(crate) fn refusal(breaker: &Breaker, link: &Link) -> Option<PublishError> {
    if link.is_blocked() {
        return Some(PublishError::WindowFull { retry_after: ALARM_RETRY });
    }
    match breaker.state() {
        State::Open => Some(PublishError::Unavailable("RabbitMQ did not answer lately".to_owned())),
        State::Closed | State::HalfOpen => None,
    }
}
