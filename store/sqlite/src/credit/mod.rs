//! Decisions, offers and their life cycle.

pub(crate) mod decisions;
mod offers;
mod own;
pub(crate) mod reviews;

use async_trait::async_trait;
use ecs_domain::consent::Purpose;
use ecs_domain::decision::Decision;
use ecs_domain::offer::Offer;
use ecs_domain::policy::Facts;
use ecs_domain::{OfferId, Timestamp, UserId};
use ecs_store::{
    AcceptResult, ActivateResult, Applicant, Credit, KeptAnswer, NewDecision, OfferPage, OutboxMessage,
    PageRequest, Recorded, StoreError,
};

use crate::folds::features;
use crate::{SqliteStore, consents, idempotency};

#[cfg(test)]
pub(crate) use {decisions::statements as decision_statements, offers::statements as offer_statements};

#[async_trait]
impl Credit for SqliteStore {
    async fn applicant(
        &self,
        user: UserId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Applicant, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        self.read("credit.applicant", move |connection| {
            Ok(Applicant {
                standing: decisions::standing(connection, user, since, key.as_ref())?,
                facts: decisions::facts(connection, user, now, key.as_ref())?,
                features: features::read(connection, user, now)?,
                consent: consents::get(connection, user, Purpose::EmotionAnalysis)?,
            })
        })
        .await
    }

    async fn standing_decision(
        &self,
        user: UserId,
        since: Timestamp,
    ) -> Result<Option<Decision>, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        self.read("credit.standing_decision", move |connection| {
            decisions::standing(connection, user, since, key.as_ref())
        })
        .await
    }

    async fn credit_facts(&self, user: UserId, now: Timestamp) -> Result<Facts, StoreError> {
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        self.read("credit.facts", move |connection| decisions::facts(connection, user, now, key.as_ref()))
            .await
    }

    async fn record_decision(
        &self,
        new: NewDecision,
        answer: Option<KeptAnswer>,
    ) -> Result<Recorded, StoreError> {
        let key = self.keyring.person(new.decision.user).await?;
        self.write("credit.record_decision", move |connection| {
            let recorded = decisions::record(connection, &new, &key)?;
            idempotency::keep(connection, answer.as_ref().filter(|_| !recorded.repeated))?;
            Ok(recorded)
        })
        .await
    }

    async fn offer(&self, user: UserId, offer: OfferId) -> Result<Option<Offer>, StoreError> {
        self.read("credit.offer", move |connection| offers::find(connection, user, offer)).await
    }

    async fn offers(&self, user: UserId, page: PageRequest) -> Result<OfferPage, StoreError> {
        self.read("credit.offers", move |connection| offers::page(connection, user, page)).await
    }

    async fn accept_offer(
        &self,
        user: UserId,
        offer: OfferId,
        now: Timestamp,
        message: OutboxMessage,
        answer: Option<KeptAnswer>,
    ) -> Result<AcceptResult, StoreError> {
        self.write("credit.accept_offer", move |connection| {
            let result = offers::accept(connection, user, offer, now, &message)?;
            let accepted = matches!(result, AcceptResult::Accepted(_));
            idempotency::keep(connection, answer.as_ref().filter(|_| accepted))?;
            Ok(result)
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
        self.write("credit.activate_offer", move |connection| {
            offers::activate(connection, user, offer, now, &message)
        })
        .await
    }

    async fn expire_offers(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write("credit.expire_offers", move |connection| offers::expire(connection, now)).await
    }
}
