//! Evaluations that nobody asked for.

use std::time::Duration;

use async_trait::async_trait;
use ecs_domain::{EvaluationId, Timestamp, UserId};
use ecs_store::decision_text::features_text;
use ecs_store::sealed::{column, seal};
use ecs_store::{
    Concluded, EVALUATION_PURPOSE, Evaluated, Evaluations, FARTHEST_LOOK, LookEnd, LookedAt, NewDecision,
    OutboxMessage, StoreError,
};
use ecs_vault::PersonKey;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{get, limit, micros};
use crate::credit::decisions::{self, Latest};
use crate::credit::rows::{Prepared, Rows};
use crate::engine::{Call, Fault, Param, Session};
use crate::outbox::{self, Columns};
use crate::{PostgresStore, erasures, users};

pub(crate) mod statements {
    //! The SQL of evaluations, where the test of the query plans sees it.

    /// A row that waits already is not touched, and the others in one order: folds that meet wait for each other in one direction only.
    pub(crate) const NOTE: &str = "INSERT INTO evaluations AS e (user_id, changed_at, due_at)
         SELECT c.user_id, $2::timestamptz, $2::timestamptz FROM consents c
         WHERE c.user_id = ANY ($1::uuid[]) AND c.purpose = 'pre-approval' AND c.granted
            AND (SELECT w.changed_at FROM evaluations w WHERE w.user_id = c.user_id) IS NULL
         ORDER BY c.user_id
         ON CONFLICT (user_id) DO UPDATE SET changed_at = excluded.changed_at WHERE e.changed_at IS NULL";
    /// The clock was set back since.
    pub(crate) const RELEASE_FUTURE: &str = "UPDATE evaluations SET due_at = $1
         WHERE user_id = ANY (ARRAY(SELECT user_id FROM evaluations
            WHERE (changed_at IS NOT NULL OR held) AND due_at > $2 FOR UPDATE SKIP LOCKED))";
    pub(crate) const CLAIM: &str = "UPDATE evaluations SET held = true, changed_at = NULL, due_at = $2
         WHERE user_id = ANY (ARRAY(SELECT user_id FROM evaluations
            WHERE (changed_at IS NOT NULL OR held) AND due_at <= $1
            ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED))
         RETURNING user_id, baseline";
    pub(crate) const AWAITED: &str = "SELECT 1 FROM evaluations e
         JOIN consents c ON c.user_id = e.user_id AND c.purpose = $3 AND c.granted
         WHERE e.user_id = $1 AND e.evaluation_id = $2 FOR UPDATE OF e";
    pub(crate) const OFFERED: &str =
        "SELECT 1 FROM credit_limits WHERE user_id = $1 AND status = 'offered' AND expires_at > $2 LIMIT 1";
}

const LET_BE: &str =
    "UPDATE evaluations SET held = false, due_at = $3 WHERE user_id = $1 AND held AND due_at = $2";
const ASK: &str = "WITH changed AS (
        UPDATE evaluations SET held = false, due_at = $11, evaluation_id = $12, baseline = $13
        WHERE user_id = $8 AND held AND due_at = $9
            AND EXISTS (SELECT FROM consents WHERE user_id = $8 AND purpose = $10 AND granted)
        RETURNING user_id)
     INSERT INTO outbox (event_id, subject, key, payload, schema_version, request_id, traceparent)
     SELECT $1::uuid, $2::text, $3::uuid, $4::bytea, $5::integer, $6::text, $7::text FROM changed";
const END: &str = "UPDATE evaluations SET evaluation_id = NULL, evaluated_at = $2 WHERE user_id = $1";
/// What is noted of somebody goes with their yes.
pub(crate) const FORGET: &str = "UPDATE evaluations
     SET changed_at = NULL, held = false, evaluation_id = NULL, baseline = NULL WHERE user_id = $1";

