//! Tokens: JWT with HS256, and no other algorithm.

use std::time::Duration;

use ecs_domain::{Timestamp, UserId};
use hmac::{Hmac, Mac as _};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Identity, provider};
use crate::Secret;

/// Who issues every token of the platform.
const ISSUER: &str = "ecs";

/// The key that tokens are signed with: `SECRET_KEY`.
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

/// Makes and reads tokens: claims `iss`, `sub`, `iat`, `exp` and `permissions`.
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    iat: i64,
    exp: i64,
    #[serde(default)]
    permissions: Vec<String>,
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
        provider::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // The library would ask the system's clock; `verify` asks the caller's.
        validation.validate_exp = false;
        let secret = key.0.expose().as_bytes();
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            validation,
        }
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
        let claims = Claims { iss: ISSUER.to_owned(), sub: identity.user, iat, exp, permissions };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|_| TokenError::Unsigned)
    }

    /// A MAC under a key of its own, derived from the tokens' one for the purpose that `label` names.
    pub(crate) fn mac(&self, label: &str) -> Hmac<Sha256> {
        let secret = provider::mac(Sha256::digest(self.signing.as_bytes()).into());
        provider::mac(secret.chain_update(label).finalize().into_bytes().into())
    }

    /// Whose token it is, when it holds at `now`. Permissions that this version doesn't know are ignored.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?
            .claims;
        if claims.exp <= now.as_second() {
            return Err(TokenError::Expired);
        }
        let permissions = claims.permissions.iter().filter_map(|name| name.parse().ok());
        // What lies beyond the calendar never comes.
        let expires_at = Timestamp::from_second(claims.exp).ok();
        Ok(Identity { expires_at, ..Identity::with(claims.sub, permissions) })
    }
}
