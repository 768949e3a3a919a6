//! The worker: claims deliveries that are due, attempts them, and notes what came of it.
//!
//! Attempts run beside each other, so many in all and so many at one host, so a receiver that is slow holds up nobody but itself. One
//! that dies with its process is begun again by another when its lease has ended, under the same `webhook-id`.

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::{Clock, Timestamp};
use ecs_metrics::Metrics;
use ecs_store::{Attempt, DeliveryClaim, DueDelivery, Settlement, StoreError, Webhooks};
use ecs_work::{BackOff, Wake, retention};
use http::HeaderName;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::WebhookOptions;
use super::call::{Caller, Message};
use super::places::Places;
use super::secrets::Secrets;
use super::target::Target;
use super::verdict::{self, Answer, Trouble};
use super::{envelope, signature};

/// A webhook that has failed for so long is disabled.
const FAILING: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How long a stop waits for attempts that are under way. Those that take longer are made again, by whoever claims them next.
const STOPPING: Duration = Duration::from_secs(5);
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Attempts deliveries.
pub(crate) struct Courier {
    pub(crate) store: Arc<dyn Webhooks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) caller: Caller,
    pub(crate) metrics: Metrics,
    pub(crate) options: WebhookOptions,
    /// Is woken when a notification was kept here.
    pub(crate) wake: Wake,
}

impl Courier {
    /// Works until `token` is cancelled, and gives what is under way then a little more time.
    pub(crate) async fn run(self: Arc<Self>, token: CancellationToken) {
        let (mut under_way, places, mut troubles) = (JoinSet::new(), Places::default(), 0);
        while !token.is_cancelled() {
            while under_way.try_join_next().is_some() {}
            let room = self.options.at_once.saturating_sub(under_way.len());
            let pause = match self.claim(room, &places).await {
                Ok(claimed) => {
                    troubles = 0;
                    let pause = if claimed.is_empty() { self.options.poll } else { Duration::ZERO };
                    for due in claimed {
                        let (courier, place) = (Arc::clone(&self), places.take(&due.webhook.at.host));
                        under_way.spawn(async move {
                            courier.attempt(due).await;
                            drop(place);
                        });
                    }
                    pause
                }
                Err(error) => {
                    troubles += 1;
                    tracing::warn!(troubles, %error, "webhooks wait");
                    BackOff::OUTAGE.delay(troubles, 0)
                }
            };
            self.rest(pause, &mut under_way, &token).await;
        }
        let seen_through = async { while under_way.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOPPING, seen_through).await;
    }

    /// Until there is something to do: somebody waked us, an attempt ended and made room, or `pause` is over.
    async fn rest(&self, pause: Duration, under_way: &mut JoinSet<()>, token: &CancellationToken) {
        if under_way.len() >= self.options.at_once {
            tokio::select! {
                () = token.cancelled() => {}
                _ = under_way.join_next() => {}
            }
            return;
        }
        tokio::select! {
            () = token.cancelled() => {}
            () = self.wake.woken() => {}
            Some(_) = under_way.join_next() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn claim(&self, room: usize, places: &Places) -> Result<Vec<DueDelivery>, StoreError> {
        // Half of a host's share is claimed at once, and nothing for one that has more than the other half under way: so its share is
        // never exceeded.
        let half = (self.options.at_one_host / 2).max(1);
        let claim = DeliveryClaim {
            now: self.clock.now(),
            lease: self.options.lease(),
            most: room,
            most_per_host: half,
            busy_hosts: places.with_more_than(self.options.at_one_host - half),
        };
        self.store.claim_deliveries(claim).await
    }

    async fn attempt(&self, due: DueDelivery) {
        let begun = Instant::now();
        let outcome = self.send(&due).await;
        let (at, took) = (self.clock.now(), begun.elapsed());
        let fate = verdict::fate(&outcome, due.tries, at, random());
        self.metrics.webhook_attempted(verdict::word(fate), took);
        let (webhook, user, notification) = (due.webhook.id, due.webhook.user, due.notification.id);
        let attempt = Attempt {
            number: due.attempt,
            at,
            status: outcome.ok().map(|answer| answer.status),
            error: verdict::error(&outcome).map(str::to_owned),
            millis: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        };
        let failing_floor = retention::before(at, FAILING);
        let settlement = Settlement { webhook, user, notification, attempt, fate, failing_floor };
        match self.store.settle_delivery(settlement).await {
            Ok(settled) => {
                if let Some(reason) = settled.and_then(|settled| settled.disabled) {
                    self.metrics.webhook_disabled(reason.as_str());
                    tracing::warn!(%webhook, user_id = %user, reason = reason.as_str(), "a webhook was disabled");
                }
            }
            // It stays claimed until the lease ends, and is attempted again then.
            Err(error) => tracing::warn!(%webhook, %error, "what became of an attempt can't be noted"),
        }
    }

    async fn send(&self, due: &DueDelivery) -> Result<Answer, Trouble> {
        let now = self.clock.now();
        let target =
            Target::parse(&due.webhook.at.url, self.caller.guard()).map_err(|_| Trouble::NoAddress)?;
        let message = self.message(due, now).ok_or_else(|| {
            tracing::error!(webhook = %due.webhook.id, "the secret of a webhook can't be opened: was SECRET_KEY replaced?");
            Trouble::Ours
        })?;
        self.caller.post(&target, message, self.clock.as_ref()).await
    }

    fn message(&self, due: &DueDelivery, now: Timestamp) -> Option<Message> {
        let secrets = self.secrets.open(&due.webhook, now)?;
        let (id, body) = (due.notification.id.to_string(), envelope::body(&due.notification).ok()?);
        let signature = signature::header(&secrets, &id, now, &body);
        let headers = vec![(ID, id), (TIMESTAMP, now.as_second().to_string()), (SIGNATURE, signature)];
        Some(Message { headers, body })
    }
}

/// From 0 to 1. Without random numbers nothing is spread, and nothing breaks.
fn random() -> f64 {
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}
