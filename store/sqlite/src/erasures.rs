//! People who are to be erased, and the deletion itself.

use async_trait::async_trait;
use ecs_domain::{Timestamp, Tombstone, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::{Erased, Erasure, ErasureAsked, ErasureDue, ErasureRequest, Erasures, Reached, StoreError};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::column::{At, Id, IdBytes, IdText, count, limit};
use crate::credit::decisions;
use crate::engine::Fault;
use crate::{SqliteStore, audit, rights, users};

/// How many rows go at once.
const PIECE: i64 = 2_000;
/// How many rows are sealed at once.
const SEALED: usize = 500;

const COLUMNS: &str =
    "SELECT user_id, receipt, requested_at, tombstone, swept_at, erased_at, closed_at, rows FROM erasures";
const OF_USER: &str = " WHERE user_id = ?1";
const OF_RECEIPT: &str = " WHERE receipt = ?1";
const TO_DELETE: &str =
    " WHERE erased_at IS NULL AND (swept_at IS NULL OR swept_at <= ?2) ORDER BY requested_at LIMIT ?1";
const TO_CLOSE: &str = " WHERE closed_at IS NULL AND erased_at <= ?2 ORDER BY erased_at LIMIT ?1";
const HAS_CREDIT: &str =
    "SELECT 1 FROM credit_limits WHERE user_id = ?1 AND status IN ('accepted', 'active')";
const REQUEST: &str =
    "INSERT INTO erasures (user_id, receipt, requested_by, requested_at) VALUES (?1, ?2, ?3, ?4)";
/// Nobody logs in as them any more, and whoever takes the address next is somebody else.
const UNNAME: &str =
    "UPDATE users SET email = NULL, email_index = NULL, external_id = NULL, external_id_index = NULL,
        password_hash = NULL, updated_at = ?2 WHERE id = ?1";
/// Nobody accepts any more what was offered before.
const NO_OFFERS: &str =
    "UPDATE credit_limits SET status = 'expired', updated_at = ?2 WHERE user_id = ?1 AND status = 'offered'";
const NO_CONSENTS: &str = "UPDATE consents SET granted = 0, updated_at = ?2 WHERE user_id = ?1";
const NO_RIGHTS: &str = "DELETE FROM user_rights WHERE user_id = ?1";
/// Also where nobody asked: the store is older than the tombstone.
const BURY: &str = "INSERT INTO erasures (user_id, receipt, requested_by, requested_at, tombstone)
     VALUES (?1, ?2, NULL, ?4, ?3) ON CONFLICT (user_id) DO UPDATE SET tombstone = ?3 WHERE tombstone IS NULL";
const COUNT: &str = "UPDATE erasures SET rows = rows + ?2 WHERE user_id = ?1";
const SWEPT: &str = "UPDATE erasures SET swept_at = ?2 WHERE user_id = ?1 AND swept_at IS NULL";
const ERASED: &str = "UPDATE erasures SET erased_at = ?2 WHERE user_id = ?1 AND erased_at IS NULL";
const CLOSED: &str = "UPDATE erasures SET closed_at = ?2 WHERE user_id = ?1 AND closed_at IS NULL";
const IS_ASKED_FOR: &str = "SELECT 1 FROM erasures WHERE user_id = ?1";
pub(crate) const IS_ERASED: &str = "SELECT 1 FROM erasures WHERE user_id = ?1 AND tombstone IS NOT NULL";
const IS_SWEPT: &str = "SELECT 1 FROM erasures WHERE user_id = ?1 AND swept_at IS NOT NULL";
const PEOPLE: &str =
    "SELECT user_id FROM erasures WHERE user_id > ?1 AND swept_at IS NOT NULL ORDER BY user_id LIMIT ?2";
const MARK: &str = "INSERT INTO vault_of_keys (one, mark) VALUES (1, ?1) ON CONFLICT DO NOTHING";
const MARKED: &str = "SELECT mark FROM vault_of_keys";

/// What goes of whoever `?1` (as text) and `?2` (as bytes) name, of the large tables at most `?3` rows, in this order: what is found
/// by another table's rows goes before those. The account goes last. Changes of rights stay until they are old, for they hold nothing
/// but ids, and whoever has not read them yet would let a token pass.
pub(crate) const DELETE: [&str; 23] = [
    // The keys of these two begin with the day, of which there are few: from each to the next.
    "DELETE FROM emotional_events WHERE (day, user_id, event_id) IN (
        WITH RECURSIVE days (day) AS (SELECT min(day) FROM emotional_events
            UNION ALL SELECT (SELECT min(e.day) FROM emotional_events e WHERE e.day > days.day) FROM days WHERE day IS NOT NULL)
        SELECT e.day, e.user_id, e.event_id FROM days JOIN emotional_events e ON e.day = days.day AND e.user_id = ?2
        WHERE ?1 IS NOT NULL LIMIT ?3)",
    "DELETE FROM emotion_inbox WHERE (day, user_id, event_id) IN (
        WITH RECURSIVE days (day) AS (SELECT min(day) FROM emotion_inbox
            UNION ALL SELECT (SELECT min(e.day) FROM emotion_inbox e WHERE e.day > days.day) FROM days WHERE day IS NOT NULL)
        SELECT e.day, e.user_id, e.event_id FROM days JOIN emotion_inbox e ON e.day = days.day AND e.user_id = ?2
        WHERE ?1 IS NOT NULL LIMIT ?3)",
    "DELETE FROM emotional_events_summary WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM replay_log WHERE user_id = ?2 AND ?1 IS NOT NULL AND ?3 > 0",
    "DELETE FROM replay_shadow WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM transactions WHERE id IN (SELECT id FROM transactions WHERE user_id = ?1 AND ?2 IS NOT NULL LIMIT ?3)",
    "DELETE FROM outbox WHERE key = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM dead_letters WHERE row IN (SELECT row FROM dead_letters WHERE key = ?1 AND ?2 IS NOT NULL LIMIT ?3)",
    "DELETE FROM idempotency_keys WHERE scope >= ?1 || ' ' AND scope < ?1 || '!' AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM webhook_deliveries WHERE webhook_id IN (SELECT id FROM webhooks WHERE user_id = ?1 AND ?2 IS NOT NULL) AND ?3 > 0",
    "DELETE FROM webhooks WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM decision_reviews WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE user_id = ?1 AND ?2 IS NOT NULL LIMIT ?3)",
    "DELETE FROM credit_limits WHERE user_id = ?1 AND id NOT IN (SELECT offer_id FROM decisions WHERE offer_id IS NOT NULL AND user_id = ?1)
        AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM backtest_flips WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE user_id = ?1 AND ?2 IS NOT NULL LIMIT ?3)",
    "DELETE FROM exports WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM evaluations WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM user_attributes WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM consent_history WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM consents WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM sessions WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
    "DELETE FROM user_rights WHERE user_id = ?1 AND ?2 IS NOT NULL AND ?3 > 0",
];
const ACCOUNT: &str = "DELETE FROM users WHERE id = ?1";

