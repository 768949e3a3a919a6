//! Decisions, offers and their life cycle.

pub(crate) mod decisions;
mod offers;
mod own;
pub(crate) mod reviews;

use async_trait::async_trait;
use ecs_domain::decision::Decision;
use ecs_domain::offer::Offer;
use ecs_domain::policy::Facts;
use ecs_domain::{OfferId, Timestamp, UserId};
use ecs_store::{
    AcceptResult, ActivateResult, Credit, KeptAnswer, NewDecision, OfferPage, OutboxMessage, PageRequest,
    Recorded, StoreError,
};

use crate::PostgresStore;
use crate::column::micros;
use crate::engine::Call;

#[cfg(test)]
pub(crate) use {decisions::statements as decision_statements, offers::statements as offer_statements};

#[async_trait]
impl Credit for PostgresStore {
    async fn standing_decision(
        &self,
        user: UserId,
        since: Timestamp,
    ) -> Result<Option<Decision>, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        let key = key.as_ref();
        self.primary
            .run(Call::quick("credit.standing_decision"), |session| async move {
                decisions::standing(&session, user, since, key).await
            })
            .await
    }

    async fn credit_facts(&self, user: UserId, now: Timestamp) -> Result<Facts, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        let key = key.as_ref();
        self.primary
            .run(Call::quick("credit.facts"), |session| async move {
                decisions::facts(&session, user, now, key).await
            })
            .await
    }

    async fn record_decision(
        &self,
        new: NewDecision,
        answer: Option<KeptAnswer>,
    ) -> Result<Recorded, StoreError> {
        let key = &self.keyring.person(new.decision.user).await?;
        let (about, new, answer) = ([new.decision.user], &new, answer.as_ref());
        self.primary
            .run(Call::quick("credit.record_decision").about(&about), |session| async move {
                decisions::record(&session, new, key, answer).await
            })
            .await
    }

    async fn offer(&self, user: UserId, offer: OfferId) -> Result<Option<Offer>, StoreError> {
        self.primary
            .run(
                Call::quick("credit.offer"),
                |session| async move { offers::find(&session, user, offer).await },
            )
            .await
    }

    async fn offers(&self, user: UserId, page: PageRequest) -> Result<OfferPage, StoreError> {
        self.read_about(
            user,
            "credit.offers",
            |session| async move { offers::page(&session, user, page).await },
        )
        .await
    }

    async fn accept_offer(
        &self,
        user: UserId,
        offer: OfferId,
        now: Timestamp,
        message: OutboxMessage,
        answer: Option<KeptAnswer>,
    ) -> Result<AcceptResult, StoreError> {
        let (about, message, answer) = ([user], &message, answer.as_ref());
        let wish = offers::Wish { user, offer, now: micros(now), message };
        self.primary
            .run(Call::quick("credit.accept_offer").about(&about), |session| async move {
                offers::accept(&session, wish, answer).await
            })
            .await
    }

    async fn activate_offer(
        &self,
        user: UserId,
        offer: OfferId,
        now: Timestamp,
        message: OutboxMessage,
    ) -> Result<ActivateResult, StoreError> {
        let (about, message) = ([user], &message);
        let wish = offers::Wish { user, offer, now: micros(now), message };
        self.primary
            .run(Call::quick("credit.activate_offer").about(&about), |session| async move {
                offers::activate(&session, wish).await
            })
            .await
    }

    async fn expire_offers(&self, now: Timestamp) -> Result<u64, StoreError> {
        let now = &micros(now);
        self.primary
            .run(
                Call::long("credit.expire_offers"),
                |session| async move { offers::expire(&session, now).await },
            )
            .await
    }
}
