//! How often somebody may be wrong about a password.
//!
//! A cell is taken before a password is verified and given back when it was right, so that guesses that come together can't all
//! be under the limit at once, and what is refused costs no bcrypt. Attempts from devices that are not known count by the address they name,
//! whether an account has it or not: nobody learns from a refusal which it is. A device from which the user has logged in before
//! counts for itself, so that whoever guesses elsewhere doesn't lock its user out.

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::{Clock, UserId};
use ecs_limits::{Key, Keys, Limiter, Quota};
use ecs_metrics::Metrics;
use ecs_web::Problem;
use ecs_web::auth::DeviceToken;
use ecs_web::problem::Code;

use crate::Deps;

/// Sets the keys of limits apart from others of the same secret.
const LABEL: &str = "ecs/limits/guesses/1";
/// Within which so many wrong attempts are let through.
const PERIOD: Duration = Duration::from_secs(15 * 60);
const BY_UNKNOWN_DEVICES: Quota = in_period(10);
const BY_ONE: Quota = in_period(5);

/// So many at once, and the same number again in each period.
const fn in_period(attempts: u32) -> Quota {
    match Quota::new(attempts, PERIOD, attempts) {
        Ok(quota) => quota,
        // Found out when this is compiled: quotas are made in constants only.
        Err(_) => panic!("no quota"),
    }
}

/// Counts wrong attempts at passwords.
pub(crate) struct Guesses {
    limiter: Arc<dyn Limiter>,
    keys: Keys,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// An attempt that is under way. One of which nothing more is heard was wrong.
pub(crate) struct Guess<'a> {
    guesses: &'a Guesses,
    key: Key,
    quota: Quota,
}

impl Guesses {
    /// Counted where the role's limiter counts, by the role's clock.
    pub(crate) fn new(deps: &Deps) -> Self {
        Self {
            limiter: Arc::clone(&deps.limiter),
            keys: Keys::new(deps.auth.tokens.derived_secret(LABEL)),
            clock: Arc::clone(&deps.clock),
            metrics: deps.metrics.clone(),
        }
    }

    /// An attempt to log in under a name. `device` is one that the name's own user has logged in from.
    pub(crate) fn log_in(&self, name: &str, device: Option<DeviceToken>) -> Result<Guess<'_>, Problem> {
        match device {
            Some(DeviceToken { user, device }) => {
                let subject = [*user.uuid().as_bytes(), *device.as_bytes()].concat();
                self.guess(["log-in", "device"], &subject, BY_ONE)
            }
            None => {
                let name = name.trim().to_lowercase();
                self.guess(["log-in", "unknown-devices"], name.as_bytes(), BY_UNKNOWN_DEVICES)
            }
        }
    }

    /// An attempt of a logged-in user to name the password that is to be changed.
    pub(crate) fn password_change(&self, user: UserId) -> Result<Guess<'_>, Problem> {
        self.guess(["password-change", "user"], user.uuid().as_bytes(), BY_ONE)
    }

    /// An attempt of a logged-in user to show that it is them who wants to be erased.
    pub(crate) fn erasure(&self, user: UserId) -> Result<Guess<'_>, Problem> {
        self.guess(["erasure", "user"], user.uuid().as_bytes(), BY_ONE)
    }

    fn guess(&self, realm: [&'static str; 2], subject: &[u8], quota: Quota) -> Result<Guess<'_>, Problem> {
        let key = self.keys.of(realm, subject);
        let decision = self.limiter.check(&key, &quota, 1, self.clock.now());
        if decision.allowed {
            return Ok(Guess { guesses: self, key, quota });
        }
        let [class, by] = realm;
        self.metrics.rate_limited(class, by);
        Err(Problem::rate_limited(
            "too many attempts at this password, try again later",
            decision.retry_after,
        ))
    }
}

impl Guess<'_> {
    /// Counts only when the answer is the one to a wrong password: an attempt that was right, or that nobody could judge, doesn't.
    pub(crate) fn judge<T>(self, answer: Result<T, Problem>, wrong: Code) -> Result<T, Problem> {
        let was_wrong = answer.as_ref().is_err_and(|problem| problem.code() == wrong);
        if !was_wrong {
            let Guesses { limiter, clock, .. } = self.guesses;
            limiter.give_back(&self.key, &self.quota, 1, clock.now());
        }
        answer
    }
}