#[async_trait]
impl Erasures for SqliteStore {
    async fn request_erasure(&self, request: ErasureRequest) -> Result<ErasureAsked, StoreError> {
        let receipt = ecs_store::sealed::receipt_of(request.user, &self.keyring);
        self.write("erasures.request", move |connection| ask(connection, request, receipt)).await
    }

    async fn erasure(&self, receipt: Uuid) -> Result<Option<Erasure>, StoreError> {
        self.read("erasures.erasure", move |connection| {
            let mut statement = connection.prepare_cached(&[COLUMNS, OF_RECEIPT].concat())?;
            Ok(statement.query_row([IdBytes(receipt)], read).optional()?)
        })
        .await
    }

    async fn erasure_of(&self, user: UserId) -> Result<Option<Erasure>, StoreError> {
        self.read("erasures.erasure_of", move |connection| of_user(connection, user)).await
    }

    async fn erasures_due(&self, due: ErasureDue, most: usize) -> Result<Vec<Erasure>, StoreError> {
        let most = limit(most);
        self.read("erasures.due", move |connection| {
            let rows = match due {
                ErasureDue::Deletion { swept_by } => list(connection, TO_DELETE, (most, At(swept_by))),
                ErasureDue::Closing(before) => list(connection, TO_CLOSE, (most, At(before))),
            };
            Ok(rows?)
        })
        .await
    }

    async fn erase(&self, tombstone: Tombstone) -> Result<Erased, StoreError> {
        let receipt = ecs_store::sealed::receipt_of(tombstone.user, &self.keyring);
        self.write("erasures.erase", move |connection| erase(connection, tombstone, receipt)).await
    }

    async fn note_erasure(&self, user: UserId, reached: Reached, now: Timestamp) -> Result<(), StoreError> {
        let note = match reached {
            Reached::Swept => SWEPT,
            Reached::Erased => ERASED,
            Reached::Closed => CLOSED,
        };
        // Until it is moved, the log still has what the file has not.
        self.writer.truncate_log().await?;
        self.write("erasures.note", move |connection| {
            connection.prepare_cached(note)?.execute(params![IdText::new(user.uuid()), At(now)])?;
            Ok(())
        })
        .await
    }

    async fn erased_among(&self, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let mut users = users.to_vec();
        users.sort_unstable();
        self.read("erasures.erased_among", move |connection| {
            let mut erased = Vec::new();
            for user in users {
                if connection.prepare_cached(IS_SWEPT)?.exists([IdText::new(user.uuid())])? {
                    erased.push(user);
                }
            }
            Ok(erased)
        })
        .await
    }

