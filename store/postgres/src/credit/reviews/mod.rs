//! Reviews of decisions by people.
//!
//! Each step locks its person's row, then the review, so that what it was judged by stands until the end.

pub(crate) mod statements;

use std::collections::BTreeMap;

use async_trait::async_trait;
use ecs_domain::review::{Claim, Review, ReviewOutcome, ReviewState};
use ecs_domain::{DecisionId, OfferId, ReviewId, Timestamp, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::chain::Digest;
use ecs_store::decision_log::REVIEWED;
use ecs_store::reviews::{seal_comment, seal_explanation};
use ecs_store::{
    KeptAnswer, NewReview, PageRequest, ReviewBacklog, ReviewChange, ReviewPage, ReviewRequested, ReviewRow,
    Reviews, StoreError, Verdict,
};
use ecs_vault::PersonKey;
use tokio_postgres::Row;
use uuid::Uuid;

use super::offers;
use crate::audit::{self, EntryRow};
use crate::column::{count, get, micros, unsigned};
use crate::decision_log;
use crate::engine::{Call, Fault, Session};
use crate::idempotency::{self, Held};
use crate::outbox::{self, Columns};
use crate::{PostgresStore, erasures, users};

const INSERT: &str = "INSERT INTO decision_reviews (id, decision_id, user_id, requested_at, due_at, comment)
     VALUES ($1, $2, $3, $4, $5, $6)";

#[async_trait]
impl Reviews for PostgresStore {
    async fn request_review(
        &self,
        new: NewReview,
        answer: Option<KeptAnswer>,
    ) -> Result<ReviewRequested, StoreError> {
        // Whoever has no key has no decision to be reviewed.
        let Some(key) = self.keyring.known(&[new.user]).await?.pop().flatten() else {
            return Ok(ReviewRequested::Unknown);
        };
        let (about, key, new, answer) = ([new.user], &key, &new, answer.as_ref());
        self.primary
            .run(Call::quick("reviews.request").about(&about), |session| async move {
                request(&session, new, key, answer).await
            })
            .await
    }

    async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError> {
        let row = self.row_of_review(id).await?;
        Ok(self.open_reviews(row.into_iter().collect()).await?.pop())
    }

    async fn review_of(&self, user: UserId, decision: DecisionId) -> Result<Option<Review>, StoreError> {
        let (decision, user) = (&decision.uuid(), &user.uuid());
        let row = self.primary.run(Call::quick("reviews.of_decision"), |session| async move {
            session.query(statements::OF_DECISION, &[decision, user]).await?.first().map(read).transpose()
        });
        Ok(self.open_reviews(row.await?.into_iter().collect()).await?.pop())
    }

    async fn reviews(&self, state: ReviewState, page: PageRequest) -> Result<ReviewPage, StoreError> {
        let sql = match state {
            ReviewState::Open | ReviewState::Claimed => statements::PAGE,
            ReviewState::Concluded => statements::PAGE_BACK,
        };
        let word = &state.as_str();
        let skip = &(i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size));
        let size = &i64::from(page.page_size);
        let found = self.primary.run(Call::quick("reviews.page"), |session| async move {
            let mut flight = session.flight();
            let total = flight.add(statements::COUNT, &[word]);
            let rows = flight.add(sql, &[word, size, skip]);
            let mut answers = flight.send().await?;
            let total = answers.take(total).only().map(unsigned)?;
            let rows = answers.take(rows).rows.iter().map(read).collect::<Result<Vec<_>, Fault>>()?;
            Ok((total, rows))
        });
        let (total, rows) = found.await?;
        Ok(ReviewPage { total, items: self.open_reviews(rows).await? })
    }

    async fn claim_review(
        &self,
        id: ReviewId,
        officer: UserId,
        now: Timestamp,
    ) -> Result<ReviewChange, StoreError> {
        let Some(key) = self.key_to_review(id).await? else { return Ok(ReviewChange::Unknown) };
        let (key, claim) = (&key, Claim { by: officer, at: micros(now) });
        self.primary
            .run(Call::quick("reviews.claim"), |session| async move {
                self::claim(&session, id, claim, key).await
            })
            .await
    }

    async fn conclude_review(&self, verdict: Verdict) -> Result<ReviewChange, StoreError> {
        let Some(key) = self.key_to_review(verdict.id).await? else { return Ok(ReviewChange::Unknown) };
        let (about, key, verdict) = ([key.user()], &key, &verdict);
        self.primary
            .run(Call::quick("reviews.conclude").about(&about), |session| async move {
                conclude(&session, verdict, key).await
            })
            .await
    }

    async fn review_backlog(&self) -> Result<ReviewBacklog, StoreError> {
        self.primary
            .run(Call::quick("reviews.backlog"), |session| async move {
                let found = session.query(statements::BACKLOG, &[]).await?;
                let row = found.first().ok_or(Fault::Conflict)?;
                Ok(ReviewBacklog { waiting: count(row, "waiting")?, oldest: get(row, "oldest")? })
            })
            .await
    }
}

