//! What chains a log: entries are sealed into batches behind the writes, and each batch holds the digest of its entries and of the
//! batch before it. Whoever changes, removes or adds an entry afterwards must change all digests that follow. That the end is missing
//! only a checkpoint tells that is kept elsewhere.
//!
//! A log that was sealed once is digested in the same way for good: its label and what [`Chained::digest_into`] feeds never change.

use ecs_domain::Timestamp;
use sha2::{Digest as _, Sha256};

/// What chains batches: SHA-256.
pub type Digest = [u8; 32];

/// What the first batch follows.
pub const FIRST: Digest = [0; 32];

/// An entry of a log that is chained.
pub trait Chained {
    /// Sets what is digested of this log apart from whatever else is.
    const LABEL: &'static [u8];

    /// Feeds every byte of the entry, and what tells where each part ends.
    fn digest_into(&self, hasher: &mut Hasher);
}

/// Takes what is digested, in a form that no two lists of parts share.
#[derive(Debug, Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// One that has taken a label.
    #[must_use]
    pub fn labelled(label: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(label))
    }

    /// Takes bytes whose number is always the same.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes bytes with their number, so that no two lists of texts are the same bytes.
    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        self.0.update((text.as_ref().len() as u64).to_be_bytes());
        self.0.update(text);
    }

    /// Takes what may not be there.
    pub fn maybe(&mut self, text: Option<impl AsRef<[u8]>>) {
        self.0.update([u8::from(text.is_some())]);
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// The digest of all that was taken.
    #[must_use]
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

/// Entries that are sealed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Counts from 1, without gaps.
    pub number: u64,
    /// How many entries it has.
    pub entries: u64,
    /// Digests them and the batch before it.
    pub digest: Digest,
    /// When it was sealed.
    pub sealed_at: Timestamp,
}

/// How much is in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Entries that say that they are sealed.
    pub sealed: u64,
    /// Entries that wait for their seal.
    pub unsealed: u64,
    /// When the oldest of those was written, in microseconds since 1970.
    pub oldest_unsealed: Option<i64>,
    /// The newest batch.
    pub newest: Option<Batch>,
}

/// The digest of a batch: of its number, of the digest before it, and of every byte of every entry.
#[must_use]
pub fn digest<E: Chained>(number: u64, previous: &Digest, entries: &[E]) -> Digest {
    let mut hasher = Hasher::labelled(E::LABEL);
    hasher.fixed(&number.to_be_bytes());
    hasher.fixed(previous);
    hasher.fixed(&(entries.len() as u64).to_be_bytes());
    entries.iter().for_each(|entry| entry.digest_into(&mut hasher));
    hasher.finish()
}
