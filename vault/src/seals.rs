//! Seals: ChaCha20-Poly1305 under keys that have names, so that whoever changes a key can find what is still under the old one.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// How long the name of a key is: two of a handful of keys don't get the same one.
const NAME: usize = 8;

/// Seals for one purpose, and opens them.
pub struct Seals {
    /// The key that seals comes first.
    keys: Vec<SealKey>,
    random: SystemRandom,
}

/// A key with a name that tells nothing of it.
pub struct SealKey {
    name: [u8; NAME],
    aead: LessSafeKey,
}

/// The system gave no random numbers, or no key could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret can't be sealed")]
pub struct SealError;

impl SealKey {
    /// A key of 32 secret bytes, under the first eight of `name`.
    pub fn new(name: &[u8; 32], secret: &[u8; 32]) -> Result<Self, SealError> {
        let aead = UnboundKey::new(&CHACHA20_POLY1305, secret).map_err(|_| SealError)?;
        let mut short = [0; NAME];
        short.copy_from_slice(&name[..NAME]);
        Ok(Self { name: short, aead: LessSafeKey::new(aead) })
    }
}

impl Seals {
    /// Seals that are made under the first of these keys, and opened under any of them.
    #[must_use]
    pub fn new(keys: Vec<SealKey>) -> Self {
        Self { keys, random: SystemRandom::new() }
    }

    /// What every seal under the first key begins with.
    #[must_use]
    pub fn current(&self) -> &[u8] {
        self.keys.first().map_or(&[], |key| &key.name)
    }

    /// Seals `plain`. It can be opened only as being about the same thing.
    pub fn seal(&self, about: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.keys.first().ok_or(SealError)?;
        let mut nonce = [0; NONCE_LEN];
        // Random ones may meet only after billions of seals under one key; there are a few of each.
        self.random.fill(&mut nonce).map_err(|_| SealError)?;
        let mut hidden = plain.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        key.aead
            .seal_in_place_append_tag(nonce_used, Aad::from(about), &mut hidden)
            .map_err(|_| SealError)?;
        Ok([&key.name[..], &nonce, &hidden].concat())
    }

    /// What was sealed about this thing; `None` when it was sealed about another, under a key that isn't accepted, or was changed.
    #[must_use]
    pub fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = sealed.split_at_checked(NAME)?;
        let (nonce, hidden) = rest.split_at_checked(NONCE_LEN)?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let mut hidden = hidden.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.aead.open_in_place(nonce, Aad::from(about), &mut hidden).ok()?;
        Some(plain.to_vec())
    }
}

/// 32 random bytes.
pub(crate) fn random_key() -> Result<[u8; 32], SealError> {
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| SealError)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seals(keys: &[u8]) -> Seals {
        Seals::new(keys.iter().map(|key| SealKey::new(&[*key; 32], &[*key; 32]).unwrap()).collect())
    }

    #[test]
    fn what_was_sealed_is_opened_about_the_same_thing_only() {
        let seals = seals(&[1]);
        let sealed = seals.seal(b"one", b"hidden").unwrap();
        assert_eq!(seals.open(b"one", &sealed).as_deref(), Some(&b"hidden"[..]));
        assert_eq!(seals.open(b"other", &sealed), None);
        assert!(!sealed.windows(6).any(|part| part == b"hidden"));
        assert_ne!(seals.seal(b"one", b"hidden").unwrap(), sealed, "each has a nonce of its own");
    }

    #[test]
    fn what_was_changed_or_cut_is_not_opened() {
        let seals = seals(&[1]);
        let sealed = seals.seal(b"one", b"hidden").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seals.open(b"one", &changed), None, "changed at {at}");
            assert_eq!(seals.open(b"one", &sealed[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_seal_holds_while_its_key_is_accepted_and_tells_which_it_is() {
        let old = seals(&[1]).seal(b"one", b"hidden").unwrap();
        let during = seals(&[2, 1]);
        assert_eq!(during.open(b"one", &old).as_deref(), Some(&b"hidden"[..]));
        assert!(!old.starts_with(during.current()));
        assert!(during.seal(b"one", b"hidden").unwrap().starts_with(during.current()));
        assert_eq!(seals(&[2]).open(b"one", &old), None);
    }
}
