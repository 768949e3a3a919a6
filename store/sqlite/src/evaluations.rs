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
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::column::{At, Id, IdText, at_from_micros, limit};
use crate::credit::decisions;
use crate::engine::Fault;
use crate::outbox;

pub(crate) mod statements {
    //! The SQL of evaluations, where the test of the query plans sees it.

    pub(crate) const NOTE: &str = "INSERT INTO evaluations (user_id, changed_at, due_at)
         SELECT user_id, ?2, ?2 FROM consents WHERE user_id = ?1 AND purpose = 'pre-approval' AND granted = 1
         ON CONFLICT (user_id) DO UPDATE SET changed_at = excluded.changed_at WHERE changed_at IS NULL";
    pub(crate) const ANY_DUE: &str =
        "SELECT 1 FROM evaluations WHERE (changed_at IS NOT NULL OR held = 1) AND due_at <= ?1
         UNION ALL SELECT 1 FROM evaluations WHERE (changed_at IS NOT NULL OR held = 1) AND due_at > ?2";
    /// The clock was set back since.
    pub(crate) const RELEASE_FUTURE: &str =
        "UPDATE evaluations SET due_at = ?1 WHERE (changed_at IS NOT NULL OR held = 1) AND due_at > ?2";
    pub(crate) const CLAIM: &str = "UPDATE evaluations SET held = 1, changed_at = NULL, due_at = ?2
         WHERE user_id IN (SELECT user_id FROM evaluations
            WHERE (changed_at IS NOT NULL OR held = 1) AND due_at <= ?1 ORDER BY due_at LIMIT ?3)
         RETURNING user_id, baseline";
    pub(crate) const AWAITED: &str = "SELECT 1 FROM evaluations e
         JOIN consents c ON c.user_id = e.user_id AND c.purpose = ?3 AND c.granted = 1
         WHERE e.user_id = ?1 AND e.evaluation_id = ?2";
    pub(crate) const OFFERED: &str =
        "SELECT 1 FROM credit_limits WHERE user_id = ?1 AND status = 'offered' AND expires_at > ?2";
}

const LET_BE: &str =
    "UPDATE evaluations SET held = 0, due_at = ?3 WHERE user_id = ?1 AND held = 1 AND due_at = ?2";
const ASK: &str = "UPDATE evaluations SET held = 0, due_at = ?3, evaluation_id = ?4, baseline = ?5
     WHERE user_id = ?1 AND held = 1 AND due_at = ?2
        AND EXISTS (SELECT 1 FROM consents WHERE user_id = ?1 AND purpose = ?6 AND granted = 1)";
const END: &str = "UPDATE evaluations SET evaluation_id = NULL, evaluated_at = ?2 WHERE user_id = ?1";
const FORGET: &str = "UPDATE evaluations SET changed_at = NULL, held = 0, evaluation_id = NULL, baseline = NULL WHERE user_id = ?1";

