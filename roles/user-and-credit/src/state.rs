//! What the role's handlers share.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use ecs_cache::{Key, Scope};
use ecs_domain::{Timestamp, UserId};
use ecs_store::PasswordChange;
use ecs_web::auth::{DeviceTokens, RefreshTokens};
use ecs_web::idempotency::Fingerprints;
use ecs_web::{Auth, Problem};
use ecs_work::Wake;

use crate::Deps;
use crate::guesses::Guesses;
use crate::passwords::Passwords;
use crate::problems;

/// The role's dependencies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct State(Arc<Shared>);

struct Shared {
    deps: Deps,
    passwords: Passwords,
    fingerprints: Fingerprints,
    refresh_tokens: RefreshTokens,
    device_tokens: DeviceTokens,
    guesses: Guesses,
    erasures: Wake,
    exports: Wake,
    backtests: Wake,
}

impl State {
    pub(crate) fn new(deps: Deps, passwords: Passwords, guesses: Guesses) -> Self {
        let fingerprints = Fingerprints::new(&deps.auth);
        let refresh_tokens = RefreshTokens::new(&deps.auth);
        let device_tokens = DeviceTokens::new(&deps.auth);
        let erasures = Wake::new();
        let exports = Wake::new();
        let backtests = Wake::new();
        Self(Arc::new(Shared {
            deps,
            passwords,
            fingerprints,
            refresh_tokens,
            device_tokens,
            guesses,
            erasures,
            exports,
            backtests,
        }))
    }

    /// Now, in whole microseconds: what the store keeps, so that an answer reads the same before and after it.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Forgets what is cached about a user, after a change is committed.
    pub(crate) async fn forget_cached(&self, user: UserId) {
        self.cache.invalidate([Scope::User(user)]).await;
    }

    /// Replaces the hash of a password, and forgets what is cached about its user whether the caller waits for it or not.
    /// Returns whether it was still the one that was read.
    pub(crate) async fn replace_password(&self, change: PasswordChange) -> Result<bool, Problem> {
        let (state, user) = (self.clone(), change.user);
        let replacing = async move {
            let replaced = state.store.replace_password(change).await.map_err(problems::of_store)?;
            state.forget_cached(user).await;
            state.auth.changes.hurry();
            Ok(replaced)
        };
        self.finisher.finish(replacing).await
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn refresh_tokens(&self) -> &RefreshTokens {
        &self.0.refresh_tokens
    }

    pub(crate) fn device_tokens(&self) -> &DeviceTokens {
        &self.0.device_tokens
    }

    pub(crate) fn guesses(&self) -> &Guesses {
        &self.0.guesses
    }

    /// Wakes those who erase.
    pub(crate) fn erasures(&self) -> &Wake {
        &self.0.erasures
    }

    /// Wakes whoever builds archives.
    pub(crate) fn exports(&self) -> &Wake {
        &self.0.exports
    }

    /// Wakes whoever runs backtests.
    pub(crate) fn backtests(&self) -> &Wake {
        &self.0.backtests
    }

    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        &self.0.fingerprints
    }
}

impl Deref for State {
    type Target = Deps;

    fn deref(&self) -> &Deps {
        &self.0.deps
    }
}

impl FromRef<State> for Arc<Auth> {
    fn from_ref(state: &State) -> Self {
        Self::clone(&state.auth)
    }
}

/// The key of one view of a user.
pub(crate) fn key(user: UserId, name: &'static str) -> Key {
    Key { scope: Scope::User(user), name }
}
