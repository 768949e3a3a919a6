//! Answers kept for requests that carry an `Idempotency-Key`, so that each has one effect and one answer.
//!
//! A request first takes a [`Claim`] on its key. Whatever it then does to the tables keeps the answer in the *same*
//! transaction, and only while the claim is still its own: so neither a crash at any point nor a request that
//! outlives its claim can make one key have two effects.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::Timestamp;
use uuid::Uuid;

use crate::StoreError;

/// Keys, who works on them, and what came of it.
#[async_trait]
pub trait Idempotency: Send + Sync + 'static {
    /// Takes the claim for a request with this fingerprint, unless the key has an answer or somebody else's claim.
    /// Of two calls at the same time one MUST get [`Begun::Claimed`] at most.
    ///
    /// A claim is free again `lease` after `now`, and so is one that lasts longer than two leases from `now`: the clock
    /// was set back since it was made. An engine that belongs to one process frees all claims when it is opened.
    async fn begin_request(
        &self,
        claim: &Claim,
        fingerprint: Fingerprint,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Begun, StoreError>;

    /// Keeps the answer to a request that had no effect. [`StoreError::ClaimLost`] when its claim is not held any more.
    async fn finish_request(&self, kept: KeptAnswer) -> Result<(), StoreError>;

    /// Frees a claim whose request came to nothing. A key that has its answer keeps it, and nobody else's claim is
    /// touched.
    async fn release_request(&self, claim: &Claim) -> Result<(), StoreError>;
}

/// What tells whether a request with a known key is the same one again.
pub type Fingerprint = [u8; 32];

/// The right to work on the request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose keys: the caller and the call. The same key in another scope is another key.
    pub scope: String,
    /// The key.
    pub key: String,
    /// Who holds the claim: a random number, new for each request.
    pub holder: Uuid,
}

/// What a request with a key is met with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The claim is the caller's.
    Claimed,
    /// Somebody else works on the same request.
    UnderWay,
    /// It was answered before.
    Answered(StoredAnswer),
    /// The key belongs to a request with another fingerprint.
    OtherRequest,
}

/// An answer. The store doesn't look into it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, to the byte.
    pub body: Bytes,
}

/// Of the body only its size is told: it may hold a score, an offer or an address.
impl fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("StoredAnswer");
        told.field("status", &self.status).field("bytes", &self.body.len()).finish()
    }
}

/// An answer to be kept under a claim. Where a write takes one, it keeps it if and only if it changes something, in the
/// same transaction; when the claim is not held any more, it fails with [`StoreError::ClaimLost`] and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The claim, which ends with this.
    pub claim: Claim,
    /// What a repetition of the request is answered.
    pub answer: StoredAnswer,
}
