//! Keys of services, and of senders that the operator trusts.
//!
//! Here is only what a key's digest is, what it may be used for and when. Keys are 32 random bytes, so that a plain digest tells no
//! more of them than a slow one would.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use ecs_domain::Timestamp;
use ecs_domain::permission::Permission;
use http::HeaderValue;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Auth;
use super::policy::Requires;
use crate::{Problem, Secret};

/// The header.
pub const HEADER: &str = "x-internal-key";
/// The header as documents write it.
pub(crate) const HEADER_NAME: &str = "X-Internal-Key";

/// What keys are asked for.
pub const PERMISSIONS: [Permission; 3] =
    [Permission::EmotionsWriteAny, Permission::ModelScore, Permission::AccessFollow];

/// The keys that this process accepts, and the one that it shows to others.
pub struct ServiceKeys {
    shown: Secret,
    /// Replaced as a whole when the operator changes the list.
    others: RwLock<Arc<[ServiceKey]>>,
    of_shown: [u8; 32],
}

/// A key that the operator has listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// Whose it is, for people.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may be used for.
    pub permissions: BTreeSet<Permission>,
    /// From when on, if not always.
    pub from: Option<Timestamp>,
    /// Until when, if not for ever.
    pub until: Option<Timestamp>,
}

impl ServiceKeys {
    /// `shown` is the platform's own: it holds always, and for everything that keys are asked for.
    #[must_use]
    pub fn new(shown: Secret) -> Self {
        let of_shown = digest(shown.expose().as_bytes());
        Self { shown, others: RwLock::new([].into()), of_shown }
    }

    /// Accepts these besides the platform's own from now on, and no others.
    pub fn replace(&self, keys: impl Into<Arc<[ServiceKey]>>) {
        *self.others.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// The key that this process shows to others.
    #[must_use]
    pub fn shown(&self) -> &Secret {
        &self.shown
    }

    /// Whether a key with this digest may be used for this at `now`; `None` when it is none of these.
    fn allow(&self, given: &[u8; 32], permission: Permission, now: Timestamp) -> Option<bool> {
        if bool::from(self.of_shown.ct_eq(given)) {
            return Some(PERMISSIONS.contains(&permission));
        }
        let others = Arc::clone(&self.others.read().unwrap_or_else(PoisonError::into_inner));
        let same = others.iter().filter(|key| bool::from(key.digest.ct_eq(given)) && key.holds(now));
        same.map(|key| key.permissions.contains(&permission)).reduce(|any, one| any || one)
    }
}

impl ServiceKey {
    fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// The header's value, as a process shows its own key; an error that names none of it where no header can hold that.
pub(crate) fn shown(key: &Secret) -> Result<HeaderValue, &'static str> {
    let mut value = HeaderValue::from_str(key.expose()).map_err(|_| "a key that no header can hold")?;
    value.set_sensitive(true);
    Ok(value)
}

/// What is kept of a key.
#[must_use]
pub fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Which key it was: the beginning of its digest, which tells it from others and nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

/// A key was found good for this, by this process and for this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verified(Permission, KeyId);

/// Which key the request bears: 401 without one that holds, 403 with one that is for something else. What was found good once is not
/// looked at again.
pub fn verify(parts: &mut Parts, auth: &Auth, permission: Permission) -> Result<KeyId, Problem> {
    if let Some(Verified(of, id)) = parts.extensions.get()
        && *of == permission
    {
        return Ok(*id);
    }
    let missing = || Problem::unauthorized("the header X-Internal-Key is missing");
    let given = parts.headers.get(HEADER).ok_or_else(missing)?;
    let given = digest(given.as_bytes());
    match auth.keys.allow(&given, permission, auth.clock.now()) {
        Some(true) => {
            let id = KeyId(std::array::from_fn(|at| given[at]));
            parts.extensions.insert(Verified(permission, id));
            Ok(id)
        }
        Some(false) => Err(Problem::forbidden(Requires::ServiceKey(permission).refusal())),
        None => Err(Problem::unauthorized("the header X-Internal-Key does not hold the key")),
    }
}
