//! Decisions are kept: the last one stands for a while, and this is where that is enforced.
//!
//! Those of several users go in one transaction. Only users whose row is free take part: whoever else has theirs in hand may hold it
//! for long, and the others must not wait for that. Such a decision is kept alone, and waits; so is each of a group that fails, for one
//! row that can't be kept or read must not stop the others.

use std::collections::HashSet;
use std::sync::Arc;

use ecs_domain::{Timestamp, UserId};
use ecs_store::{DecisionRow, KeptAnswer, NewDecision, Recorded, StoreError};
use ecs_vault::PersonKey;
use uuid::Uuid;

use super::decisions::{self, Latest, statements};
use super::rows::{Prepared, Rows};
use crate::column::{get, micros};
use crate::engine::{Answer, Call, Fault, Primary, Session, Together, placed};
use crate::idempotency::{self, Held};
use crate::{erasures, users};

/// A decision to be kept.
pub(crate) struct Wish {
    prepared: Prepared,
    /// From when on another decision stands in its way.
    since: Timestamp,
    new: NewDecision,
    key: PersonKey,
    answer: Option<KeptAnswer>,
}

impl Wish {
    pub(super) fn new(
        new: NewDecision,
        key: PersonKey,
        answer: Option<KeptAnswer>,
    ) -> Result<Self, StoreError> {
        let prepared = Prepared::new(&new.decision, &key)?;
        let since = micros(new.stands_since());
        Ok(Self { prepared, since, new, key, answer })
    }

    pub(super) fn user(&self) -> UserId {
        self.prepared.user()
    }
}

/// What came of a wish: it is kept or refused, or nothing was done and it is to be kept alone.
pub(crate) type Turn = Option<Result<Recorded, StoreError>>;

/// Keeps decisions of several users.
pub(crate) struct Recording(pub(crate) Arc<Primary>);

impl Together for Recording {
    type Call = Arc<Wish>;
    type Answer = Turn;

    async fn together(&self, wishes: &[Arc<Wish>]) -> Result<Vec<Turn>, StoreError> {
        let about: Vec<UserId> = wishes.iter().map(|wish| wish.user()).collect();
        let call = Call::quick("credit.record_decision").about(&about);
        let wishes: &Vec<&Wish> = &wishes.iter().map(Arc::as_ref).collect();
        let recorded = self
            .0
            .run(call, |session| async move { Group::new(wishes).record(&session, users::LOCK_FREE).await });
        match recorded.await {
            Err(StoreError::Unavailable(why)) => Err(StoreError::Unavailable(why)),
            Err(_) => Ok(wishes.iter().map(|_| None).collect()),
            Ok(turns) => Ok(turns),
        }
    }
}

/// Keeps one decision. The user's row is locked first, and what stands is read after that: a second call waits here, and then finds
/// the first one's decision.
pub(super) async fn alone(session: &Session, wish: &Wish) -> Result<Recorded, Fault> {
    let mut turns = Group::new(&[wish]).record(session, users::LOCK_ALL).await?;
    match turns.pop() {
        Some(Some(recorded)) => Ok(recorded?),
        Some(None) | None => Err(StoreError::Corrupt("a decision about nobody".to_owned()).into()),
    }
}

/// Wishes, and their parameters.
struct Group<'a> {
    wishes: &'a [&'a Wish],
    users: Vec<Uuid>,
    since: Vec<Timestamp>,
    at: Vec<Timestamp>,
    held: Vec<Option<Held<'a>>>,
}

/// What was found under the lock for one of them.
struct Seen {
    standing: Result<Option<DecisionRow>, StoreError>,
    facts: Result<Option<Latest>, StoreError>,
    /// The claim on the request's key, if it has one.
    claim: Option<Answer>,
}

