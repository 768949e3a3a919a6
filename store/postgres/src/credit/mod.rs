//! Decisions, offers and their life cycle.

pub(crate) mod decisions;
mod offers;
mod own;
mod reads;
mod recording;
pub(crate) mod reviews;
pub(crate) mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use ecs_domain::decision::Decision;
use ecs_domain::offer::Offer;
use ecs_domain::policy::Facts;
use ecs_domain::{OfferId, Timestamp, UserId};
use ecs_store::{
    AcceptResult, ActivateResult, Applicant, Credit, KeptAnswer, NewDecision, OfferPage, OutboxMessage,
    PageRequest, Recorded, StoreError,
};

use self::reads::Applying;
use self::recording::Wish;
use crate::PostgresStore;
use crate::column::micros;
use crate::engine::Call;

pub(crate) use self::{reads::Applicants, recording::Recording};

#[cfg(test)]
pub(crate) use {decisions::statements as decision_statements, offers::statements as offer_statements};

#[async_trait]
impl Credit for PostgresStore {
    async fn applicant(
        &self,
        user: UserId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Applicant, StoreError> {
        let found = self.groups.applicants.ask(Applying { user, since, now }).await??;
        let key = match (&found.standing, found.latest.is_open()) {
            (None, true) => None,
            (Some(_), _) | (_, false) => self.keyring.known(&[user]).await?.pop().flatten(),
        };
        Ok(Applicant {
            standing: found.standing.map(|row| row.open(key.as_ref())).transpose()?,
            facts: found.latest.open(key.as_ref())?,
            features: found.features,
            consent: found.consent,
        })
    }

    async fn standing_decision(
        &self,
        user: UserId,
        since: Timestamp,
    ) -> Result<Option<Decision>, StoreError> {
        let row = self.primary.run(Call::quick("credit.standing_decision"), |session| async move {
            reads::standing(&session, user, since).await
        });
        let Some(row) = row.await? else { return Ok(None) };
        let key = self.keyring.known(&[user]).await?.pop().flatten();
        row.open(key.as_ref()).map(Some)
    }

    async fn credit_facts(&self, user: UserId, now: Timestamp) -> Result<Facts, StoreError> {
        let latest =
            self.primary
                .run(Call::quick("credit.facts"), |session| async move {
                    reads::latest(&session, user, now).await
                })
                .await?;
        let key = match latest.is_open() {
            true => None,
            false => self.keyring.known(&[user]).await?.pop().flatten(),
        };
        latest.open(key.as_ref())
    }

    async fn record_decision(
        &self,
        new: NewDecision,
        answer: Option<KeptAnswer>,
    ) -> Result<Recorded, StoreError> {
        let key = self.keyring.person(new.decision.user).await?;
        let wish = Arc::new(Wish::new(new, key, answer)?);
        if let Some(recorded) = self.groups.recording.ask(Arc::clone(&wish)).await? {
            return recorded;
        }
        let (about, wish) = ([wish.user()], &wish);
        self.primary
            .run(Call::quick("credit.record_decision").about(&about), |session| async move {
                recording::alone(&session, wish).await
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
