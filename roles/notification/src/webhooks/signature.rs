//! Signatures as Standard Webhooks has them: `v1,` and the base64 of an HMAC-SHA-256 over `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecs_domain::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What secrets begin with, so that a person and a scanner of leaks know one when they see it.
const PREFIX: &str = "whsec_";
/// The version of the signature.
const VERSION: &str = "v1";
/// How many bytes a new secret has; the specification takes 24 to 64.
const BYTES: usize = 32;

/// What one webhook is signed with. Its receiver has it, too.
// It has no `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// A new one, of random bytes.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = vec![0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The secret of these bytes, when there are as many of them as the specification takes.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret as its receiver is told it: `whsec_` and base64.
    pub(crate) fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The signature of one attempt.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        // HMAC takes keys of every length, so this can't fail.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        let mac = mac.chain_update(format!("{id}.{}.", at.as_second())).chain_update(body);
        format!("{VERSION},{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header of an attempt: a signature with each secret that holds, separated by spaces.
pub(crate) fn header<'a>(
    secrets: impl IntoIterator<Item = &'a SigningSecret>,
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> String {
    secrets.into_iter().map(|secret| secret.sign(id, at, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::from_bytes(STANDARD.decode(text.strip_prefix(PREFIX).unwrap()).unwrap()).unwrap()
    }

    /// The secrets, messages and signatures that the specification and the tests of its libraries give.
    #[test]
    fn the_vectors_of_the_specification_pass() {
        let check = |key: &str, id: &str, at: i64, body: &str, expect: &str| {
            let at = Timestamp::from_second(at).unwrap();
            assert_eq!(secret(key).sign(id, at, body.as_bytes()), expect, "{id}");
        };
        check(
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        );
        check(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
    }

    #[test]
    fn a_secret_is_text_and_bytes_alike() {
        let text = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        assert_eq!(secret(text).text(), text);
        let new = SigningSecret::generate().unwrap();
        assert_eq!(new.bytes().len(), 32);
        assert!(new == SigningSecret::from_bytes(new.bytes().to_vec()).unwrap());
        assert!(new != SigningSecret::generate().unwrap());
        for (length, expect) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(SigningSecret::from_bytes(vec![7; length]).is_some(), expect, "{length} bytes");
        }
    }

    #[test]
    fn while_secrets_change_both_sign() {
        let secrets = [
            secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ];
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let header = header(&secrets, "msg_1", at, b"{}");
        let signatures: Vec<&str> = header.split(' ').collect();
        assert_eq!(signatures, secrets.each_ref().map(|secret| secret.sign("msg_1", at, b"{}")));
    }
}
