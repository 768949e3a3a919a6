//! What tells whether a request is the same one again, without keeping any of it.

use hmac::{Hmac, Mac as _};
use http::Method;
use sha2::Sha256;

use crate::Auth;

/// The fingerprint of a request's method, path and body.
pub type Fingerprint = [u8; 32];

/// Sets the key of fingerprints apart from that of tokens, which both come from one secret.
const LABEL: &str = "ecs/idempotency/fingerprint/1";

/// Takes fingerprints. They depend on the platform's secret, so that nobody who reads the table can try out which
/// password a registration had.
#[derive(Clone)]
pub struct Fingerprints(Vec<Hmac<Sha256>>);

impl Fingerprints {
    /// Fingerprints under the secrets of tokens. Under a new secret that doesn't accept the old one, no earlier request is known again.
    #[must_use]
    pub fn new(auth: &Auth) -> Self {
        Self(auth.tokens.macs(LABEL))
    }

    /// The fingerprints of one request: the first is under the secret that signs, those under accepted secrets follow. There is
    /// always a first one.
    #[must_use]
    pub fn of(&self, method: &Method, path: &str, body: &[u8]) -> Vec<Fingerprint> {
        // A length before each part: no two requests run into the same bytes.
        let parts = [method.as_str().as_bytes(), path.as_bytes(), body];
        let of = |mac: &Hmac<Sha256>| {
            let mut mac = mac.clone();
            for part in parts {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        };
        self.0.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::auth::{SecretKey, Tokens};
    use ecs_domain::{Clock, Timestamp};
    use std::sync::Arc;

    struct NoClock;

    impl Clock for NoClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    fn fingerprints(secret: char) -> Fingerprints {
        let key = SecretKey::new(Secret::new(secret.to_string().repeat(32))).unwrap();
        let (tokens, internal_key) = (Tokens::new(&key), Secret::new("k"));
        Fingerprints::new(&Auth::alone(tokens, internal_key, Arc::new(NoClock)))
    }

    #[test]
    fn a_fingerprint_is_of_everything_in_the_request_and_of_the_secret() {
        let of = |secret, method, path, body: &[u8]| fingerprints(secret).of(&method, path, body)[0];
        let one = of('x', Method::POST, "/v1/users", b"{}");
        assert_eq!(one, of('x', Method::POST, "/v1/users", b"{}"));
        assert_ne!(one, of('y', Method::POST, "/v1/users", b"{}"));
        assert_ne!(one, of('x', Method::PUT, "/v1/users", b"{}"));
        assert_ne!(one, of('x', Method::POST, "/v1/users/", b"{}"));
        assert_ne!(one, of('x', Method::POST, "/v1/users", b"{ }"));
        assert_ne!(one, of('x', Method::POST, "/v1/users{", b"}"));
    }
}