impl PostgresStore {
    async fn row_of_review(&self, id: ReviewId) -> Result<Option<ReviewRow>, StoreError> {
        let id = &id.uuid();
        self.primary
            .run(Call::quick("reviews.find"), |session| async move {
                session.query(statements::FIND, &[id]).await?.first().map(read).transpose()
            })
            .await
    }

    /// Reviews of those who have keys.
    async fn open_reviews(&self, rows: Vec<ReviewRow>) -> Result<Vec<Review>, StoreError> {
        let users: Vec<UserId> = rows.iter().map(|row| row.user).collect();
        let keys = self.keyring.known(&users).await?;
        rows.into_iter().zip(keys).filter_map(|(row, key)| key.map(|key| row.open(&key))).collect()
    }

    /// The key of the person whose review it is. Neither changes.
    async fn key_to_review(&self, id: ReviewId) -> Result<Option<PersonKey>, StoreError> {
        let Some(ReviewRow { user, .. }) = self.row_of_review(id).await? else { return Ok(None) };
        Ok(self.keyring.known(&[user]).await?.pop().flatten())
    }
}

/// The user's row is locked, so what isn't under way now isn't at the insert.
async fn request(
    session: &Session,
    new: &NewReview,
    key: &PersonKey,
    answer: Option<&KeptAnswer>,
) -> Result<ReviewRequested, Fault> {
    let (user, decision, held) = (new.user.uuid(), new.decision.uuid(), answer.map(Held::new));
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[&user]);
    let leaves = flight.add(erasures::IS_ASKED_FOR, &[&user]);
    let known = flight.add(statements::HAS_DECISION, &[&decision, &user]);
    let under_way = flight.add(statements::IS_UNDER_WAY, &[&decision]);
    let claim = held.as_ref().map(|held| held.lock(&mut flight));
    let mut answers = flight.send().await?;
    let is_known = answers.take(known).only()? && !answers.take(leaves).only::<bool>()?;
    if !is_known || answers.take(under_way).only()? {
        roll_back(session).await?;
        return Ok(if is_known { ReviewRequested::UnderWay } else { ReviewRequested::Unknown });
    }
    let made = Review {
        id: new.id,
        decision: new.decision,
        user: new.user,
        requested_at: micros(new.now),
        due_at: micros(new.due_at),
        comment: new.comment.clone(),
        claim: None,
        conclusion: None,
    };
    let comment = new.comment.as_ref().map(|comment| seal_comment(key, comment)).transpose()?;
    let entry = NewEntry::of_review(new.user, Act::ReviewRequested, &made, new.now);
    let (id, entry) = (new.id.uuid(), EntryRow::new(&entry));
    let mut flight = session.flight();
    flight.add(INSERT, &[&id, &decision, &user, &made.requested_at, &made.due_at, &comment]);
    audit::note(&mut flight, &entry);
    if let (Some(held), Some(claim)) = (&held, claim) {
        idempotency::require(&answers.take(claim))?;
        held.keep(&mut flight);
    }
    flight.commit();
    flight.send().await?;
    Ok(ReviewRequested::Made(made))
}

async fn claim(
    session: &Session,
    id: ReviewId,
    claim: Claim,
    key: &PersonKey,
) -> Result<ReviewChange, Fault> {
    let Some((row, _)) = locked(session, id, key).await? else {
        roll_back(session).await?;
        return Ok(ReviewChange::Unknown);
    };
    let mut review = row.open(key)?;
    let refused = review.may_be_claimed(claim.by, claim.at).err();
    let is_held = review.claim.is_some_and(|held| held.by == claim.by);
    if refused.is_some() || is_held {
        roll_back(session).await?;
        return Ok(refused.map_or(ReviewChange::Done(review), ReviewChange::Refused));
    }
    review.claim = Some(claim);
    let entry = NewEntry::of_review(claim.by, Act::ReviewClaimed, &review, claim.at);
    let (id, by, entry) = (id.uuid(), claim.by.uuid(), EntryRow::new(&entry));
    let mut flight = session.flight();
    flight.add(statements::CLAIM, &[&id, &by, &claim.at]);
    audit::note(&mut flight, &entry);
    flight.commit();
    flight.send().await?;
    Ok(ReviewChange::Done(review))
}