impl<'a> Group<'a> {
    fn new(wishes: &'a [&'a Wish]) -> Self {
        Self {
            wishes,
            users: wishes.iter().map(|wish| wish.user().uuid()).collect(),
            since: wishes.iter().map(|wish| wish.since).collect(),
            at: wishes.iter().map(|wish| wish.prepared.decision().decided_at).collect(),
            held: wishes.iter().map(|wish| wish.answer.as_ref().map(Held::new)).collect(),
        }
    }

    /// `lock` says which of the users take part.
    async fn record(&self, session: &Session, lock: &'static str) -> Result<Vec<Turn>, Fault> {
        let (mut locked, leaving, seen) = self.look(session, lock).await?;
        let mut turns = Vec::with_capacity(self.wishes.len());
        let mut kept = Vec::with_capacity(self.wishes.len());
        for ((wish, held), seen) in self.wishes.iter().zip(&self.held).zip(seen) {
            let user = wish.user().uuid();
            turns.push(match seen.verdict(wish, leaving.contains(&user)) {
                // Once: what is kept here stands in the way of the user's next one.
                _ if !locked.remove(&user) => None,
                Ok(Some(standing)) => Some(Ok(standing)),
                Err(refused) => Some(Err(refused)),
                Ok(None) => {
                    kept.push((*wish, held));
                    Some(Ok(Recorded { decision: wish.prepared.decision().clone(), repeated: false }))
                }
            });
        }
        self.keep(session, &kept).await?;
        Ok(turns)
    }

    /// Locks, and reads what stands in the way. Returns who is locked, and who is being erased.
    async fn look(
        &self,
        session: &Session,
        lock: &'static str,
    ) -> Result<(HashSet<Uuid>, HashSet<Uuid>, Vec<Seen>), Fault> {
        let mut flight = session.flight();
        flight.begin();
        let locked = flight.add(lock, &[&self.users]);
        let leaving = flight.add(erasures::ASKED_FOR_AMONG, &[&self.users]);
        let standing = flight.add(statements::LAST_OF, &[&self.users, &self.since]);
        let facts = flight.add(statements::FACTS_OF, &[&self.users, &self.at]);
        let mut claims = Vec::with_capacity(self.held.len());
        for held in &self.held {
            claims.push(held.as_ref().map(|held| held.lock(&mut flight)));
        }
        let mut answers = flight.send().await?;
        let count = self.users.len();
        let standing = placed(count, &answers.take(standing).rows, decisions::read)?;
        let facts = placed(count, &answers.take(facts).rows, Latest::read)?;
        let seen = standing.into_iter().zip(facts).zip(claims).map(|((standing, facts), claim)| Seen {
            standing,
            facts,
            claim: claim.map(|claim| answers.take(claim)),
        });
        let seen = seen.collect();
        Ok((ids(&answers.take(locked))?, ids(&answers.take(leaving))?, seen))
    }

    /// Writes those that nothing stands in the way of, and ends the transaction.
    async fn keep(&self, session: &Session, kept: &[(&Wish, &Option<Held<'_>>)]) -> Result<(), Fault> {
        let rows = Rows::of(kept.iter().map(|(wish, _)| &wish.prepared));
        let mut flight = session.flight();
        if kept.is_empty() {
            flight.roll_back();
        } else {
            rows.insert(&mut flight);
            for held in kept.iter().filter_map(|(_, held)| held.as_ref()) {
                held.keep(&mut flight);
            }
            flight.commit();
        }
        flight.send().await.map(drop)
    }
}

impl Seen {
    /// The decision that stands, none when this one is to be kept, or why it must not be.
    fn verdict(self, wish: &Wish, is_leaving: bool) -> Result<Option<Recorded>, StoreError> {
        if is_leaving {
            return Err(StoreError::Unavailable("the user is being erased".to_owned()));
        }
        if let Some(row) = self.standing? {
            return Ok(Some(Recorded { decision: row.open(Some(&wish.key))?, repeated: true }));
        }
        if self.facts?.ok_or(Fault::UNANSWERED)?.differs(wish.new.facts, &wish.key)? {
            return Err(StoreError::Stale);
        }
        self.claim.as_ref().map_or(Ok(()), idempotency::require)?;
        Ok(None)
    }
}

fn ids(answer: &Answer) -> Result<HashSet<Uuid>, Fault> {
    answer.rows.iter().map(|row| get(row, 0)).collect()
}
