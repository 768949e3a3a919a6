//! Password hashing, which is slow on purpose: off the async threads, and only a few at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ecs_domain::Violations;
use ecs_web::{Problem, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The lengths of a password in bytes. bcrypt would silently ignore what comes after the 72nd.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=72;

/// A password that is to be one from now on.
pub(crate) fn require_new(
    violations: &mut Violations,
    field: &'static str,
    given: Option<String>,
) -> Option<Secret> {
    let password = violations.require(field, given).map(Secret::new)?;
    if LENGTH.contains(&password.expose().len()) {
        return Some(password);
    }
    violations.push(field, "must have 12 to 72 bytes");
    None
}

/// How long a request waits for its turn before it is turned away.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// How many requests may wait for each of those whose turn it is. At a good cost no more than these get their turn in
/// time; who comes when they wait already is turned away at once, so that a storm of log-ins doesn't take the places
/// of all other requests only to fail in the end.
const MAX_WAITING: usize = 16;

/// When those who were turned away should come back.
const RETRY: Duration = Duration::from_secs(2);

/// Hashes and verifies passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    cost: u32,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    max_wait: Duration,
}

impl Passwords {
    /// With this bcrypt cost; all but one of the processors may hash at a time.
    pub(crate) fn new(cost: u32) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_turns(cost, processors.saturating_sub(1).max(1))
    }

    fn with_turns(cost: u32, turns: usize) -> Self {
        let waiting = Arc::new(Semaphore::new(turns * MAX_WAITING));
        Self { cost, turns: Arc::new(Semaphore::new(turns)), waiting, max_wait: MAX_WAIT }
    }

    /// The password's hash.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, Problem> {
        let cost = self.cost;
        self.work(move || bcrypt::hash(password.expose(), cost)).await
    }

    /// Whether `password` is the one that `hash` was made of. Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool, Problem> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| nobodys_hash(self.cost));
        let fits = LENGTH.contains(&password.expose().len());
        let matches = self.work(move || bcrypt::verify(password.expose(), &hash)).await?;
        Ok(matches && known && fits)
    }

    /// Whether a hash was made at another cost than ours.
    pub(crate) fn is_outdated(&self, hash: &str) -> bool {
        hash.parse::<bcrypt::HashParts>().is_ok_and(|parts| parts.get_cost() != self.cost)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.turn().await?;
        let result = tokio::task::spawn_blocking(move || {
            // Held by the work and not by the request: one that goes away doesn't let another in early.
            let _turn = turn;
            work()
        });
        match result.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Problem::internal(&error)),
            Err(error) => Err(Problem::internal(&error)),
        }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let _waits = self.waiting.try_acquire().map_err(|_| Problem::overloaded(RETRY))?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(self.max_wait, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(Problem::overloaded(RETRY)),
        }
    }
}

/// A well-formed hash of the given cost that no known password has: its 23 bytes are all zero.
fn nobodys_hash(cost: u32) -> String {
    format!("$2b${cost:02}$abcdefghijklmnopqrstuu{}", ".".repeat(31))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lowest cost that bcrypt has; tests have no secrets to keep.
    const CHEAP: u32 = 4;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[tokio::test]
    async fn only_the_password_itself_is_verified() {
        let passwords = Passwords::new(CHEAP);
        let longest = "é".repeat(36);
        let hash = passwords.hash(secret(&longest)).await.unwrap();
        let check = async |password: &str, expect: bool| {
            let verified = passwords.verify(secret(password), Some(hash.clone())).await.unwrap();
            assert_eq!(verified, expect, "{password}");
        };
        check(&longest, true).await;
        check(&longest.replace('é', "e"), false).await;
        check(&format!("{longest}and more that bcrypt would ignore"), false).await;
        check("", false).await;
    }

    #[tokio::test]
    async fn an_unknown_address_costs_a_full_verification() {
        let parts: bcrypt::HashParts = nobodys_hash(12).parse().unwrap();
        assert_eq!(parts.get_cost(), 12);
        // bcrypt refuses a malformed hash at once, which would tell strangers who has an account.
        assert!(matches!(bcrypt::verify("a password of 12", &nobodys_hash(CHEAP)), Ok(false)));
        assert_eq!(Passwords::new(CHEAP).verify(secret("a password of 12"), None).await, Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_its_turn_no_longer_than_it_should() {
        let passwords = Passwords::with_turns(CHEAP, 1);
        let turn = passwords.turn().await.unwrap();
        let before = tokio::time::Instant::now();
        let refused = passwords.hash(secret("a password of 12")).await;
        assert_eq!(refused, Err(Problem::overloaded(RETRY)));
        assert_eq!(before.elapsed(), MAX_WAIT);
        drop(turn);
        assert!(passwords.hash(secret("a password of 12")).await.is_ok());
    }
    #[tokio::test(start_paused = true)]
    async fn a_storm_of_log_ins_is_turned_away_at_once_beyond_those_who_wait() {
        let passwords = Passwords::with_turns(CHEAP, 1);
        let turn = passwords.turn().await.unwrap();
        let storm: Vec<_> = (0..100)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move {
                    let before = tokio::time::Instant::now();
                    let refused = passwords.hash(secret("a password of 12")).await;
                    assert_eq!(refused, Err(Problem::overloaded(RETRY)));
                    before.elapsed()
                })
            })
            .collect();
        let mut waited = 0;
        for request in storm {
            let time = request.await.unwrap();
            assert!(time.is_zero() || time == MAX_WAIT, "{time:?}");
            waited += usize::from(!time.is_zero());
        }
        assert_eq!(waited, MAX_WAITING);
        drop(turn);
        assert!(passwords.hash(secret("a password of 12")).await.is_ok());
    }
}