    async fn erased_people(&self, after: Option<UserId>, most: usize) -> Result<Vec<UserId>, StoreError> {
        self.read("erasures.people", move |connection| {
            let mut statement = connection.prepare_cached(PEOPLE)?;
            let after = after.map(|after| after.to_string()).unwrap_or_default();
            let people =
                statement.query_map((after, limit(most)), |row| Ok(UserId::new(row.get::<_, Id>(0)?.0)))?;
            Ok(people.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn is_sealed_with(&self, mark: [u8; 32]) -> Result<bool, StoreError> {
        self.write("erasures.is_sealed_with", move |connection| {
            connection.prepare_cached(MARK)?.execute([mark])?;
            let kept: [u8; 32] = connection.prepare_cached(MARKED)?.query_row([], |row| row.get(0))?;
            Ok(kept == mark)
        })
        .await
    }

    async fn seal_plain(&self) -> Result<u64, StoreError> {
        match users::seal_plain(self, SEALED).await? {
            0 => decisions::seal_plain(self, SEALED).await,
            sealed => Ok(sealed),
        }
    }
}

/// Nobody else writes meanwhile, so what it was judged by stands until the end.
fn ask(connection: &Connection, request: ErasureRequest, receipt: Uuid) -> Result<ErasureAsked, Fault> {
    let ErasureRequest { user, by, with_credit, now } = request;
    if let Some(earlier) = of_user(connection, user)? {
        return Ok(ErasureAsked::UnderWay(earlier));
    }
    let id = IdText::new(user.uuid());
    let Some(rights) = rights::of_user(connection, user)? else { return Ok(ErasureAsked::Unknown) };
    if rights
        .access
        .may_become(&Default::default(), &rights.access.held(), rights::other_admins(connection, user)?)
        .is_err()
    {
        return Ok(ErasureAsked::LastAdmin);
    }
    let has_credit = connection.prepare_cached(HAS_CREDIT)?.exists([&id])?;
    if has_credit && !with_credit {
        return Ok(ErasureAsked::HasCredit);
    }
    connection.prepare_cached(REQUEST)?.execute(params![
        id,
        IdBytes(receipt),
        IdText::new(by.uuid()),
        At(now)
    ])?;
    for end in [UNNAME, NO_OFFERS, NO_CONSENTS] {
        connection.prepare_cached(end)?.execute(params![id, At(now)])?;
    }
    connection.prepare_cached(NO_RIGHTS)?.execute([&id])?;
    crate::sessions::end_all(connection, user, now)?;
    let after = json!({"with_credit": has_credit});
    let (act, subject) = (Act::ErasureRequested, user.to_string());
    audit::note(connection, &NewEntry { at: now, actor: by, act, subject, before: Value::Null, after })?;
    Ok(of_user(connection, user)?.map_or(ErasureAsked::Unknown, ErasureAsked::UnderWay))
}

fn erase(connection: &Connection, tombstone: Tombstone, receipt: Uuid) -> Result<Erased, Fault> {
    let Tombstone { number, user, at } = tombstone;
    let (id, number) = (IdText::new(user.uuid()), i64::try_from(number).unwrap_or(i64::MAX));
    connection.prepare_cached(BURY)?.execute(params![id, IdBytes(receipt), number, At(at)])?;
    let mut rows = 0;
    for delete in DELETE {
        rows += connection.prepare_cached(delete)?.execute(params![id, IdBytes(user.uuid()), PIECE])?;
        if rows >= PIECE as usize {
            break;
        }
    }
    if rows == 0 {
        rows += connection.prepare_cached(ACCOUNT)?.execute([&id])?;
    }
    let rows = rows as u64;
    connection.prepare_cached(COUNT)?.execute(params![id, i64::try_from(rows).unwrap_or(i64::MAX)])?;
    Ok(Erased { rows, more: rows > 0 })
}

/// Whether somebody asked for this person's erasure, or it was done.
pub(crate) fn is_asked_for(connection: &Connection, user: UserId) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(IS_ASKED_FOR)?.exists([IdText::new(user.uuid())])?)
}

/// Whether nothing of this person is taken in any more.
pub(crate) fn is_erased(connection: &Connection, user: UserId) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(IS_ERASED)?.exists([IdText::new(user.uuid())])?)
}

fn of_user(connection: &Connection, user: UserId) -> Result<Option<Erasure>, Fault> {
    let mut statement = connection.prepare_cached(&[COLUMNS, OF_USER].concat())?;
    Ok(statement.query_row([IdText::new(user.uuid())], read).optional()?)
}

fn list(connection: &Connection, which: &str, values: impl Params) -> rusqlite::Result<Vec<Erasure>> {
    connection.prepare_cached(&[COLUMNS, which].concat())?.query_map(values, read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Erasure> {
    let at = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<At>>(index)?.map(|at| at.0));
    Ok(Erasure {
        user: UserId::new(row.get::<_, Id>(0)?.0),
        receipt: row.get::<_, IdBytes>(1)?.0,
        requested_at: row.get::<_, At>(2)?.0,
        tombstone: row.get::<_, Option<i64>>(3)?.map(count),
        swept_at: at(4)?,
        erased_at: at(5)?,
        closed_at: at(6)?,
        rows: count(row.get(7)?),
    })
}
