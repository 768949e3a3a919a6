//! What goes for its age. Each piece is one statement, with its entry in the audit log.

use async_trait::async_trait;
use ecs_domain::utc_day;
use ecs_store::{Aged, Ageing, Due, StoreError};

use crate::PostgresStore;
use crate::audit;
use crate::column::{limit, micros, unsigned};
use crate::engine::{Call, Fault, Param, Session};

pub(crate) mod statements {
    //! The SQL of what goes, where the test of the query plans sees it.

    /// A row that a fold changes meanwhile has moved, and stays until the next time.
    pub(crate) const SUMMARIES: &str = "WITH gone AS (
     DELETE FROM emotional_events_summary WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM emotional_events_summary WHERE summary_date < $1::date ORDER BY summary_date LIMIT $2))
     RETURNING event_count),
     noted AS (
     INSERT INTO aged AS a (rows, events, before)
     SELECT 'emotion-summaries', sum(event_count)::bigint, $3::timestamptz FROM gone HAVING count(*) > 0
     ON CONFLICT (rows) DO UPDATE SET events = a.events + excluded.events, before = greatest(a.before, excluded.before))
     SELECT count(*) FROM gone";
    /// A decision, its reviews and what those have offered go together, and stay while anything of it is a credit. What a review has
    /// offered is looked up for each of the old, which a join would do for all.
    pub(crate) const DENIALS: &str = "WITH old AS MATERIALIZED (
     SELECT id FROM decisions d WHERE offer_id IS NULL AND decided_at < $1::timestamptz AND (
        SELECT o.id FROM decision_reviews r JOIN credit_limits o ON o.id = r.offer_id WHERE r.decision_id = d.id
            AND NOT (o.status IN ('offered', 'expired') AND o.expires_at < $1::timestamptz) LIMIT 1) IS NULL
     ORDER BY decided_at LIMIT $2),
     reviews AS MATERIALIZED (
     SELECT id, user_id, offer_id FROM decision_reviews
     WHERE decision_id = ANY (ARRAY(SELECT id FROM old)) AND concluded_at IS NOT NULL),
     gone AS (DELETE FROM decisions d WHERE d.id = ANY (ARRAY(SELECT id FROM old)) RETURNING id, user_id),
     offers AS (DELETE FROM credit_limits c WHERE c.id = ANY (ARRAY(SELECT offer_id FROM reviews))),
     noted AS (
     INSERT INTO decision_log (at, act, decision_id, user_id)
     SELECT $3::bigint, 'aged', id, user_id FROM (SELECT id, user_id FROM gone UNION ALL SELECT id, user_id FROM reviews) went)
     SELECT count(*) FROM gone";
    /// An offer that nobody accepted in time has expired, whether or not its status was told since.
    pub(crate) const EXPIRED: &str = "WITH old AS MATERIALIZED (
     SELECT c.id FROM credit_limits c WHERE c.status IN ('offered', 'expired') AND c.expires_at < $1::timestamptz
        AND (SELECT r.id FROM decision_reviews r WHERE r.offer_id = c.id LIMIT 1) IS NULL
        AND (SELECT o.id FROM decisions d JOIN decision_reviews r ON r.decision_id = d.id JOIN credit_limits o ON o.id = r.offer_id
            WHERE d.offer_id = c.id AND NOT (o.status IN ('offered', 'expired') AND o.expires_at < $1::timestamptz)
            LIMIT 1) IS NULL
     LIMIT $2 FOR UPDATE OF c),
     reviews AS MATERIALIZED (
     SELECT r.id, r.user_id, r.offer_id FROM decisions d JOIN decision_reviews r ON r.decision_id = d.id
     WHERE d.offer_id = ANY (ARRAY(SELECT id FROM old)) AND r.concluded_at IS NOT NULL),
     decided AS (DELETE FROM decisions d WHERE d.offer_id = ANY (ARRAY(SELECT id FROM old)) RETURNING id, user_id),
     noted AS (
     INSERT INTO decision_log (at, act, decision_id, user_id)
     SELECT $3::bigint, 'aged', id, user_id FROM (SELECT id, user_id FROM decided UNION ALL SELECT id, user_id FROM reviews) went),
     offers AS (DELETE FROM credit_limits c WHERE c.id = ANY (ARRAY(SELECT offer_id FROM reviews))),
     gone AS (DELETE FROM credit_limits c WHERE c.id = ANY (ARRAY(SELECT id FROM old)) RETURNING id)
     SELECT count(*) FROM gone";
    /// A user's numbers have no gaps, so with a notification go all before it, even where a clock was set back between the two. Users
    /// are locked in the order of their ids, as by whoever keeps notifications.
    pub(crate) const NOTIFICATIONS: &str = "WITH old AS MATERIALIZED (
     SELECT user_id, sequence FROM notifications WHERE stored_at < $1::timestamptz ORDER BY stored_at LIMIT $2),
     people AS MATERIALIZED (
     SELECT u.id FROM users u WHERE u.id = ANY (ARRAY(SELECT user_id FROM old)) ORDER BY u.id FOR NO KEY UPDATE),
     last AS MATERIALIZED (
     SELECT o.user_id, max(o.sequence) AS sequence FROM old o JOIN people p ON p.id = o.user_id GROUP BY o.user_id),
     told AS (
     UPDATE users u SET notifications_gone = l.sequence FROM last l WHERE u.id = l.user_id),
     gone AS (
     DELETE FROM notifications n USING last l WHERE n.user_id = l.user_id AND n.sequence <= l.sequence RETURNING n.id),
     noted AS (
     INSERT INTO aged AS a (rows, events, before)
     SELECT 'notifications', 0, $1::timestamptz FROM gone HAVING count(*) > 0
     ON CONFLICT (rows) DO UPDATE SET before = greatest(a.before, excluded.before))
     SELECT count(*) FROM gone";
    pub(crate) const TRANSACTIONS: &str = "WITH gone AS (
     DELETE FROM transactions WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM transactions WHERE created_at < $1::timestamptz LIMIT $2)) RETURNING id)
     SELECT count(*) FROM gone";
    pub(crate) const LETTERS: &str = "WITH old AS MATERIALIZED (
     SELECT row FROM dead_letters WHERE state = 'waiting' AND created_at < $1::timestamptz
     ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED),
     gone AS (
     UPDATE dead_letters d SET state = 'dropped', state_at = $3::timestamptz, payload = NULL
     FROM old o WHERE d.row = o.row RETURNING d.row)
     SELECT count(*) FROM gone";
    pub(crate) const SECRETS: &str = "WITH gone AS (
     UPDATE webhooks SET previous_secret = NULL, previous_until = NULL WHERE id = ANY (ARRAY(
        SELECT id FROM webhooks WHERE previous_until < $1::timestamptz ORDER BY previous_until LIMIT $2)) RETURNING id)
     SELECT count(*) FROM gone";
}

