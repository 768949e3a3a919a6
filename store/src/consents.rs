//! Consent, always read from here and never from a cache.

use async_trait::async_trait;
use ecs_domain::consent::{Consent, Purpose};
use ecs_domain::{Timestamp, UserId};

use crate::StoreError;

/// What users said about each purpose.
#[async_trait]
pub trait Consents: Send + Sync + 'static {
    /// What the user last said; `None` when they said nothing.
    async fn consent(&self, user: UserId, purpose: Purpose) -> Result<Option<Consent>, StoreError>;

    /// Notes what the user says now. A call that changes nothing keeps the old time. The user MUST exist.
    async fn set_consent(
        &self,
        user: UserId,
        purpose: Purpose,
        granted: bool,
        now: Timestamp,
    ) -> Result<Consent, StoreError>;
}
