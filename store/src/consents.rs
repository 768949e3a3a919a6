//! Consent, always read from here and never from a cache.

use async_trait::async_trait;
use ecs_domain::consent::{Consent, Purpose, Said};
use ecs_domain::{Timestamp, UserId};

use crate::StoreError;

/// What users said about each purpose.
#[async_trait]
pub trait Consents: Send + Sync + 'static {
    /// What the user last said; `None` when they said nothing.
    async fn consent(&self, user: UserId, purpose: Purpose) -> Result<Option<Consent>, StoreError>;

    /// Notes what the user says now, in their history, too. A call that says nothing new ([`Consent::is_renewed_by`]) keeps the old
    /// time and leaves no trace. The user MUST exist. Who takes
    /// consent to [`ATTRIBUTES_PURPOSE`](crate::ATTRIBUTES_PURPOSE) back has their attributes deleted in the same transaction.
    async fn set_consent(
        &self,
        user: UserId,
        purpose: Purpose,
        said: Said,
        now: Timestamp,
    ) -> Result<Consent, StoreError>;

    /// What the user said, one time after the other, the newest first, at most `most`.
    async fn consent_history(
        &self,
        user: UserId,
        purpose: Purpose,
        most: usize,
    ) -> Result<Vec<Consent>, StoreError>;
}
