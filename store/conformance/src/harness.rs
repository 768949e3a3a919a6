//! What an engine brings to its tests.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_domain::{Day, UserId};
use ecs_store::Store;
use ecs_vault::Keyring;

/// An engine under test, with a store of its own that starts empty.
#[async_trait]
pub trait Harness: Send + Sync + Sized + 'static {
    /// What the report calls it.
    const NAME: &'static str;

    /// Why this engine can't be had on this machine, for example because its server isn't installed. Every behaviour then says
    /// aloud that it did not run.
    fn unavailable() -> Option<String> {
        None
    }

    /// Whether several processes may have the store open at once. Then opening it frees no claim: somebody else may be at work
    /// under it.
    fn is_shared() -> bool {
        false
    }

    /// A new store.
    async fn start() -> Self;

    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store and opens it again over the same data.
    async fn reopen(self) -> Self;

    /// The keys that the store seals with, the same after it was opened again.
    fn keyring(&self) -> &Keyring;

    /// Every table with the text of all its rows, bytes in hexadecimal digits, read past the contract.
    async fn everything(&self) -> Vec<(String, String)>;

    /// Runs a statement behind the store's back.
    async fn run(&self, sql: &str);

    /// Whether the database itself refuses a statement that is run behind the store's back.
    async fn refuses(&self, sql: &str) -> bool;

    /// The row of `emotional_events_summary`, read past the contract, as another system would.
    async fn summary(&self, user: UserId, day: Day) -> Option<SummaryRow>;

    /// Adds to the row's count, behind the store's back.
    async fn tamper_with_count(&self, user: UserId, day: Day, more: i64);

    /// Adds to the row's sum of positivity, behind the store's back.
    async fn tamper_with_sum(&self, user: UserId, day: Day, more: i64);
}

/// A row of `emotional_events_summary`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SummaryRow {
    /// Events.
    pub event_count: i64,
    /// Events at or above the stress threshold.
    pub stress_event_count: i64,
    /// Sums of positivity, intensity and stress, in billionths.
    pub sums: [i64; 3],
    /// The columns `avg_positivity_score`, `avg_intensity_score` and `avg_stress_level`.
    pub means: [f64; 3],
}
