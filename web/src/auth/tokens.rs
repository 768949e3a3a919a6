//! Tokens: JWT with HS256, and no other algorithm.

use std::time::Duration;

use ecs_domain::{Timestamp, UserId};
use hmac::{Hmac, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Identity, provider};
use crate::Secret;

/// Who issues every token of the platform.
const ISSUER: &str = "ecs";
/// Sets the names of keys apart from whatever else comes of them. A name tells nothing of its key.
const KEY_ID: &str = "ecs/token/kid/1";
/// How long a name is: two of a handful of keys don't get the same one.
const KEY_ID_BYTES: usize = 8;

/// A key of tokens: `SECRET_KEY` signs them, and others may still be accepted.
#[derive(Debug, Clone)]
pub struct SecretKey(Secret);

/// The key is too short to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key must have at least {} bytes", SecretKey::MIN_BYTES)]
pub struct WeakKey;

impl SecretKey {
    /// HMAC-SHA-256 is as strong as its key only up to the size of its hash; below that, shorter is weaker.
    pub const MIN_BYTES: usize = 32;

    /// Takes a key of at least 32 bytes.
    pub fn new(secret: Secret) -> Result<Self, WeakKey> {
        if secret.expose().len() < Self::MIN_BYTES {
            return Err(WeakKey);
        }
        Ok(Self(secret))
    }
}

/// Makes and reads tokens: claims `iss`, `sub`, `iat`, `exp`, `permissions`, `ver` (the version of the user's rights) and `sid` (the
/// session), and in the header the `kid` of the key.
pub struct Tokens {
    /// The key that signs comes first.
    keys: Vec<Key>,
    signing: EncodingKey,
    header: Header,
    validation: Validation,
}

/// A key that tokens are verified with.
struct Key {
    id: String,
    secret: Hmac<Sha256>,
    verifying: DecodingKey,
}

impl Key {
    fn new(key: &SecretKey) -> Self {
        let bytes = key.0.expose().as_bytes();
        let secret = provider::mac(Sha256::digest(bytes).into());
        let id = secret.clone().chain_update(KEY_ID).finalize().into_bytes();
        let id = hex::encode(&id[..KEY_ID_BYTES]);
        Self { id, secret, verifying: DecodingKey::from_secret(bytes) }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    iat: i64,
    exp: i64,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    ver: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
}

/// Why a token doesn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of ours: its form, algorithm, issuer or signature is wrong. Which one is nobody's business.
    #[error("the token is not valid")]
    Invalid,
    /// It was valid once.
    #[error("the token has expired")]
    Expired,
    /// It couldn't be signed.
    #[error("the token can't be signed")]
    Unsigned,
}

impl Tokens {
    /// Tokens under one key.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self::with_keys(key, &[])
    }

    /// Tokens that are signed with one key, and hold under the others, too. A key is changed without a token lost by having every
    /// process accept the new one, then sign with it and accept the old one, and forget that when its last token has expired.
    #[must_use]
    pub fn with_keys(signing: &SecretKey, accepted: &[SecretKey]) -> Self {
        provider::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // The library would ask the system's clock; `verify` asks the caller's.
        validation.validate_exp = false;
        let own = Key::new(signing);
        let header = Header { kid: Some(own.id.clone()), ..Header::new(Algorithm::HS256) };
        let keys = std::iter::once(own).chain(accepted.iter().map(Key::new)).collect();
        Self { keys, signing: EncodingKey::from_secret(signing.0.expose().as_bytes()), header, validation }
    }

    /// A token that holds from `now` for `lifetime`.
    pub fn issue(
        &self,
        identity: &Identity,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, TokenError> {
        let iat = now.as_second();
        let exp = iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
        let permissions = identity.permissions.iter().map(ToString::to_string).collect();
        let (ver, sid) = (identity.version, identity.session);
        let claims = Claims { iss: ISSUER.to_owned(), sub: identity.user, iat, exp, permissions, ver, sid };
        jsonwebtoken::encode(&self.header, &claims, &self.signing).map_err(|_| TokenError::Unsigned)
    }

    /// MACs under keys of their own, derived from the tokens' ones for the purpose that `label` names. That of the signing key comes
    /// first.
    pub(crate) fn macs(&self, label: &str) -> Vec<Hmac<Sha256>> {
        let derive = |key: &Key| key.secret.clone().chain_update(label).finalize().into_bytes();
        self.keys.iter().map(|key| provider::mac(derive(key).into())).collect()
    }

    /// A secret for the purpose that `label` names, derived from the signing key: processes that sign alike have the same.
    #[must_use]
    pub fn derived_secret(&self, label: &str) -> [u8; 32] {
        let mac = self.macs(label).into_iter().next();
        mac.map_or([0; 32], |mac| mac.finalize().into_bytes().into())
    }

    /// Whose token it is, when it holds at `now`. Permissions that this version doesn't know are ignored.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        // Looked at only where there is a choice: it costs as much as the verification.
        let named = match self.keys.len() {
            1 => None,
            _ => jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?.kid,
        };
        // One that names no key was made elsewhere; it may be under any of ours.
        let tried = self.keys.iter().filter(|key| named.as_ref().is_none_or(|named| *named == key.id));
        let read = tried.map(|key| jsonwebtoken::decode::<Claims>(token, &key.verifying, &self.validation));
        let claims = read.flatten().next().ok_or(TokenError::Invalid)?.claims;
        if claims.exp <= now.as_second() {
            return Err(TokenError::Expired);
        }
        let permissions = claims.permissions.iter().filter_map(|name| name.parse().ok());
        // What lies beyond the calendar never comes.
        let expires_at = Timestamp::from_second(claims.exp).ok();
        let (version, session) = (claims.ver, claims.sid);
        Ok(Identity { expires_at, version, session, ..Identity::with(claims.sub, permissions) })
    }
}
