//! Events folded into aggregates, each exactly once.

mod batch;
mod emotions;
pub(crate) mod features;
mod settled;
mod transactions;

use async_trait::async_trait;
use ecs_domain::emotion::EmotionEvent;
use ecs_domain::transaction::Transaction;
use ecs_domain::{Timestamp, UserId};
use ecs_store::{EmotionRules, FeatureSource, Folded, Folds, StoreError};

use crate::PostgresStore;
use crate::engine::Call;
pub(crate) use batch::Batch;
use emotions::Fold;
use transactions::Columns;

#[cfg(test)]
pub(crate) use {
    emotions::statements as emotion_statements, features::READ as READ_FEATURES,
    transactions::FOLD as FOLD_TRANSACTIONS,
};

/// What the inbox says of an event that was discarded for lack of consent. Of one that was counted, and whose raw row is
/// gone or never was, it says 1.
pub(crate) const DISCARDED: i16 = 2;

#[async_trait]
impl Folds for PostgresStore {
    async fn fold_emotions(
        &self,
        events: &[EmotionEvent],
        rules: EmotionRules,
        now: Timestamp,
    ) -> Result<Vec<Folded>, StoreError> {
        let batch = Batch::new(events);
        let Some(fold) = Fold::new(&batch, rules, now) else { return Ok(Vec::new()) };
        self.prepare_days(&batch.days, rules.raw_floor, now).await?;
        let fold = &fold;
        let folded =
            self.primary.run(Call::long("folds.emotions"), |session| async move { fold.run(&session).await });
        match folded.await {
            Ok((results, floor)) => {
                self.partitions.note_floor(floor);
                Ok(results)
            }
            Err(error) => {
                // Perhaps a partition isn't there although it was: another server may be the primary by now.
                self.partitions.forget();
                Err(error)
            }
        }
    }

    async fn fold_transactions(
        &self,
        transactions: &[Transaction],
        now: Timestamp,
    ) -> Result<Vec<Folded>, StoreError> {
        if transactions.is_empty() {
            return Ok(Vec::new());
        }
        let columns = &Columns::new(transactions, now);
        self.primary
            .run(Call::long("folds.transactions"), |session| async move { columns.fold(&session).await })
            .await
    }

    async fn features(&self, user: UserId, now: Timestamp) -> Result<Option<FeatureSource>, StoreError> {
        self.primary
            .run(
                Call::quick("folds.features"),
                |session| async move { features::find(&session, user, now).await },
            )
            .await
    }
}