#[async_trait]
impl Evaluations for PostgresStore {
    async fn claim_changed(
        &self,
        most: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<LookedAt>, StoreError> {
        let until = micros(now.saturating_add(lease).unwrap_or(Timestamp::MAX));
        let (at, most, lasts) = (&micros(now), &limit(most), &until);
        let farthest = &micros(now.saturating_add(FARTHEST_LOOK).unwrap_or(Timestamp::MAX));
        let read = |row: &Row| Ok((get(row, "user_id")?, get(row, "baseline")?));
        let claimed: Vec<(Uuid, Option<String>)> = self
            .primary
            .run(Call::quick("evaluations.claim"), |session| async move {
                let mut flight = session.flight();
                flight.add(statements::RELEASE_FUTURE, &[at, farthest]);
                let claim = flight.add(statements::CLAIM, &[at, lasts, most]);
                let claimed = flight.send().await?.take(claim);
                claimed.rows.iter().map(read).collect::<Result<_, Fault>>()
            })
            .await?;
        let users: Vec<UserId> = claimed.iter().map(|(user, _)| UserId::new(*user)).collect();
        let keys = self.keyring.known(&users).await?;
        let claimed = users.into_iter().zip(claimed).zip(keys);
        claimed.map(|((user, (_, before)), key)| LookedAt::open(user, until, before, key.as_ref())).collect()
    }

    async fn end_look(&self, looked_at: &LookedAt, end: LookEnd) -> Result<bool, StoreError> {
        let (user, until) = (&looked_at.user.uuid(), &looked_at.until);
        match end {
            LookEnd::LetBe(again_at) => {
                let again_at = &micros(again_at);
                self.primary
                    .run(Call::quick("evaluations.let_be"), |session| async move {
                        Ok(session.query(LET_BE, &[user, until, again_at]).await?.changed > 0)
                    })
                    .await
            }
            LookEnd::Evaluate { evaluation, features, again_at, message } => {
                let key = self.keyring.person(looked_at.user).await?;
                let baseline = &seal(&key, column::BASELINE, &features_text(&features)?)?;
                let (evaluation, purpose) = (&evaluation.uuid(), &EVALUATION_PURPOSE.as_str());
                let (again_at, message) = (&micros(again_at), &Columns::new(&message));
                self.primary
                    .run(Call::quick("evaluations.ask"), |session| async move {
                        let look: [Param<'_>; 6] = [user, until, purpose, again_at, evaluation, baseline];
                        let params = [&message.params()[..], &look[..]].concat();
                        Ok(session.query(ASK, &params).await?.changed > 0)
                    })
                    .await
            }
        }
    }

    async fn record_evaluation(
        &self,
        evaluation: EvaluationId,
        user: UserId,
        concluded: Concluded,
        now: Timestamp,
    ) -> Result<Evaluated, StoreError> {
        let key = match &concluded {
            Concluded::NoOffer => None,
            Concluded::Offer(..) => Some(self.keyring.person(user).await?),
        };
        let (about, concluded, key) = ([user], &concluded, key.as_ref());
        let ending = Ending { evaluation: evaluation.uuid(), user: user.uuid(), now: micros(now) };
        let ending = &ending;
        self.primary
            .run(Call::quick("evaluations.record").about(&about), |session| async move {
                match (concluded, key) {
                    (Concluded::Offer(new, message), Some(key)) => {
                        ending.with_offer(&session, new, key, message).await
                    }
                    (Concluded::Offer(..) | Concluded::NoOffer, _) => ending.without_offer(&session).await,
                }
            })
            .await
    }
}

/// An evaluation that ends.
struct Ending {
    evaluation: Uuid,
    user: Uuid,
    now: Timestamp,
}

impl Ending {
    async fn without_offer(&self, session: &Session) -> Result<Evaluated, Fault> {
        let purpose = EVALUATION_PURPOSE.as_str();
        let mut flight = session.flight();
        flight.begin();
        let awaited = flight.add(statements::AWAITED, &[&self.user, &self.evaluation, &purpose]);
        let is_awaited = flight.send().await?.take(awaited).first().is_some();
        self.end(session, is_awaited).await?;
        Ok(if is_awaited { Evaluated::NotOffered } else { Evaluated::NotAwaited })
    }

    /// The user's row is locked first: what stands, and whether the evaluation is awaited, stays so until the end.
    async fn with_offer(
        &self,
        session: &Session,
        new: &NewDecision,
        key: &PersonKey,
        message: &OutboxMessage,
    ) -> Result<Evaluated, Fault> {
        let (prepared, message) = (Prepared::new(&new.decision, key)?, Columns::new(message));
        let (decision, rows) = (prepared.decision(), Rows::of([&prepared]));
        let (users, at) = (vec![self.user], vec![decision.decided_at]);
        let since = vec![micros(new.stands_since())];
        let purpose = EVALUATION_PURPOSE.as_str();
        let mut flight = session.flight();
        flight.begin();
        flight.add(users::LOCK, &[&self.user]);
        let leaves = flight.add(erasures::IS_ASKED_FOR, &[&self.user]);
        let awaited = flight.add(statements::AWAITED, &[&self.user, &self.evaluation, &purpose]);
        let offered = flight.add(statements::OFFERED, &[&self.user, &self.now]);
        let standing = flight.add(decisions::statements::LAST_OF, &[&users, &since]);
        let facts = flight.add(decisions::statements::FACTS_OF, &[&users, &at]);
        let mut answers = flight.send().await?;
        if answers.take(leaves).only()? || answers.take(awaited).first().is_none() {
            self.end(session, false).await?;
            return Ok(Evaluated::NotAwaited);
        }
        if answers.take(offered).first().is_some() || answers.take(standing).first().is_some() {
            self.end(session, true).await?;
            return Ok(Evaluated::AnotherStands);
        }
        let facts = answers.take(facts).first().map(Latest::read).transpose()?;
        let facts = facts.ok_or(Fault::UNANSWERED)?;
        if facts.differs(new.facts, key)? {
            self.end(session, false).await?;
            return Err(StoreError::Stale.into());
        }
        let mut flight = session.flight();
        rows.insert(&mut flight);
        flight.add(outbox::INSERT, &message.params());
        flight.add(END, &[&self.user, &self.now]);
        flight.commit();
        flight.send().await?;
        Ok(Evaluated::Offered)
    }

    async fn end(&self, session: &Session, is_awaited: bool) -> Result<(), Fault> {
        let mut flight = session.flight();
        if is_awaited {
            flight.add(END, &[&self.user, &self.now]);
            flight.commit();
        } else {
            flight.roll_back();
        }
        flight.send().await?;
        Ok(())
    }
}
