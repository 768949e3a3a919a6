//! What an operator does about dead letters: look, replay, drop.
//!
//! A replay is a normal publish of the old event under its old id, so its effect stays single whatever became of it
//! before. It goes through the outbox: the store marks the letter and moves its event there in one transaction, and the
//! relay publishes it. So a crash at any point leaves either the letter waiting or its event on the way, and a store
//! whose platform is stopped can be worked on, too: the next start publishes. If the event fails again, its letter waits
//! again under its old number.

use ecs_bus::Subject;
use ecs_domain::dead_letter::DeadLetterState;
use ecs_domain::{Clock, UserId};
use ecs_store::{DeadLetters, LetterFilter, LetterId, StoreError};

use crate::Wake;

/// The most letters that one call lists, replays or drops.
pub const MOST: usize = 500;

/// What is done about letters, by whom.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// Where the letters are.
    pub store: &'a dyn DeadLetters,
    /// What time it is.
    pub clock: &'a dyn Clock,
    /// Wakes the relay; where no relay runs, nobody hears it.
    pub outbox: &'a Wake,
    /// Whom the log names.
    pub operator: UserId,
}

/// What can be done about a letter that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Publish its event again.
    Replay,
    /// Give it up for good.
    Drop,
}

/// Which letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// These, at most [`MOST`].
    Ids(Vec<LetterId>),
    /// Those that match and wait, newest first.
    Matching {
        /// Its state is not looked at.
        filter: LetterFilter,
        /// Only those with lower numbers. Going on from page to page with it meets each letter once, even where
        /// replayed events fail at once and their letters wait again.
        before: Option<LetterId>,
        /// How many, at most [`MOST`].
        limit: usize,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// The letters about which it was done.
    pub done: Vec<LetterId>,
    /// Those among the chosen that are unknown, don't wait, or are of a subject that this version doesn't know.
    pub skipped: Vec<LetterId>,
    /// Where to go on: there may be more that match, with numbers below this one.
    pub next: Option<LetterId>,
}

impl Desk<'_> {
    /// Does it about the letters of the choice, as many as one call takes.
    pub async fn act(&self, action: Action, choice: Choice) -> Result<Done, StoreError> {
        let (ids, next) = match choice {
            Choice::Ids(mut ids) => {
                ids.truncate(MOST);
                (ids, None)
            }
            Choice::Matching { filter, before, limit } => self.page(filter, before, limit).await?,
        };
        let now = self.clock.now();
        let done = match action {
            Action::Replay => {
                self.store.replay_dead_letters(&self.publishable(&ids).await?, self.operator, now).await?
            }
            Action::Drop => self.store.drop_dead_letters(&ids, self.operator, now).await?,
        };
        if action == Action::Replay && !done.is_empty() {
            self.outbox.wake();
        }
        for id in &done {
            self.note(action, *id);
        }
        let skipped = ids.into_iter().filter(|id| !done.contains(id)).collect();
        Ok(Done { done, skipped, next })
    }

    /// The numbers of a page of letters that wait, and where the next page begins.
    async fn page(
        &self,
        filter: LetterFilter,
        before: Option<LetterId>,
        limit: usize,
    ) -> Result<(Vec<LetterId>, Option<LetterId>), StoreError> {
        let limit = limit.min(MOST);
        let filter = LetterFilter { state: Some(DeadLetterState::Waiting), ..filter };
        let letters = self.store.dead_letters(&filter, before, limit).await?;
        let next = letters.last().filter(|_| letters.len() == limit).map(|letter| letter.id);
        Ok((letters.into_iter().map(|letter| letter.id).collect(), next))
    }

    /// Those whose subject this version knows: the event of another could not leave the outbox.
    async fn publishable(&self, ids: &[LetterId]) -> Result<Vec<LetterId>, StoreError> {
        let mut publishable = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.store.dead_letter(*id).await?;
            if found.is_some_and(|full| Subject::parse(&full.letter.subject).is_some()) {
                publishable.push(*id);
            }
        }
        Ok(publishable)
    }

    fn note(&self, action: Action, id: LetterId) {
        let operator_id = self.operator;
        match action {
            Action::Replay => tracing::info!(letter_id = %id, %operator_id, "a dead letter is replayed"),
            Action::Drop => tracing::info!(letter_id = %id, %operator_id, "a dead letter is dropped"),
        }
    }
}
