//! Seals of small secrets that have to be read again, such as those that webhooks are signed with, kept so that the store alone
//! doesn't tell them. Their keys are derived from the tokens' secrets.

use ecs_vault::{SealError, SealKey, Seals};
use hmac::Mac as _;

use super::Auth;

/// Seals that are made under the signing secret, and opened under the accepted ones, too. `label` sets them apart from whatever else
/// comes of these secrets.
pub fn seals(auth: &Auth, label: &str) -> Result<Seals, SealError> {
    let keys = auth.tokens.macs(label).into_iter().map(|mac| {
        let derived = |what: &str| mac.clone().chain_update(what).finalize().into_bytes().into();
        SealKey::new(&derived("name"), &derived("key"))
    });
    Ok(Seals::new(keys.collect::<Result<_, _>>()?))
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

    fn made(signing: &str, accepted: &[&str], label: &str) -> Seals {
        let key = |letter: &str| SecretKey::new(Secret::new(letter.repeat(32))).unwrap();
        let accepted: Vec<_> = accepted.iter().map(|letter| key(letter)).collect();
        let tokens = Tokens::with_keys(&key(signing), &accepted);
        seals(&Auth::alone(tokens, Secret::new("internal"), Arc::new(Noon)), label).unwrap()
    }

    #[test]
    fn a_seal_holds_while_its_secret_is_accepted() {
        let old = made("a", &[], "purpose").seal(b"one", b"hidden").unwrap();
        let during = made("b", &["a"], "purpose");
        assert_eq!(during.open(b"one", &old).as_deref(), Some(&b"hidden"[..]));
        assert!(!old.starts_with(during.current()));
        assert_eq!(made("b", &[], "purpose").open(b"one", &old), None);
        assert_eq!(made("a", &[], "another").open(b"one", &old), None);
    }
}
