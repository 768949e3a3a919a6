//! Webhooks, and what became of sending notifications to them.
//!
//! Whatever adds, changes, disables or removes a webhook locks its user's row first, as keeping a notification does: a delivery is
//! made for exactly the webhooks that are there and enabled.

pub(crate) mod deliveries;
pub(crate) mod endpoints;

use async_trait::async_trait;
use ecs_domain::{NotificationId, Timestamp, UserId, WebhookId};
use ecs_store::{
    AddedWebhook, DeliveryClaim, DeliveryPage, DueDelivery, NewWebhook, PageRequest, Resent, SealedSecrets,
    Settled, Settlement, StoreError, Webhook, WebhookChange, WebhookRotation, Webhooks,
};

use crate::PostgresStore;
use crate::column::{limit, micros};
use crate::engine::Call;

#[async_trait]
impl Webhooks for PostgresStore {
    async fn add_webhook(&self, webhook: NewWebhook, most: usize) -> Result<AddedWebhook, StoreError> {
        let (new, most) = (&webhook, limit(most));
        self.primary
            .run(
                Call::quick("webhooks.add"),
                |session| async move { endpoints::add(&session, new, most).await },
            )
            .await
    }

    async fn webhooks(&self, user: UserId) -> Result<Vec<Webhook>, StoreError> {
        self.primary
            .run(
                Call::quick("webhooks.list"),
                |session| async move { endpoints::of_user(&session, user).await },
            )
            .await
    }

    async fn webhook(&self, user: UserId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.primary
            .run(
                Call::quick("webhooks.find"),
                |session| async move { endpoints::find(&session, user, id).await },
            )
            .await
    }

    async fn change_webhook(&self, change: WebhookChange) -> Result<Option<Webhook>, StoreError> {
        let change = &change;
        self.primary
            .run(Call::quick("webhooks.change"), |session| async move {
                endpoints::change(&session, change).await
            })
            .await
    }

    async fn rotate_webhook(&self, rotation: WebhookRotation) -> Result<Option<Webhook>, StoreError> {
        let rotation = &rotation;
        self.primary
            .run(Call::quick("webhooks.rotate"), |session| async move {
                endpoints::rotate(&session, rotation).await
            })
            .await
    }

    async fn remove_webhook(&self, user: UserId, id: WebhookId) -> Result<bool, StoreError> {
        self.primary
            .run(Call::quick("webhooks.remove"), |session| async move {
                endpoints::remove(&session, user, id).await
            })
            .await
    }

    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>, StoreError> {
        let claim = &claim;
        self.primary
            .run(
                Call::quick("webhooks.claim"),
                |session| async move { deliveries::claim(&session, claim).await },
            )
            .await
    }

    async fn settle_delivery(&self, settlement: Settlement) -> Result<Option<Settled>, StoreError> {
        let settlement = &settlement;
        self.primary
            .run(Call::quick("webhooks.settle"), |session| async move {
                deliveries::settle(&session, settlement).await
            })
            .await
    }

    async fn deliveries(
        &self,
        user: UserId,
        id: WebhookId,
        page: PageRequest,
    ) -> Result<Option<DeliveryPage>, StoreError> {
        self.primary
            .run(Call::quick("webhooks.deliveries"), |session| async move {
                deliveries::page(&session, user, id, page).await
            })
            .await
    }

    async fn resend_delivery(
        &self,
        user: UserId,
        id: WebhookId,
        notification: NotificationId,
        now: Timestamp,
    ) -> Result<Resent, StoreError> {
        self.primary
            .run(Call::quick("webhooks.resend"), |session| async move {
                deliveries::resend(&session, user, id, notification, micros(now)).await
            })
            .await
    }

    async fn forget_deliveries(&self, since: Timestamp, most: usize) -> Result<u64, StoreError> {
        let (since, most) = (&micros(since), &limit(most));
        self.primary
            .run(Call::long("webhooks.forget"), |session| async move {
                Ok(session.query(deliveries::FORGET, &[since, most]).await?.changed)
            })
            .await
    }

    async fn webhooks_sealed_otherwise(&self, seal: &[u8], most: usize) -> Result<Vec<Webhook>, StoreError> {
        let most = limit(most);
        self.primary
            .run(Call::long("webhooks.sealed_otherwise"), |session| async move {
                endpoints::sealed_otherwise(&session, seal, most).await
            })
            .await
    }

    async fn reseal_webhook(
        &self,
        id: WebhookId,
        from: &SealedSecrets,
        to: &SealedSecrets,
    ) -> Result<bool, StoreError> {
        self.primary
            .run(Call::quick("webhooks.reseal"), |session| async move {
                endpoints::reseal(&session, id, from, to).await
            })
            .await
    }
}
