//! Reviews of decisions by people.

use async_trait::async_trait;
use ecs_domain::review::{Claim, Review, ReviewOutcome, ReviewState};
use ecs_domain::{DecisionId, OfferId, ReviewId, Timestamp, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::chain::Digest;
use ecs_store::reviews::{seal_comment, seal_explanation};
use ecs_store::{
    KeptAnswer, NewReview, PageRequest, ReviewBacklog, ReviewChange, ReviewPage, ReviewRequested, ReviewRow,
    Reviews, StoreError, Verdict,
};
use ecs_vault::PersonKey;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::offers;
use crate::column::{At, Id, IdText, Word, count};
use crate::engine::Fault;
use crate::{SqliteStore, audit, decision_log, erasures, idempotency, outbox};

pub(crate) mod statements {
    //! The SQL of reviews, where the test of the query plans sees it.

    pub(crate) const HAS_DECISION: &str = "SELECT 1 FROM decisions WHERE id = ?1 AND user_id = ?2";
    pub(crate) const IS_UNDER_WAY: &str =
        "SELECT 1 FROM decision_reviews WHERE decision_id = ?1 AND concluded_at IS NULL";
    pub(crate) const FIND: &str =
        "SELECT id, decision_id, user_id, requested_at, due_at, comment, claimed_by, claimed_at, concluded_at,
            outcome, explanation, offer_id
         FROM decision_reviews WHERE id = ?1";
    pub(crate) const OF_DECISION: &str =
        "SELECT id, decision_id, user_id, requested_at, due_at, comment, claimed_by, claimed_at, concluded_at,
            outcome, explanation, offer_id
         FROM decision_reviews WHERE decision_id = ?1 AND user_id = ?2
         ORDER BY requested_at DESC, rowid DESC LIMIT 1";
    pub(crate) const COUNT: &str = "SELECT count(*) FROM decision_reviews WHERE state = ?1";
    pub(crate) const PAGE: &str =
        "SELECT id, decision_id, user_id, requested_at, due_at, comment, claimed_by, claimed_at, concluded_at,
            outcome, explanation, offer_id
         FROM decision_reviews WHERE state = ?1 ORDER BY due_at, id LIMIT ?2 OFFSET ?3";
    pub(crate) const PAGE_BACK: &str =
        "SELECT id, decision_id, user_id, requested_at, due_at, comment, claimed_by, claimed_at, concluded_at,
            outcome, explanation, offer_id
         FROM decision_reviews WHERE state = ?1 ORDER BY due_at DESC, id DESC LIMIT ?2 OFFSET ?3";
    pub(crate) const CLAIM: &str =
        "UPDATE decision_reviews SET state = 'claimed', claimed_by = ?2, claimed_at = ?3
         WHERE id = ?1";
    pub(crate) const CONCLUDE: &str = "UPDATE decision_reviews SET state = 'concluded', concluded_at = ?2,
            outcome = ?3, explanation = ?4, offer_id = ?5 WHERE id = ?1";
    /// What the decision itself offered, while nobody has accepted it.
    pub(crate) const WITHDRAW: &str = "UPDATE credit_limits SET status = 'expired', updated_at = ?2
         WHERE id = (SELECT offer_id FROM decisions WHERE id = ?1) AND status = 'offered'";
    pub(crate) const BACKLOG: &str = "SELECT count(*), min(requested_at) FROM decision_reviews
         WHERE state IN ('open', 'claimed')";
}

const INSERT: &str = "INSERT INTO decision_reviews (id, decision_id, user_id, requested_at, due_at, comment)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

#[async_trait]
impl Reviews for SqliteStore {
    async fn request_review(
        &self,
        new: NewReview,
        answer: Option<KeptAnswer>,
    ) -> Result<ReviewRequested, StoreError> {
        // Whoever has no key has no decision to be reviewed.
        let Some(key) = self.keyring.known(&[new.user]).await?.pop().flatten() else {
            return Ok(ReviewRequested::Unknown);
        };
        self.write("reviews.request", move |connection| {
            let requested = request(connection, &new, &key)?;
            let is_made = matches!(requested, ReviewRequested::Made(_));
            idempotency::keep(connection, answer.as_ref().filter(|_| is_made))?;
            Ok(requested)
        })
        .await
    }

    async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError> {
        let row = self.read("reviews.find", move |connection| find(connection, id)).await?;
        Ok(self.open_reviews(row.into_iter().collect()).await?.pop())
    }

    async fn review_of(&self, user: UserId, decision: DecisionId) -> Result<Option<Review>, StoreError> {
        let ids = params_of(decision, user);
        let row = self.read("reviews.of_decision", move |connection| {
            let mut statement = connection.prepare_cached(statements::OF_DECISION)?;
            Ok(statement.query_row(ids, read).optional()?)
        });
        Ok(self.open_reviews(row.await?.into_iter().collect()).await?.pop())
    }

    async fn reviews(&self, state: ReviewState, page: PageRequest) -> Result<ReviewPage, StoreError> {
        let found = self.read("reviews.page", move |connection| {
            let word = state.as_str();
            let total = connection.prepare_cached(statements::COUNT)?.query_row([word], |row| row.get(0))?;
            let skip = i64::from(page.page.saturating_sub(1)) * i64::from(page.page_size);
            let mut statement = connection.prepare_cached(match state {
                ReviewState::Open | ReviewState::Claimed => statements::PAGE,
                ReviewState::Concluded => statements::PAGE_BACK,
            })?;
            let rows = statement.query_map(params![word, page.page_size, skip], read)?;
            Ok((count(total), rows.collect::<Result<Vec<_>, _>>()?))
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
        self.write("reviews.claim", move |connection| {
            claim(connection, id, Claim { by: officer, at: now }, &key)
        })
        .await
    }

    async fn conclude_review(&self, verdict: Verdict) -> Result<ReviewChange, StoreError> {
        let Some(key) = self.key_to_review(verdict.id).await? else { return Ok(ReviewChange::Unknown) };
        self.write("reviews.conclude", move |connection| conclude(connection, &verdict, &key)).await
    }

    async fn review_backlog(&self) -> Result<ReviewBacklog, StoreError> {
        self.read("reviews.backlog", |connection| {
            let mut statement = connection.prepare_cached(statements::BACKLOG)?;
            let (waiting, oldest) =
                statement.query_row([], |row| Ok((row.get(0)?, row.get::<_, Option<At>>(1)?)))?;
            Ok(ReviewBacklog { waiting: count(waiting), oldest: oldest.map(|at| at.0) })
        })
        .await
    }
}

impl SqliteStore {
    /// Reviews of those who have keys.
    async fn open_reviews(&self, rows: Vec<ReviewRow>) -> Result<Vec<Review>, StoreError> {
        let users: Vec<UserId> = rows.iter().map(|row| row.user).collect();
        let keys = self.keyring.known(&users).await?;
        rows.into_iter().zip(keys).filter_map(|(row, key)| key.map(|key| row.open(&key))).collect()
    }

    /// The key of the person whose review it is. Neither changes.
    async fn key_to_review(&self, id: ReviewId) -> Result<Option<PersonKey>, StoreError> {
        let row = self.read("reviews.find", move |connection| find(connection, id)).await?;
        let Some(ReviewRow { user, .. }) = row else { return Ok(None) };
        Ok(self.keyring.known(&[user]).await?.pop().flatten())
    }
}

/// Nobody else writes meanwhile, so what isn't under way now isn't at the insert.
fn request(connection: &Connection, new: &NewReview, key: &PersonKey) -> Result<ReviewRequested, Fault> {
    let decision = IdText::new(new.decision.uuid());
    if erasures::is_asked_for(connection, new.user)?
        || !connection.prepare_cached(statements::HAS_DECISION)?.exists(params_of(new.decision, new.user))?
    {
        return Ok(ReviewRequested::Unknown);
    }
    if connection.prepare_cached(statements::IS_UNDER_WAY)?.exists([&decision])? {
        return Ok(ReviewRequested::UnderWay);
    }
    connection.prepare_cached(INSERT)?.execute(params![
        IdText::new(new.id.uuid()),
        decision,
        IdText::new(new.user.uuid()),
        At(new.now),
        At(new.due_at),
        new.comment.as_ref().map(|comment| seal_comment(key, comment)).transpose()?,
    ])?;
    let made = reread(connection, new.id)?.open(key)?;
    audit::note(connection, &NewEntry::of_review(new.user, Act::ReviewRequested, &made, new.now))?;
    Ok(ReviewRequested::Made(made))
}

fn claim(
    connection: &Connection,
    id: ReviewId,
    claim: Claim,
    key: &PersonKey,
) -> Result<ReviewChange, Fault> {
    let Some(row) = find(connection, id)? else { return Ok(ReviewChange::Unknown) };
    let review = row.open(key)?;
    let Claim { by, at } = claim;
    if let Err(refusal) = review.may_be_claimed(by, at) {
        return Ok(ReviewChange::Refused(refusal));
    }
    if review.claim.is_some_and(|claim| claim.by == by) {
        return Ok(ReviewChange::Done(review));
    }
    let values = params![IdText::new(id.uuid()), IdText::new(by.uuid()), At(at)];
    connection.prepare_cached(statements::CLAIM)?.execute(values)?;
    let claimed = reread(connection, id)?.open(key)?;
    audit::note(connection, &NewEntry::of_review(by, Act::ReviewClaimed, &claimed, at))?;
    Ok(ReviewChange::Done(claimed))
}

fn conclude(connection: &Connection, verdict: &Verdict, key: &PersonKey) -> Result<ReviewChange, Fault> {
    let Some(row) = find(connection, verdict.id)? else { return Ok(ReviewChange::Unknown) };
    let review = row.open(key)?;
    if let Err(refusal) = review.may_be_concluded(verdict.officer) {
        return Ok(ReviewChange::Refused(refusal));
    }
    if erasures::is_asked_for(connection, review.user)? {
        return Ok(ReviewChange::Unknown);
    }
    if let Some(offer) = &verdict.offer {
        let values = params![IdText::new(review.decision.uuid()), At(verdict.now)];
        connection.prepare_cached(statements::WITHDRAW)?.execute(values)?;
        offers::insert(connection, offer)?;
    }
    connection.prepare_cached(statements::CONCLUDE)?.execute(params![
        IdText::new(verdict.id.uuid()),
        At(verdict.now),
        verdict.outcome.as_str(),
        seal_explanation(key, &verdict.explanation)?,
        verdict.offer.as_ref().map(|offer| IdText::new(offer.id.uuid())),
    ])?;
    outbox::insert(connection, &verdict.message)?;
    let row = reread(connection, verdict.id)?;
    decision_log::note_reviewed(connection, &row, verdict.now)?;
    let concluded = row.open(key)?;
    let entry = NewEntry::of_review(verdict.officer, Act::ReviewConcluded, &concluded, verdict.now);
    audit::note(connection, &entry)?;
    Ok(ReviewChange::Done(concluded))
}

fn find(connection: &Connection, id: ReviewId) -> Result<Option<ReviewRow>, Fault> {
    let mut statement = connection.prepare_cached(statements::FIND)?;
    Ok(statement.query_row([IdText::new(id.uuid())], read).optional()?)
}

/// As it stands now, so that what is answered is what is read later.
fn reread(connection: &Connection, id: ReviewId) -> Result<ReviewRow, Fault> {
    let missing = || StoreError::Corrupt("a review that was written is missing".to_owned());
    Ok(find(connection, id)?.ok_or_else(missing)?)
}

/// The digest of a review as it stands, with its offer.
pub(crate) fn digest(connection: &Connection, row: &ReviewRow) -> Result<Digest, Fault> {
    let offer = row.offer.map(|offer| offers::find(connection, row.user, offer)).transpose()?;
    Ok(row.digest(offer.flatten().as_ref()))
}

/// The same of the review with this id, if it is there.
pub(crate) fn digest_of(connection: &Connection, id: Uuid) -> Result<Option<Digest>, Fault> {
    find(connection, ReviewId::new(id))?.map(|row| digest(connection, &row)).transpose()
}

fn params_of(decision: DecisionId, user: UserId) -> [IdText; 2] {
    [IdText::new(decision.uuid()), IdText::new(user.uuid())]
}

fn read(row: &Row<'_>) -> rusqlite::Result<ReviewRow> {
    let at = |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<At>>(column)?.map(|at| at.0));
    let officer = row.get::<_, Option<Id>>("claimed_by")?.map(|id| UserId::new(id.0));
    let outcome = row.get::<_, Option<Word<ReviewOutcome>>>("outcome")?.map(|word| word.0);
    Ok(ReviewRow {
        id: ReviewId::new(row.get::<_, Id>("id")?.0),
        decision: DecisionId::new(row.get::<_, Id>("decision_id")?.0),
        user: UserId::new(row.get::<_, Id>("user_id")?.0),
        requested_at: row.get::<_, At>("requested_at")?.0,
        due_at: row.get::<_, At>("due_at")?.0,
        comment: row.get("comment")?,
        claim: officer.zip(at("claimed_at")?).map(|(by, at)| Claim { by, at }),
        concluded: at("concluded_at")?.zip(outcome),
        explanation: row.get("explanation")?,
        offer: row.get::<_, Option<Id>>("offer_id")?.map(|id| OfferId::new(id.0)),
    })
}
