//! What ended tokens before their time: the list of changes, as this process follows it.
//!
//! A change is about a user or a session, and has a number. A token tells the number of the newest change that was known of its user
//! when it was made; one that knows of less than this process holds no more. The list is asked for every second, from the store or
//! from a process that has it. While it can't be had, whoever must know what holds now refuses, within five seconds of a change
//! that it might have missed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Identity;

/// How often the list is asked for.
const EVERY: Duration = Duration::from_secs(1);
/// The same before the first answer: whoever has the list may be about to start.
const AT_FIRST: Duration = Duration::from_millis(100);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How old the newest answer may be. A change that was committed right after it takes effect, or stops everything, that late.
pub const MOST_AGE: Duration = Duration::from_secs(4);
/// How long a change is remembered: longer than any token lasts that doesn't know of it.
const MEMORY: Duration = Duration::from_secs(2 * 60 * 60);

/// Where the list of changes comes from.
#[async_trait]
pub trait ListOfChanges: Send + Sync + 'static {
    /// A piece of the list: what comes after this number, or without one all that matters to tokens which may still hold.
    async fn after(&self, number: Option<u64>) -> Result<Told, String>;
}

/// A piece of the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The numbers of the changes, rising, each with the user or session that it is about.
    pub changes: Vec<(u64, Uuid)>,
    /// The number of the newest change there is.
    pub newest: u64,
}

/// What this process knows of the list.
pub struct Changes {
    known: RwLock<HashMap<Uuid, Known>>,
    /// When the last answer was asked for that held everything; `None` before the first.
    complete: watch::Sender<Option<Instant>>,
    /// Is told when something was heard that was not known.
    news: watch::Sender<()>,
    /// Whether there is a list to be followed.
    followed: bool,
    hurry: Notify,
}

#[derive(Clone, Copy)]
struct Known {
    number: u64,
    heard: Instant,
}

impl Changes {
    /// Of a list that is followed: nothing is known until [`Changes::follow`] has read it.
    #[must_use]
    pub fn followed() -> Arc<Self> {
        Arc::new(Self::new(true))
    }

    /// Of a process that nobody tells of changes; it believes every token until it expires. For tests of what is behind that.
    #[must_use]
    pub fn none() -> Arc<Self> {
        Arc::new(Self::new(false))
    }

    fn new(followed: bool) -> Self {
        let (complete, news) = (watch::Sender::new(None), watch::Sender::new(()));
        Self { known: RwLock::default(), complete, news, followed, hurry: Notify::new() }
    }

