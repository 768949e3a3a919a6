//! Who is asking: tokens for people and operators, a key for services.

pub mod changes;
mod checkpoints;
mod device_tokens;
mod identity;
mod opaque;
mod policed;
pub mod policy;
mod provider;
mod refresh_tokens;
mod seals;
pub mod service_keys;
mod tokens;

use std::sync::Arc;

use ecs_domain::Clock;

use crate::Secret;

pub use changes::Changes;
pub use checkpoints::{Checkpoint, Checkpoints, Log, NoSigner};
pub use device_tokens::{DeviceToken, DeviceTokens};
pub use identity::Identity;
pub use policed::{ACCESS, Policed, PolicedRoutes, Required, required};
pub use refresh_tokens::{RefreshToken, RefreshTokens};
pub use seals::seals;
pub use service_keys::ServiceKeys;
pub use tokens::{SecretKey, TokenError, Tokens, WeakKey};

/// What a role needs to know who is asking. Extractors find it in their router's state.
pub struct Auth {
    /// Reads and makes tokens.
    pub tokens: Tokens,
    /// The keys of services.
    pub keys: ServiceKeys,
    /// Tells when a token has expired.
    pub clock: Arc<dyn Clock>,
    /// What ended tokens before that.
    pub changes: Arc<Changes>,
}

impl Auth {
    /// Of a process that nobody tells of changes: see [`Changes::none`].
    #[must_use]
    pub fn alone(tokens: Tokens, internal_key: Secret, clock: Arc<dyn Clock>) -> Self {
        Self { tokens, keys: ServiceKeys::new(internal_key), clock, changes: Changes::none() }
    }
}
