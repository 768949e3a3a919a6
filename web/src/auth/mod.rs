//! Who is asking: tokens for people and operators, a key for services.

mod device_tokens;
mod identity;
mod internal_key;
mod opaque;
mod provider;
mod refresh_tokens;
mod tokens;

use std::sync::Arc;

use ecs_domain::Clock;

pub use device_tokens::{DeviceToken, DeviceTokens};
pub use identity::Identity;
pub use internal_key::InternalKey;
pub use refresh_tokens::{RefreshToken, RefreshTokens};
pub use tokens::{SecretKey, TokenError, Tokens, WeakKey};

use crate::Secret;

/// What a role needs to know who is asking. Extractors find it in their router's state.
pub struct Auth {
    /// Reads and makes tokens.
    pub tokens: Tokens,
    /// The key of service calls.
    pub internal_key: Secret,
    /// Tells when a token has expired.
    pub clock: Arc<dyn Clock>,
}

impl Auth {
    /// Whether this is the service key, in time that doesn't depend on where the two differ.
    #[must_use]
    pub fn is_internal_key(&self, given: &[u8]) -> bool {
        use subtle::ConstantTimeEq as _;
        bool::from(self.internal_key.expose().as_bytes().ct_eq(given))
    }
}