    /// Whether a token holds, as far as is known here.
    #[must_use]
    pub fn let_hold(&self, identity: &Identity) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let ended = |subject: Uuid| known.get(&subject).is_some_and(|known| known.number > identity.version);
        known.is_empty() || !(ended(identity.user.uuid()) || identity.session.is_some_and(ended))
    }

    /// Whether no change has been missed that is older than a few seconds.
    #[must_use]
    pub fn are_current(&self) -> bool {
        let complete = *self.complete.borrow();
        !self.followed || complete.is_some_and(|asked| asked.elapsed() <= MOST_AGE)
    }

    /// Is told of news, so that what goes on for long can ask again whether it may.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Waits until the list was read for the first time, but no longer than this.
    pub async fn heard(&self, patience: Duration) {
        let mut complete = self.complete.subscribe();
        let heard = complete.wait_for(Option::is_some);
        // Whoever must know refuses until then.
        let _ = tokio::time::timeout(patience, heard).await;
    }

    /// The list has grown: it is asked for at once.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Follows the list until `stop`.
    pub async fn follow(self: Arc<Self>, list: Arc<dyn ListOfChanges>, stop: CancellationToken) {
        let mut last = None;
        let mut failing = false;
        while !stop.is_cancelled() {
            match self.ask(&*list, &mut last).await {
                Ok(true) => failing = false,
                Ok(false) => continue,
                Err(error) if !failing => {
                    tracing::warn!(error, "changes of what users may do can't be followed");
                    failing = true;
                }
                Err(_) => {}
            }
            let pause = if self.complete.borrow().is_some() { EVERY } else { AT_FIRST };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.hurry.notified() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Takes in the next piece. Returns whether it was the last for now.
    async fn ask(&self, list: &dyn ListOfChanges, last: &mut Option<u64>) -> Result<bool, String> {
        let asked = Instant::now();
        let told = tokio::time::timeout(PATIENCE, list.after(*last)).await;
        let told = told.map_err(|_| "it took too long".to_owned())??;
        self.note(&told, asked);
        if last.is_some_and(|last| told.newest < last) {
            // The store was set back: what it counts from now on was never told.
            *last = None;
            return Ok(false);
        }
        let reached = told.changes.last().map(|(number, _)| *number);
        *last = reached.or(*last).or(Some(told.newest));
        if reached.is_some_and(|reached| reached < told.newest) {
            return Ok(false);
        }
        self.complete.send_replace(Some(asked));
        Ok(true)
    }

    fn note(&self, told: &Told, heard: Instant) {
        if told.changes.is_empty() {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| heard.saturating_duration_since(known.heard) < MEMORY);
        for (number, subject) in &told.changes {
            let known = known.entry(*subject).or_insert(Known { number: *number, heard });
            *known = Known { number: known.number.max(*number), heard };
        }
        drop(known);
        self.news.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ecs_domain::UserId;

    use super::*;

    /// Hands out pieces of at most two changes, and can be away.
    #[derive(Default)]
    struct List(Mutex<Option<Vec<(u64, Uuid)>>>);

    impl List {
        fn is(&self, changes: Option<&[(u64, u128)]>) {
            let changes = changes.map(|all| all.iter().map(|(n, id)| (*n, Uuid::from_u128(*id))).collect());
            *self.0.lock().unwrap() = changes;
        }
    }

    #[async_trait]
    impl ListOfChanges for List {
        async fn after(&self, number: Option<u64>) -> Result<Told, String> {
            let all = self.0.lock().unwrap().clone().ok_or("away")?;
            let newest = all.last().map_or(0, |(number, _)| *number);
            let changes = all.into_iter().filter(|(it, _)| *it > number.unwrap_or(0)).take(2).collect();
            Ok(Told { changes, newest })
        }
    }

    fn token(user: u128, version: u64, session: u128) -> Identity {
        let session = Some(Uuid::from_u128(session));
        Identity { version, session, ..Identity::of(UserId::new(Uuid::from_u128(user))) }
    }

    /// Follows a list until the returned guard goes.
    fn follow() -> (Arc<Changes>, Arc<List>, tokio_util::sync::DropGuard) {
        let (changes, list, stop) =
            (Changes::followed(), Arc::new(List::default()), CancellationToken::new());
        tokio::spawn(Arc::clone(&changes).follow(Arc::clone(&list) as _, stop.clone()));
        (changes, list, stop.drop_guard())
    }

    async fn heard(changes: &Changes) {
        let mut watch = changes.complete.subscribe();
        // The first may answer a question that was asked before.
        for _ in 0..2 {
            watch.changed().await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_knows_less_holds_no_more() {
        let (changes, list, _following) = follow();
        list.is(Some(&[(5, 1), (6, 2), (7, 70), (9, 1)]));
        heard(&changes).await;
        let check = |user, version, session, expect: bool| {
            assert_eq!(
                changes.let_hold(&token(user, version, session)),
                expect,
                "{user} {version} {session}"
            );
        };
        check(1, 8, 0, false);
        check(1, 9, 0, true);
        check(2, 5, 0, false);
        check(2, 6, 0, true);
        check(2, 6, 70, false);
        check(3, 0, 0, true);
        list.is(Some(&[(5, 1), (6, 2), (7, 70), (9, 1), (12, 3)]));
        changes.hurry();
        heard(&changes).await;
        check(3, 0, 0, false);
        check(1, 9, 0, true);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_is_not_current() {
        let (changes, list, _following) = follow();
        assert!(!changes.are_current(), "nothing was heard yet");
        list.is(Some(&[(5, 1)]));
        heard(&changes).await;
        assert!(changes.are_current());
        list.is(None);
        tokio::time::sleep(MOST_AGE + EVERY).await;
        assert!(!changes.are_current());
        assert!(!changes.let_hold(&token(1, 4, 0)), "what is known stays known");
        list.is(Some(&[(5, 1), (6, 2)]));
        heard(&changes).await;
        assert!(changes.are_current() && !changes.let_hold(&token(2, 5, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_was_set_back_is_read_anew() {
        let (changes, list, _following) = follow();
        list.is(Some(&[(5, 1), (9, 2)]));
        heard(&changes).await;
        list.is(Some(&[(5, 1), (8, 3)]));
        heard(&changes).await;
        assert!(!changes.let_hold(&token(3, 7, 0)));
        assert!(!changes.let_hold(&token(2, 8, 0)), "what was known stays known");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_has_an_end() {
        let (changes, list, _following) = follow();
        list.is(Some(&[(5, 1)]));
        heard(&changes).await;
        tokio::time::sleep(MEMORY).await;
        list.is(Some(&[(5, 1), (6, 2)]));
        heard(&changes).await;
        assert_eq!(changes.known.read().unwrap().len(), 1);
    }
}
