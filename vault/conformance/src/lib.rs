//! One test per behaviour of the vault's contract, stamped over every engine.
//!
//! An engine implements [`Harness`] in its tests and writes `ecs_vault_conformance::conformance!(ItsHarness);`.
#![expect(clippy::unwrap_used, reason = "this crate is made of tests")]

pub mod keys;
pub mod named;
pub mod tombstones;

use std::sync::Arc;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_vault::Vault;
use uuid::Uuid;

#[doc(hidden)]
pub use ecs_conformance;

/// A vault under test.
#[async_trait]
pub trait Harness: Send + Sync + Sized {
    /// What the report calls it.
    const NAME: &'static str;

    /// Why this engine can't be had on this machine.
    fn unavailable() -> Option<String> {
        None
    }

    /// One that holds nothing.
    async fn start() -> Self;

    /// The vault.
    fn vault(&self) -> Arc<dyn Vault>;

    /// Closes it and opens it again, if it outlives that.
    async fn reopen(self) -> Self;

    /// Whether these bytes are anywhere in the vault's tables or files.
    async fn holds(&self, bytes: &[u8]) -> bool;
}

/// Stamps every behaviour as a test of its own over the harness. The calling crate needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance {
    ($harness:ty) => {
        $crate::ecs_conformance::stamp! { $crate, "vault", $harness;
            keys: a_key_is_kept_once, of_keys_that_come_at_once_one_prevails, many_are_asked_for_at_once,
                keys_come_in_pages, a_key_is_wrapped_anew_only_as_it_was, reopening_keeps_keys_and_tombstones;
            tombstones: a_tombstone_takes_the_place_of_a_key, a_tombstone_prevails_over_every_key,
                tombstones_are_told_in_their_order, a_follower_of_tombstones_misses_none, nothing_is_left_of_a_destroyed_key;
            named: a_named_key_is_kept_once, a_named_key_is_replaced_only_as_it_was, old_named_keys_go;
        }
    };
}

fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).unwrap()
}
