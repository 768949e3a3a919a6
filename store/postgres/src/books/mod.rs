//! The store's half of the books.

mod counted;
mod fates;
mod mismatches;
mod totals;

use async_trait::async_trait;
use ecs_domain::{Day, EventId};
use ecs_store::{
    Books, CountedPage, EventKey, Fate, Ledger, LedgerTotals, OfferBooks, StoreError, SummaryMismatch,
};

use crate::PostgresStore;
use crate::engine::Call;

#[cfg(test)]
pub(crate) use {
    counted::statements as counted_statements, fates::statements as fate_statements,
    mismatches::statements as mismatch_statements,
};

#[async_trait]
impl Books for PostgresStore {
    async fn fates(&self, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, StoreError> {
        self.primary
            .run(
                Call::long("books.fates"),
                |session| async move { fates::read(&session, ledger, keys).await },
            )
            .await
    }

    async fn letter_fates(&self, subject: &str, events: &[EventId]) -> Result<Vec<Fate>, StoreError> {
        self.primary
            .run(Call::long("books.letter_fates"), |session| async move {
                fates::of_letters(&session, subject, events).await
            })
            .await
    }

    async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        limit: usize,
    ) -> Result<CountedPage, StoreError> {
        self.primary
            .run(Call::long("books.counted"), |session| async move {
                counted::page(&session, ledger, after, limit).await
            })
            .await
    }

    async fn ledger_totals(&self, ledger: Ledger) -> Result<LedgerTotals, StoreError> {
        self.primary
            .run(
                Call::long("books.totals"),
                |session| async move { totals::of_ledger(&session, ledger).await },
            )
            .await
    }

    async fn summary_mismatches(&self, floor: Day, limit: u32) -> Result<Vec<SummaryMismatch>, StoreError> {
        self.primary
            .run(Call::long("books.mismatches"), |session| async move {
                mismatches::find(&session, floor, limit as usize).await
            })
            .await
    }

    async fn offer_books(&self) -> Result<OfferBooks, StoreError> {
        self.primary
            .run(Call::long("books.offers"), |session| async move { totals::of_offers(&session).await })
            .await
    }
}
