//! Seals: small secrets that have to be read again, such as those that webhooks are signed with, kept so that the store alone
//! doesn't tell them.
//!
//! A seal is ChaCha20-Poly1305 under a key derived from the tokens' secrets. It begins with the name of its key, so whoever changes
//! `SECRET_KEY` can find what is still under the old one and seal it anew before that one is forgotten.

use hmac::Mac as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::Auth;

/// How long the name of a key is: two of a handful of keys don't get the same one.
const NAME: usize = 8;

/// Seals for one purpose, and opens them.
pub struct Seals {
    /// The key that seals comes first.
    keys: Vec<Key>,
    random: SystemRandom,
}

struct Key {
    name: [u8; NAME],
    aead: LessSafeKey,
}

/// The system gave no random numbers, or no key could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret can't be sealed")]
pub struct SealError;

impl Seals {
    /// Seals that are made under the signing secret, and opened under the accepted ones, too. `label` sets them apart from
    /// whatever else comes of these secrets.
    pub fn new(auth: &Auth, label: &str) -> Result<Self, SealError> {
        let macs = auth.tokens.macs(label);
        let keys = macs.into_iter().map(|mac| {
            let derived = |what: &str| mac.clone().chain_update(what).finalize().into_bytes();
            let aead = UnboundKey::new(&CHACHA20_POLY1305, &derived("key")).map_err(|_| SealError)?;
            let mut name = [0; NAME];
            name.copy_from_slice(&derived("name")[..NAME]);
            Ok(Key { name, aead: LessSafeKey::new(aead) })
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, random: SystemRandom::new() })
    }

    /// What every seal under the signing secret begins with.
    #[must_use]
    pub fn current(&self) -> &[u8] {
        self.keys.first().map_or(&[], |key| &key.name)
    }

    /// Seals `plain`. It can be opened only as being about the same thing.
    pub fn seal(&self, about: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.keys.first().ok_or(SealError)?;
        let mut nonce = [0; NONCE_LEN];
        // Random ones may meet only after billions of seals under one key; there is one for each secret.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ecs_domain::{Clock, Timestamp};

    use super::*;
    use crate::auth::{SecretKey, Tokens};
    use crate::secret::Secret;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            "2026-11-20T12:00:00Z".parse().unwrap()
        }
    }

    fn seals(signing: &str, accepted: &[&str], label: &str) -> Seals {
        let key = |letter: &str| SecretKey::new(Secret::new(letter.repeat(32))).unwrap();
        let accepted: Vec<_> = accepted.iter().map(|letter| key(letter)).collect();
        let tokens = Tokens::with_keys(&key(signing), &accepted);
        let auth = Auth::alone(tokens, Secret::new("internal"), Arc::new(Noon));
        Seals::new(&auth, label).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_about_the_same_thing_only() {
        let seals = seals("a", &[], "purpose");
        let sealed = seals.seal(b"one", b"hidden").unwrap();
        assert_eq!(seals.open(b"one", &sealed).as_deref(), Some(&b"hidden"[..]));
        assert_eq!(seals.open(b"other", &sealed), None);
        assert!(!sealed.windows(6).any(|part| part == b"hidden"));
        assert_ne!(seals.seal(b"one", b"hidden").unwrap(), sealed, "each has a nonce of its own");
    }

    #[test]
    fn what_was_changed_or_cut_is_not_opened() {
        let seals = seals("a", &[], "purpose");
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
        let old = seals("a", &[], "purpose").seal(b"one", b"hidden").unwrap();
        let during = seals("b", &["a"], "purpose");
        assert_eq!(during.open(b"one", &old).as_deref(), Some(&b"hidden"[..]));
        assert!(!old.starts_with(during.current()));
        assert!(during.seal(b"one", b"hidden").unwrap().starts_with(during.current()));
        assert_eq!(seals("b", &[], "purpose").open(b"one", &old), None);
        assert_eq!(seals("a", &[], "another").open(b"one", &old), None);
    }
}
