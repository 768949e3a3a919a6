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

use crate::SqliteStore;

#[cfg(test)]
pub(crate) use {
    counted::statements as counted_statements, fates::statements as fate_statements,
    mismatches::statements as mismatch_statements,
};

#[async_trait]
impl Books for SqliteStore {
    async fn fates(&self, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, StoreError> {
        let keys = keys.to_vec();
        self.read("books.fates", move |connection| fates::read(connection, ledger, &keys)).await
    }

    async fn letter_fates(&self, subject: &str, events: &[EventId]) -> Result<Vec<Fate>, StoreError> {
        let (subject, events) = (subject.to_owned(), events.to_vec());
        self.read("books.letter_fates", move |connection| {
            events.iter().map(|event| fates::of_letters(connection, &subject, *event, None)).collect()
        })
        .await
    }

    async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        limit: usize,
    ) -> Result<CountedPage, StoreError> {
        self.read("books.counted", move |connection| counted::page(connection, ledger, after, limit)).await
    }

    async fn ledger_totals(&self, ledger: Ledger) -> Result<LedgerTotals, StoreError> {
        self.read("books.totals", move |connection| totals::of_ledger(connection, ledger)).await
    }

    async fn summary_mismatches(&self, floor: Day, limit: u32) -> Result<Vec<SummaryMismatch>, StoreError> {
        self.read("books.mismatches", move |connection| mismatches::find(connection, floor, limit as usize))
            .await
    }

    async fn offer_books(&self) -> Result<OfferBooks, StoreError> {
        self.read("books.offers", totals::of_offers).await
    }
}