#[async_trait]
impl Ageing for PostgresStore {
    async fn drop_aged(&self, due: Due) -> Result<u64, StoreError> {
        self.primary
            .run(Call::long(due.rows.as_str()), |session| async move { drop_aged(&session, due).await })
            .await
    }
}

async fn drop_aged(session: &Session, due: Due) -> Result<u64, Fault> {
    let (before, now, most) = (micros(due.before), micros(due.now), limit(due.most));
    let day = utc_day(due.before);
    match due.rows {
        Aged::Summaries => piece(session, due, statements::SUMMARIES, &[&day, &most, &before]).await,
        Aged::Decisions => {
            let at = now.as_microsecond();
            let denials = piece(session, due, statements::DENIALS, &[&before, &most, &at]).await?;
            Ok(denials + piece(session, due, statements::EXPIRED, &[&before, &most, &at]).await?)
        }
        Aged::Notifications => piece(session, due, statements::NOTIFICATIONS, &[&before, &most]).await,
        Aged::Transactions => piece(session, due, statements::TRANSACTIONS, &[&before, &most]).await,
        Aged::WaitingLetters => piece(session, due, statements::LETTERS, &[&before, &most, &now]).await,
        Aged::ReplacedSecrets => piece(session, due, statements::SECRETS, &[&before, &most]).await,
    }
}

/// One statement and what the audit log says of it, in a transaction that may take longer than a request has.
async fn piece(session: &Session, due: Due, sql: &'static str, params: &[Param<'_>]) -> Result<u64, Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    let gone = flight.add(sql, params);
    let gone = flight.send().await?.take(gone).only().map(unsigned)?;
    audit::commit(session, due.told(gone).as_ref()).await?;
    Ok(gone)
}