async fn conclude(session: &Session, verdict: &Verdict, key: &PersonKey) -> Result<ReviewChange, Fault> {
    let found = locked(session, verdict.id, key).await?;
    let Some((row, false)) = found else {
        roll_back(session).await?;
        return Ok(ReviewChange::Unknown);
    };
    if let Err(refusal) = row.clone().open(key)?.may_be_concluded(verdict.officer) {
        roll_back(session).await?;
        return Ok(ReviewChange::Refused(refusal));
    }
    let offer = verdict.offer.as_ref().map(offers::as_kept);
    let row = concluded(row, verdict, key)?;
    let (mut logged, mut offers) = (decision_log::Rows::default(), offers::Rows::default());
    logged.push(REVIEWED, verdict.now, row.id.uuid(), row.user, row.digest(offer.as_ref()));
    let (explanation, review) = (row.explanation.clone(), row.open(key)?);
    let entry = NewEntry::of_review(verdict.officer, Act::ReviewConcluded, &review, verdict.now);
    let (id, now, outcome) = (verdict.id.uuid(), micros(verdict.now), verdict.outcome.as_str());
    let (decision, offer_id) = (review.decision.uuid(), offer.as_ref().map(|offer| offer.id.uuid()));
    let (message, entry) = (Columns::new(&verdict.message), EntryRow::new(&entry));
    let mut flight = session.flight();
    if let Some(offer) = &offer {
        offers.push(offer);
        flight.add(statements::WITHDRAW, &[&decision, &now]);
    }
    offers.insert(&mut flight);
    flight.add(statements::CONCLUDE, &[&id, &now, &outcome, &explanation, &offer_id]);
    logged.insert(&mut flight);
    flight.add(outbox::INSERT, &message.params());
    audit::note(&mut flight, &entry);
    flight.commit();
    flight.send().await?;
    Ok(ReviewChange::Done(review))
}

/// The row as it stands behind this verdict.
fn concluded(row: ReviewRow, verdict: &Verdict, key: &PersonKey) -> Result<ReviewRow, StoreError> {
    Ok(ReviewRow {
        concluded: Some((micros(verdict.now), verdict.outcome)),
        explanation: Some(seal_explanation(key, &verdict.explanation)?),
        offer: verdict.offer.as_ref().map(|offer| offer.id),
        ..row
    })
}

/// The digests of these reviews as they stand, with their offers.
pub(crate) async fn digests(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Digest>, Fault> {
    let found = session.query(statements::BY_IDS, &[&ids]).await?;
    let rows = found.rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let offered: Vec<Uuid> = rows.iter().filter_map(|row| row.offer).map(|offer| offer.uuid()).collect();
    let offers = offers::of_ids(session, &offered).await?;
    let offer = |row: &ReviewRow| row.offer.and_then(|id| offers.get(&id));
    Ok(rows.iter().map(|row| (row.id.uuid(), row.digest(offer(row)))).collect())
}

/// The review within a new transaction, locked, and whether its person is being erased.
async fn locked(
    session: &Session,
    id: ReviewId,
    key: &PersonKey,
) -> Result<Option<(ReviewRow, bool)>, Fault> {
    let (user, id) = (key.user().uuid(), id.uuid());
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[&user]);
    let leaves = flight.add(erasures::IS_ASKED_FOR, &[&user]);
    let found = flight.add(statements::LOCK, &[&id]);
    let mut answers = flight.send().await?;
    let leaves = answers.take(leaves).only()?;
    let row = answers.take(found).first().map(read).transpose()?;
    Ok(row.map(|row| (row, leaves)))
}

async fn roll_back(session: &Session) -> Result<(), Fault> {
    let mut flight = session.flight();
    flight.roll_back();
    flight.send().await.map(drop)
}

fn read(row: &Row) -> Result<ReviewRow, Fault> {
    let officer = get::<_, Option<Uuid>>(row, "claimed_by")?.map(UserId::new);
    let outcome = get::<_, Option<&str>>(row, "outcome")?.map(str::parse::<ReviewOutcome>).transpose();
    let unknown = |()| StoreError::Corrupt("the column outcome holds an unknown word".to_owned());
    Ok(ReviewRow {
        id: ReviewId::new(get(row, "id")?),
        decision: DecisionId::new(get(row, "decision_id")?),
        user: UserId::new(get(row, "user_id")?),
        requested_at: get(row, "requested_at")?,
        due_at: get(row, "due_at")?,
        comment: get(row, "comment")?,
        claim: officer.zip(get(row, "claimed_at")?).map(|(by, at)| Claim { by, at }),
        concluded: get::<_, Option<Timestamp>>(row, "concluded_at")?.zip(outcome.map_err(unknown)?),
        explanation: get(row, "explanation")?,
        offer: get::<_, Option<Uuid>>(row, "offer_id")?.map(OfferId::new),
    })
}
