//! What is counted, without saying what it is.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What cells are counted under: 16 bytes that tell nothing without the secret they were made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 16]);

impl Key {
    /// Its bytes, as evenly spread as those of a MAC.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Which of `shards` it belongs to.
    pub(crate) fn shard(&self, shards: usize) -> usize {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        usize::try_from(number % shards.max(1) as u64).unwrap_or_default()
    }
}

/// Makes keys. Processes that share a secret make the same ones.
#[derive(Clone)]
pub struct Keys(Hmac<Sha256>);

impl Keys {
    /// Under a secret that is used for nothing else.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        // The algorithm fills shorter keys up with zeros itself; a whole block is the form that can't be refused.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&secret);
        Self(Hmac::new(&block.into()))
    }

    /// The key of one subject, such as a user's id, in one realm, such as the `read`s of a `user`.
    #[must_use]
    pub fn of(&self, [class, kind]: [&'static str; 2], subject: &[u8]) -> Key {
        let mac = self.0.clone().chain_update(class).chain_update([0]).chain_update(kind);
        let mac = mac.chain_update([0]).chain_update(subject);
        let mut key = [0; 16];
        key.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(byte, mac)| *byte = mac);
        Key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_of_its_secret_realm_and_subject() {
        let key = |secret: u8, class, kind, subject: &str| {
            Keys::new([secret; 32]).of([class, kind], subject.as_bytes())
        };
        let ana = key(1, "log-in", "user", "ana@example.com");
        assert_eq!(ana, key(1, "log-in", "user", "ana@example.com"));
        for other in [
            key(2, "log-in", "user", "ana@example.com"),
            key(1, "read", "user", "ana@example.com"),
            key(1, "log-in", "address", "ana@example.com"),
            key(1, "log-in", "user", "bia@example.com"),
            key(1, "log-inuser", "", "ana@example.com"),
        ] {
            assert_ne!(ana, other);
        }
    }
}