#[async_trait]
impl Evaluations for SqliteStore {
    async fn claim_changed(
        &self,
        most: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<LookedAt>, StoreError> {
        let (at, until) = (now.as_microsecond(), micros_after(now, lease));
        let farthest = micros_after(now, FARTHEST_LOOK);
        // Mostly there is nothing: a look doesn't disturb the writer.
        let any = self.read("evaluations.look", move |connection| {
            Ok(connection.prepare_cached(statements::ANY_DUE)?.exists([at, farthest])?)
        });
        if !any.await? {
            return Ok(Vec::new());
        }
        let claimed: Vec<(Uuid, Option<String>)> = self
            .write("evaluations.claim", move |connection| {
                connection.prepare_cached(statements::RELEASE_FUTURE)?.execute([at, farthest])?;
                let mut statement = connection.prepare_cached(statements::CLAIM)?;
                let claimed = statement.query_map(params![at, until, limit(most)], |row| {
                    Ok((row.get::<_, Id>(0)?.0, row.get(1)?))
                })?;
                Ok(claimed.collect::<Result<_, _>>()?)
            })
            .await?;
        let users: Vec<UserId> = claimed.iter().map(|(user, _)| UserId::new(*user)).collect();
        let keys = self.keyring.known(&users).await?;
        let until = at_from_micros(until).map_err(|_| StoreError::Corrupt("a time is none".to_owned()))?;
        let claimed = users.into_iter().zip(claimed).zip(keys);
        claimed.map(|((user, (_, before)), key)| LookedAt::open(user, until, before, key.as_ref())).collect()
    }

    async fn end_look(&self, looked_at: &LookedAt, end: LookEnd) -> Result<bool, StoreError> {
        let (user, until) = (looked_at.user, looked_at.until.as_microsecond());
        match end {
            LookEnd::LetBe(again_at) => {
                let again_at = again_at.as_microsecond();
                self.write("evaluations.let_be", move |connection| {
                    let values = params![IdText::new(user.uuid()), until, again_at];
                    Ok(connection.prepare_cached(LET_BE)?.execute(values)? > 0)
                })
                .await
            }
            LookEnd::Evaluate { evaluation, features, again_at, message } => {
                let key = self.keyring.person(user).await?;
                let baseline = seal(&key, column::BASELINE, &features_text(&features)?)?;
                let again_at = again_at.as_microsecond();
                self.write("evaluations.ask", move |connection| {
                    let (id, evaluation) = (IdText::new(user.uuid()), IdText::new(evaluation.uuid()));
                    let purpose = EVALUATION_PURPOSE.as_str();
                    let values = params![id, until, again_at, evaluation, baseline, purpose];
                    let asked = connection.prepare_cached(ASK)?.execute(values)? > 0;
                    if asked {
                        outbox::insert(connection, &message)?;
                    }
                    Ok(asked)
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
        let offer = match concluded {
            Concluded::NoOffer => None,
            Concluded::Offer(new, message) => Some((self.keyring.person(user).await?, new, message)),
        };
        self.write("evaluations.record", move |connection| {
            let (id, purpose) = (IdText::new(user.uuid()), EVALUATION_PURPOSE.as_str());
            let awaited = params![id, IdText::new(evaluation.uuid()), purpose];
            if !connection.prepare_cached(statements::AWAITED)?.exists(awaited)? {
                return Ok(Evaluated::NotAwaited);
            }
            let evaluated = match &offer {
                None => Evaluated::NotOffered,
                Some((key, new, message)) => self::offer(connection, new, key, message, now)?,
            };
            connection.prepare_cached(END)?.execute(params![id, now.as_microsecond()])?;
            Ok(evaluated)
        })
        .await
    }
}

fn offer(
    connection: &Connection,
    new: &NewDecision,
    key: &PersonKey,
    message: &OutboxMessage,
    now: Timestamp,
) -> Result<Evaluated, Fault> {
    let of_user = params![IdText::new(new.decision.user.uuid()), At(now)];
    let offered: Option<i64> =
        connection.prepare_cached(statements::OFFERED)?.query_row(of_user, |row| row.get(0)).optional()?;
    if offered.is_some() || decisions::record(connection, new, key)?.repeated {
        return Ok(Evaluated::AnotherStands);
    }
    outbox::insert(connection, message)?;
    Ok(Evaluated::Offered)
}

/// Notes, inside a fold's transaction, that something about this user may have changed.
pub(crate) fn note(
    connection: &Connection,
    users: impl Iterator<Item = Uuid>,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(statements::NOTE)?;
    for user in users {
        statement.execute(params![IdText::new(user), now.as_microsecond()])?;
    }
    Ok(())
}

/// Forgets what was noted of somebody who took their yes back.
pub(crate) fn forget(connection: &Connection, user: UserId) -> Result<(), Fault> {
    connection.prepare_cached(FORGET)?.execute([IdText::new(user.uuid())])?;
    Ok(())
}

fn micros_after(now: Timestamp, time: Duration) -> i64 {
    now.saturating_add(time).unwrap_or(Timestamp::MAX).as_microsecond()
}
