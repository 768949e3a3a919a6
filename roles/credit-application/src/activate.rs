//! What is done with an acceptance.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_bus::payload::{ApprovedOffer, NotificationPayload, OfferPayload};
use ecs_bus::{Delivery, Headers, Outcome};
use ecs_cache::{Cache, Scope};
use ecs_domain::Clock;
use ecs_domain::dead_letter::DeadLetterKind;
use ecs_domain::notification::Notification;
use ecs_store::{ActivateResult, Credit, OutboxMessage};
use ecs_work::{Failure, Handler, Wake, decoded, outbox_message};

use crate::Deps;

const NOT_ACCEPTED: &str = "the store doesn't have it that the customer accepted this offer, so there is nothing to activate; \
                            replay the event once a lost acceptance is restored, else drop it";
const NO_OFFER: &str =
    "the user has no such offer; replay the event once a lost offer is restored, else drop it";

/// Activates offers and leaves the notifications in the outbox.
pub(crate) struct Activate {
    store: Arc<dyn Credit>,
    cache: Cache,
    clock: Arc<dyn Clock>,
    outbox: Wake,
}

impl Activate {
    pub(crate) fn new(deps: &Deps) -> Self {
        Self {
            store: Arc::clone(&deps.store) as Arc<dyn Credit>,
            cache: deps.cache.clone(),
            clock: Arc::clone(&deps.clock),
            outbox: deps.outbox.clone(),
        }
    }

    async fn one(&self, delivery: &Delivery) -> Result<Outcome, Failure> {
        let approved = match OfferPayload::decode(&delivery.event) {
            Ok(approved) => approved,
            Err(error) => return Ok(decoded::undecodable(&error)),
        };
        let ApprovedOffer { offer, user, .. } = approved;
        let message = self.message(&approved, &delivery.event.headers);
        let result = self.store.activate_offer(user, offer, self.clock.now(), message).await?;
        // Also where it was active before: whoever activated it may have died before it could forget.
        self.cache.invalidate([Scope::User(user)]).await;
        match result {
            ActivateResult::Activated => {
                self.outbox.wake();
                tracing::info!(
                    offer_id = %offer,
                    user_id = %user,
                    request_id = delivery.event.headers.request_id.as_deref(),
                    "an offer is active"
                );
                Ok(Outcome::Ack)
            }
            ActivateResult::AlreadyActive => Ok(Outcome::Ack),
            ActivateResult::NotAccepted => Ok(refused(NOT_ACCEPTED)),
            ActivateResult::Unknown => Ok(refused(NO_OFFER)),
        }
    }

    /// The notification about an activation, with the request that it goes back to.
    fn message(&self, approved: &ApprovedOffer, headers: &Headers) -> OutboxMessage {
        let ApprovedOffer { offer, user, terms, .. } = *approved;
        let notification = Notification::of_activation(
            user,
            offer,
            terms.credit_limit,
            terms.interest_rate,
            self.clock.now(),
        );
        let headers = Headers {
            request_id: headers.request_id.clone(),
            traceparent: headers.traceparent.clone(),
            ..Headers::current()
        };
        outbox_message(&NotificationPayload::event(&notification, headers))
    }
}

#[async_trait]
impl Handler for Activate {
    async fn handle(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for delivery in batch {
            outcomes.push(self.one(delivery).await?);
        }
        Ok(outcomes)
    }
}

fn refused(reason: &str) -> Outcome {
    Outcome::DeadLetter { kind: DeadLetterKind::Refused, reason: reason.to_owned() }
}
