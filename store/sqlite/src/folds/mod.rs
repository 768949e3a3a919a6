//! Events folded into aggregates, each exactly once.

mod batch;
mod emotions;
pub(crate) mod features;
mod transactions;

use async_trait::async_trait;
use ecs_domain::emotion::EmotionEvent;
use ecs_domain::transaction::Transaction;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{EmotionRules, FeatureSource, Folded, Folds, StoreError};
use rusqlite::Connection;

use crate::SqliteStore;
use crate::engine::Size;
pub(crate) use batch::{Batch, Row};

pub(crate) use emotions::{COUNTED, DISCARDED};

pub(crate) use emotions::statements as emotion_statements;
#[cfg(test)]
pub(crate) use features::statements as feature_statements;

/// From this many events on, a fold has a transaction to itself.
const LARGE: usize = 512;

#[async_trait]
impl Folds for SqliteStore {
    async fn fold_emotions(
        &self,
        events: &[EmotionEvent],
        rules: EmotionRules,
        now: Timestamp,
    ) -> Result<Vec<Folded>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        // Sorting happens here, on the caller's thread: the writer's is the one that everybody waits for.
        let batch = Batch::new(events, rules.stress);
        let fold = move |connection: &Connection| emotions::fold(connection, &batch, rules, now);
        self.write_sized("folds.emotions", size(events.len()), fold).await
    }

    async fn fold_transactions(
        &self,
        transactions: &[Transaction],
        now: Timestamp,
    ) -> Result<Vec<Folded>, StoreError> {
        if transactions.is_empty() {
            return Ok(Vec::new());
        }
        let owned = transactions.to_vec();
        let fold = move |connection: &Connection| transactions::fold(connection, &owned, now);
        self.write_sized("folds.transactions", size(transactions.len()), fold).await
    }

    async fn features(&self, user: UserId, now: Timestamp) -> Result<Option<FeatureSource>, StoreError> {
        self.read("folds.features", move |connection| features::read(connection, user, now)).await
    }
}

fn size(events: usize) -> Size {
    if events < LARGE { Size::Small } else { Size::Large }
}
