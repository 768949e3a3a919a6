//! Checkpoints of chained logs: how far one was at a time, signed, to be kept where whoever can change the log can't.
//!
//! The signature is Ed25519 under a key that comes of the tokens' secret, so that whoever knows the signer's public key can check one and
//! nobody else can make one.

use hmac::Mac as _;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::Auth;

/// Sets this key apart from others that come of the same secret.
const LABEL: &str = "ecs/audit/checkpoint/1";

/// A log that is chained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// Who did what to whom. Its checkpoints don't name it: it was the first.
    #[default]
    Audit,
    /// Which decisions were made.
    Decisions,
}

impl Log {
    /// Sets what is signed of this log apart from what is signed of others.
    const fn label(self) -> &'static str {
        match self {
            Self::Audit => LABEL,
            Self::Decisions => "ecs/decisions/checkpoint/1",
        }
    }

    /// Whether it is the one that checkpoints don't name.
    fn is_unnamed(&self) -> bool {
        *self == Self::Audit
    }
}

/// How far a log was: the number of its last batch, and the digest that stands for everything up to there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Which log.
    #[serde(default, skip_serializing_if = "Log::is_unnamed")]
    pub log: Log,
    /// The batch's number.
    pub batch: u64,
    /// Its digest, as hexadecimal digits.
    pub digest: String,
    /// When it was sealed.
    pub sealed_at: ecs_domain::Timestamp,
    /// The public key, as hexadecimal digits.
    pub signer: String,
    /// The signature of the other fields but the signer, as hexadecimal digits.
    pub signature: String,
}

/// Signs checkpoints, and knows which signers are ours.
pub struct Checkpoints {
    signer: Ed25519KeyPair,
    ours: Vec<String>,
}

/// The library made no key of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("checkpoints can't be signed")]
pub struct NoSigner;

impl Checkpoints {
    /// Signed under the signing secret; those under the accepted ones are known, too.
    pub fn new(auth: &Auth) -> Result<Self, NoSigner> {
        let pairs = auth.tokens.macs(LABEL).into_iter().map(|mac| {
            let seed = mac.finalize().into_bytes();
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| NoSigner)
        });
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        let ours = pairs.iter().map(|pair| hex::encode(pair.public_key().as_ref())).collect();
        Ok(Self { signer: pairs.into_iter().next().ok_or(NoSigner)?, ours })
    }

    /// The checkpoint of a batch.
    #[must_use]
    pub fn sign(
        &self,
        log: Log,
        batch: u64,
        digest: &[u8; 32],
        sealed_at: ecs_domain::Timestamp,
    ) -> Checkpoint {
        let digest = hex::encode(digest);
        let signature = self.signer.sign(signed(log, batch, &digest, sealed_at).as_bytes());
        let (signer, signature) =
            (hex::encode(self.signer.public_key().as_ref()), hex::encode(signature.as_ref()));
        Checkpoint { log, batch, digest, sealed_at, signer, signature }
    }

    /// Whether a checkpoint is one of ours, or of one of these other signers, and as it was signed.
    #[must_use]
    pub fn verify(&self, checkpoint: &Checkpoint, others: &[String]) -> bool {
        let Checkpoint { log, batch, digest, sealed_at, signer, signature } = checkpoint;
        let known = self.ours.iter().chain(others).any(|known| known == signer);
        let (Ok(key), Ok(signature)) = (hex::decode(signer), hex::decode(signature)) else {
            return false;
        };
        let message = signed(*log, *batch, digest, *sealed_at);
        known && UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), &signature).is_ok()
    }
}

fn signed(log: Log, batch: u64, digest: &str, sealed_at: ecs_domain::Timestamp) -> String {
    format!("{}\n{batch}\n{digest}\n{}\n", log.label(), sealed_at.as_microsecond())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ecs_domain::{Clock, Timestamp};

    use super::*;
    use crate::Secret;
    use crate::auth::{SecretKey, Tokens};

    struct NoClock;

    impl Clock for NoClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    fn checkpoints(signing: &str, accepted: &[&str]) -> Checkpoints {
        let key = |letter: &str| SecretKey::new(Secret::new(letter.repeat(32))).unwrap();
        let accepted: Vec<_> = accepted.iter().map(|letter| key(letter)).collect();
        let tokens = Tokens::with_keys(&key(signing), &accepted);
        Checkpoints::new(&Auth::alone(tokens, Secret::new("k"), Arc::new(NoClock))).unwrap()
    }

    #[test]
    fn a_checkpoint_is_believed_as_it_was_signed_and_of_known_signers() {
        let ours = checkpoints("a", &[]);
        let signed = ours.sign(Log::Audit, 7, &[1; 32], Timestamp::UNIX_EPOCH);
        assert!(ours.verify(&signed, &[]));
        let changed = [
            Checkpoint { log: Log::Decisions, ..signed.clone() },
            Checkpoint { batch: 8, ..signed.clone() },
            Checkpoint { digest: "02".repeat(32), ..signed.clone() },
            Checkpoint { sealed_at: Timestamp::MAX, ..signed.clone() },
            Checkpoint { signature: "00".repeat(64), ..signed.clone() },
            Checkpoint { signature: "x".to_owned(), ..signed.clone() },
            Checkpoint { signer: "00".repeat(32), ..signed.clone() },
        ];
        for changed in changed {
            assert!(!ours.verify(&changed, &[]), "{changed:?}");
        }
        let later = checkpoints("b", &[]);
        assert!(!later.verify(&signed, &[]));
        assert!(later.verify(&signed, std::slice::from_ref(&signed.signer)));
        assert!(checkpoints("b", &["a"]).verify(&signed, &[]));
    }

    /// Files hold checkpoints from before there was a second log.
    #[test]
    fn a_checkpoint_that_names_no_log_is_of_the_audit_log() {
        let ours = checkpoints("a", &[]);
        let of = |log| ours.sign(log, 7, &[1; 32], Timestamp::UNIX_EPOCH);
        let (audit, decisions) = (of(Log::Audit), of(Log::Decisions));
        for checkpoint in [&audit, &decisions] {
            let text = serde_json::to_string(checkpoint).unwrap();
            assert_eq!(text.contains("\"log\""), checkpoint.log == Log::Decisions, "{text}");
            let read: Checkpoint = serde_json::from_str(&text).unwrap();
            assert_eq!(&read, checkpoint);
            assert!(ours.verify(&read, &[]));
        }
        assert_ne!(audit.signature, decisions.signature);
    }
}
