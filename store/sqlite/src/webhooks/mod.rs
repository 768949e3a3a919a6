//! Webhooks, and what became of sending notifications to them.

pub(crate) mod deliveries;
pub(crate) mod endpoints;

use async_trait::async_trait;
use ecs_domain::{NotificationId, Timestamp, UserId, WebhookId};
use ecs_store::{
    AddedWebhook, DeliveryClaim, DeliveryPage, DueDelivery, NewWebhook, PageRequest, Resent, SealedSecrets,
    Settled, Settlement, StoreError, Webhook, WebhookChange, WebhookRotation, Webhooks,
};

use crate::SqliteStore;

pub(crate) use deliveries::{make, release_all};

#[async_trait]
impl Webhooks for SqliteStore {
    async fn add_webhook(&self, webhook: NewWebhook, most: usize) -> Result<AddedWebhook, StoreError> {
        self.write("webhooks.add", move |connection| endpoints::add(connection, &webhook, most)).await
    }

    async fn webhooks(&self, user: UserId) -> Result<Vec<Webhook>, StoreError> {
        self.read("webhooks.list", move |connection| endpoints::of_user(connection, user)).await
    }

    async fn webhook(&self, user: UserId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.read("webhooks.find", move |connection| endpoints::find(connection, user, id)).await
    }

    async fn change_webhook(&self, change: WebhookChange) -> Result<Option<Webhook>, StoreError> {
        self.write("webhooks.change", move |connection| endpoints::change(connection, &change)).await
    }

    async fn rotate_webhook(&self, rotation: WebhookRotation) -> Result<Option<Webhook>, StoreError> {
        self.write("webhooks.rotate", move |connection| endpoints::rotate(connection, &rotation)).await
    }

    async fn remove_webhook(&self, user: UserId, id: WebhookId) -> Result<bool, StoreError> {
        self.write("webhooks.remove", move |connection| endpoints::remove(connection, user, id)).await
    }

    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>, StoreError> {
        // Mostly there is nothing: a look doesn't disturb the writer.
        let now = claim.now;
        if !self.read("webhooks.look", move |connection| deliveries::is_any_due(connection, now)).await? {
            return Ok(Vec::new());
        }
        self.write("webhooks.claim", move |connection| deliveries::claim(connection, &claim)).await
    }

    async fn settle_delivery(&self, settlement: Settlement) -> Result<Option<Settled>, StoreError> {
        self.write("webhooks.settle", move |connection| deliveries::settle(connection, &settlement)).await
    }

    async fn deliveries(
        &self,
        user: UserId,
        id: WebhookId,
        page: PageRequest,
    ) -> Result<Option<DeliveryPage>, StoreError> {
        self.read("webhooks.deliveries", move |connection| deliveries::page(connection, user, id, page)).await
    }

    async fn resend_delivery(
        &self,
        user: UserId,
        id: WebhookId,
        notification: NotificationId,
        now: Timestamp,
    ) -> Result<Resent, StoreError> {
        self.write("webhooks.resend", move |connection| {
            let Some(webhook) = endpoints::find(connection, user, id)? else { return Ok(Resent::Unknown) };
            if webhook.disabled.is_some() {
                return Ok(Resent::Disabled);
            }
            let resent = deliveries::resend(connection, id, notification, now)?;
            Ok(resent.map_or(Resent::Unknown, Resent::Due))
        })
        .await
    }

    async fn forget_deliveries(&self, since: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.write("webhooks.forget", move |connection| deliveries::forget(connection, since, most)).await
    }

    async fn webhooks_sealed_otherwise(&self, seal: &[u8], most: usize) -> Result<Vec<Webhook>, StoreError> {
        let seal = seal.to_vec();
        self.read("webhooks.sealed_otherwise", move |connection| {
            endpoints::sealed_otherwise(connection, &seal, most)
        })
        .await
    }

    async fn reseal_webhook(
        &self,
        id: WebhookId,
        from: &SealedSecrets,
        to: &SealedSecrets,
    ) -> Result<bool, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.write("webhooks.reseal", move |connection| endpoints::reseal(connection, id, &from, &to)).await
    }
}
