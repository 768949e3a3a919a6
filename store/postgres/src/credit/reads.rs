//! What an application reads of what was decided before, for several users at once.

use std::sync::Arc;

use ecs_domain::{Timestamp, UserId};
use ecs_store::{DecisionRow, StoreError};
use uuid::Uuid;

use super::decisions::{self, Latest, statements};
use crate::column::micros;
use crate::engine::{Call, Primary, Together, placed};

/// The last decision of users when it was made after an instant, as it stands in its row.
pub(crate) struct Standing(pub(crate) Arc<Primary>);

impl Together for Standing {
    type Call = (UserId, Timestamp);
    type Answer = Result<Option<DecisionRow>, StoreError>;

    async fn together(&self, calls: &[Self::Call]) -> Result<Vec<Self::Answer>, StoreError> {
        let (users, since) = &columns(calls);
        self.0
            .run(Call::quick("credit.standing_decision"), |session| async move {
                let found = session.query(statements::LAST_OF, &[users, since]).await?;
                placed(users.len(), &found.rows, decisions::read)
            })
            .await
    }
}

/// What a policy must know of users at an instant.
pub(crate) struct FactsAt(pub(crate) Arc<Primary>);

impl Together for FactsAt {
    type Call = (UserId, Timestamp);
    type Answer = Result<Option<Latest>, StoreError>;

    async fn together(&self, calls: &[Self::Call]) -> Result<Vec<Self::Answer>, StoreError> {
        let (users, at) = &columns(calls);
        self.0
            .run(Call::quick("credit.facts"), |session| async move {
                let found = session.query(statements::FACTS_OF, &[users, at]).await?;
                placed(users.len(), &found.rows, Latest::read)
            })
            .await
    }
}

fn columns(calls: &[(UserId, Timestamp)]) -> (Vec<Uuid>, Vec<Timestamp>) {
    calls.iter().map(|(user, at)| (user.uuid(), micros(*at))).unzip()
}
