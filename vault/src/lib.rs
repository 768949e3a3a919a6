//! Keys of people, apart from what is kept under them.
//!
//! What is personal in the store stands there as ciphertext under a key that the person alone has. The key lies in the vault, wrapped
//! under the deployment's master key, and the vault is no part of the store: not of its tables, not of its dumps. To erase a person is
//! to destroy their key: what older copies of the store hold of them can't be read by anybody any more, and the tombstone that takes the
//! key's place tells whoever restores such a copy that the person is to be erased again.
//!
//! - [`Vault`] is the contract; its engines are in the crates of the store's engines, and [`Memory`] is one for tests.
//! - [`Keyring`] is what those use who seal and open.

mod keyring;
mod memory;
mod seals;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};

pub use ecs_domain::Tombstone;
pub use keyring::{Keyring, MasterKeys, PersonKey, is_sealed};
pub use memory::Memory;
pub use seals::{SealError, SealKey, Seals};

/// Where wrapped keys and tombstones are kept.
///
/// Every call is one transaction, and what it wrote is flushed to disk when it returns.
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// What is kept about each of these people, in their order.
    async fn kept(&self, users: &[UserId]) -> Result<Vec<Kept>, VaultError>;

    /// Keeps a wrapped key for somebody of whom nothing is kept. Returns what is kept then: of several calls at the same time one
    /// prevails, and a tombstone MUST prevail over every key.
    async fn keep(&self, user: UserId, wrapped: &[u8]) -> Result<Kept, VaultError>;

    /// Destroys a person's key and leaves a tombstone, also where there was no key. Whoever has one already keeps it as it is.
    ///
    /// Nothing of the key MUST be left in the vault's tables and files, as far as an engine rules over them.
    async fn destroy(&self, user: UserId, now: Timestamp) -> Result<Tombstone, VaultError>;

    /// Tombstones with numbers above `after`, in their order, at most `most`.
    ///
    /// Numbers MUST appear in the order of their commits, so that nobody who goes on behind the last one they saw misses any.
    async fn tombstones(&self, after: u64, most: usize) -> Result<Vec<Tombstone>, VaultError>;

    /// Keys of people whose ids are above `after`, in the order of the ids, at most `most`.
    async fn keys(&self, after: Option<UserId>, most: usize) -> Result<Vec<(UserId, Vec<u8>)>, VaultError>;

    /// Replaces a wrapped key by the same one wrapped anew, if it is still `from`. Returns whether it was.
    async fn rewrap(&self, user: UserId, from: &[u8], to: &[u8]) -> Result<bool, VaultError>;

    /// A key of the deployment's, wrapped.
    async fn named(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError>;

    /// Keeps a key of the deployment's, or replaces the one that is still `from`. Returns what is kept then.
    async fn keep_named(
        &self,
        name: &str,
        from: Option<&[u8]>,
        wrapped: &[u8],
    ) -> Result<Vec<u8>, VaultError>;

    /// All keys of the deployment's, of which there are a few.
    async fn all_named(&self) -> Result<Vec<(String, Vec<u8>)>, VaultError>;

    /// Destroys those keys of the deployment's whose names begin with `prefix` and come before `before`. Returns how many.
    async fn destroy_named(&self, prefix: &str, before: &str) -> Result<u64, VaultError>;

    /// Whether the engine answers.
    async fn ping(&self) -> Result<(), VaultError>;

    /// Finishes what is in flight and closes.
    async fn close(&self) -> Result<(), VaultError>;
}

/// What a vault keeps about a person.
#[derive(Clone, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Their wrapped key.
    Key(Vec<u8>),
    /// Their tombstone.
    Tombstone,
}

/// Why something could not be had from a vault, or not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The engine can't be reached, or can't write. Worth another try.
    #[error("the vault is unavailable: {0}")]
    Unavailable(String),
    /// The person's key was destroyed.
    #[error("the person was erased")]
    Erased,
    /// What is kept can't be understood, or was wrapped under a key that nobody gave.
    #[error("the vault holds what it should not: {0}")]
    Corrupt(String),
}
