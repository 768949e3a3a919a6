//! Decisions as those read them whom they are about.

use async_trait::async_trait;
use ecs_domain::decision::Decision;
use ecs_domain::{DecisionId, UserId};

use crate::{PageRequest, StoreError};

/// Decisions, by their owner. Of somebody whose key was destroyed there are none, though their rows may still be on their way out.
#[async_trait]
pub trait OwnDecisions: Send + Sync + 'static {
    /// One decision about this user.
    async fn decision(&self, user: UserId, id: DecisionId) -> Result<Option<Decision>, StoreError>;

    /// About whom a decision was made: for whoever may read everybody's, and has only its id.
    async fn owner_of_decision(&self, id: DecisionId) -> Result<Option<UserId>, StoreError>;

    /// The decisions about this user, the newest first.
    async fn decisions(&self, user: UserId, page: PageRequest) -> Result<DecisionPage, StoreError>;
}

/// A page of decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionPage {
    /// How many there are in all.
    pub total: u64,
    /// The page's decisions.
    pub items: Vec<Decision>,
}
