//! People who are to be erased, and the deletion itself.

use async_trait::async_trait;
use ecs_domain::permission::Access;
use ecs_domain::{Timestamp, Tombstone, UserId};
use ecs_store::audit::{Act, NewEntry};
use ecs_store::sealed::receipt_of;
use ecs_store::{Erased, Erasure, ErasureAsked, ErasureDue, ErasureRequest, Erasures, Reached, StoreError};
use serde_json::{Value, json};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::audit::EntryRow;
use crate::column::{count, get, limit, micros, signed};
use crate::credit::decisions;
use crate::engine::{Answer, Call, Fault, Session};
use crate::{PostgresStore, audit, rights, sessions, users};

/// How many rows of a table go at once.
const PIECE: i64 = 2_000;
/// How many rows are sealed at once.
const SEALED: usize = 500;

const OF_USER: &str = "SELECT user_id, receipt, requested_at, tombstone, swept_at, erased_at, closed_at, rows
     FROM erasures WHERE user_id = $1";
const OF_RECEIPT: &str =
    "SELECT user_id, receipt, requested_at, tombstone, swept_at, erased_at, closed_at, rows
     FROM erasures WHERE receipt = $1";
pub(crate) const TO_DELETE: &str =
    "SELECT user_id, receipt, requested_at, tombstone, swept_at, erased_at, closed_at, rows
     FROM erasures WHERE erased_at IS NULL AND (swept_at IS NULL OR swept_at <= $2) ORDER BY requested_at LIMIT $1";
pub(crate) const TO_CLOSE: &str =
    "SELECT user_id, receipt, requested_at, tombstone, swept_at, erased_at, closed_at, rows
     FROM erasures WHERE closed_at IS NULL AND erased_at <= $2 ORDER BY erased_at LIMIT $1";
/// Which of these people nothing is taken in of any more.
pub(crate) const ERASED_AMONG: &str =
    "SELECT user_id FROM erasures WHERE user_id = ANY ($1::uuid[]) AND tombstone IS NOT NULL";
const SWEPT_AMONG: &str =
    "SELECT user_id FROM erasures WHERE user_id = ANY ($1::uuid[]) AND swept_at IS NOT NULL";
/// Of whom somebody asked for the erasure, or it was done.
pub(crate) const ASKED_FOR_AMONG: &str = "SELECT user_id FROM erasures WHERE user_id = ANY ($1::uuid[])";
/// The same of one person.
pub(crate) const IS_ASKED_FOR: &str = "SELECT EXISTS (SELECT 1 FROM erasures WHERE user_id = $1)";
const HAS_CREDIT: &str =
    "SELECT EXISTS (SELECT 1 FROM credit_limits WHERE user_id = $1 AND status IN ('accepted', 'active'))";
const REQUEST: &str =
    "INSERT INTO erasures (user_id, receipt, requested_by, requested_at) VALUES ($1, $2, $3, $4)";
/// Nobody logs in as them any more, and whoever takes the address next is somebody else.
const UNNAME: &str =
    "UPDATE users SET email = NULL, email_index = NULL, external_id = NULL, external_id_index = NULL,
        password_hash = NULL, updated_at = $2 WHERE id = $1";
/// Whoever accepts one of them meanwhile comes first or last.
const OFFERS: &str = "SELECT id FROM credit_limits WHERE user_id = $1 ORDER BY id FOR UPDATE";
/// Nobody accepts any more what was offered before.
const NO_OFFERS: &str =
    "UPDATE credit_limits SET status = 'expired', updated_at = $2 WHERE user_id = $1 AND status = 'offered'";
const NO_CONSENTS: &str = "UPDATE consents SET granted = false, updated_at = $2 WHERE user_id = $1";
const NO_RIGHTS: &str = "DELETE FROM user_rights WHERE user_id = $1";
/// Also where nobody asked: the store is older than the tombstone.
const BURY: &str = "INSERT INTO erasures (user_id, receipt, requested_by, requested_at, tombstone)
     VALUES ($1, $2, NULL, $4, $3) ON CONFLICT (user_id) DO UPDATE SET tombstone = $3 WHERE erasures.tombstone IS NULL";
const COUNT: &str = "UPDATE erasures SET rows = rows + $2 WHERE user_id = $1";
const SWEPT: &str = "UPDATE erasures SET swept_at = $2 WHERE user_id = $1 AND swept_at IS NULL";
const ERASED: &str = "UPDATE erasures SET erased_at = $2 WHERE user_id = $1 AND erased_at IS NULL";
const CLOSED: &str = "UPDATE erasures SET closed_at = $2 WHERE user_id = $1 AND closed_at IS NULL";
pub(crate) const PEOPLE: &str = "SELECT user_id FROM erasures
     WHERE ($1::uuid IS NULL OR user_id > $1) AND swept_at IS NOT NULL ORDER BY user_id LIMIT $2";
const MARK: &str = "INSERT INTO vault_of_keys (mark) VALUES ($1) ON CONFLICT DO NOTHING";
const MARKED: &str = "SELECT mark FROM vault_of_keys";

/// What goes of whoever `$1` names, at most `$2` rows of the large tables, in this order: what is found by another table's rows goes
/// before those. The account goes last. Changes of rights stay until they are old, for they hold nothing but ids, and whoever has not
/// read them yet would let a token pass.
pub(crate) const DELETE: [&str; 23] = [
    // The keys of these two begin with the day, of which there are few: from each to the next.
    "WITH RECURSIVE days (day) AS (SELECT min(day) FROM emotional_events
            UNION ALL SELECT (SELECT min(e.day) FROM emotional_events e WHERE e.day > days.day) FROM days WHERE day IS NOT NULL),
        doomed AS (SELECT day, event_id FROM emotional_events
            WHERE user_id = $1 AND day = ANY (ARRAY(SELECT day FROM days WHERE day IS NOT NULL)) LIMIT $2)
        DELETE FROM emotional_events e USING doomed d WHERE e.day = d.day AND e.user_id = $1 AND e.event_id = d.event_id",
    "WITH RECURSIVE days (day) AS (SELECT min(day) FROM emotion_inbox
            UNION ALL SELECT (SELECT min(i.day) FROM emotion_inbox i WHERE i.day > days.day) FROM days WHERE day IS NOT NULL),
        doomed AS (SELECT day, event_id FROM emotion_inbox
            WHERE user_id = $1 AND day = ANY (ARRAY(SELECT day FROM days WHERE day IS NOT NULL)) LIMIT $2)
        DELETE FROM emotion_inbox i USING doomed d WHERE i.day = d.day AND i.user_id = $1 AND i.event_id = d.event_id",
    "DELETE FROM emotional_events_summary WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM replay_log WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM replay_shadow WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM transactions WHERE id IN (SELECT id FROM transactions WHERE user_id = $1 LIMIT $2)",
    "DELETE FROM outbox WHERE key = $1 AND $2::bigint > 0",
    "DELETE FROM dead_letters WHERE row IN (SELECT row FROM dead_letters WHERE key = $1 LIMIT $2)",
    "DELETE FROM idempotency_keys WHERE scope >= $1::uuid::text || ' ' AND scope < $1::uuid::text || '!' AND $2::bigint > 0",
    "DELETE FROM webhook_deliveries WHERE webhook_id IN (SELECT id FROM webhooks WHERE user_id = $1) AND $2::bigint > 0",
    "DELETE FROM webhooks WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM decision_reviews WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE user_id = $1 LIMIT $2)",
    "DELETE FROM credit_limits c WHERE user_id = $1 AND $2::bigint > 0
        AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.offer_id = c.id)",
    "DELETE FROM backtest_flips WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE user_id = $1 LIMIT $2)",
    "DELETE FROM exports WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM evaluations WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM user_attributes WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM consent_history WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM consents WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM sessions WHERE user_id = $1 AND $2::bigint > 0",
    "DELETE FROM user_rights WHERE user_id = $1 AND $2::bigint > 0",
];
const ACCOUNT: &str = "DELETE FROM users WHERE id = $1";

#[async_trait]
impl Erasures for PostgresStore {
    async fn request_erasure(&self, request: ErasureRequest) -> Result<ErasureAsked, StoreError> {
        let (request, receipt) = (&request, receipt_of(request.user, &self.keyring));
        let about = [request.user];
        self.primary
            .run(Call::quick("erasures.request").about(&about), |session| async move {
                ask(&session, request, receipt).await
            })
            .await
    }

    async fn erasure(&self, receipt: Uuid) -> Result<Option<Erasure>, StoreError> {
        let receipt = &receipt;
        self.primary
            .run(Call::quick("erasures.erasure"), |session| async move {
                session.query(OF_RECEIPT, &[receipt]).await?.first().map(read).transpose()
            })
            .await
    }

    async fn erasure_of(&self, user: UserId) -> Result<Option<Erasure>, StoreError> {
        self.primary
            .run(Call::quick("erasures.erasure_of"), |session| async move { of_user(&session, user).await })
            .await
    }

    async fn erasures_due(&self, due: ErasureDue, most: usize) -> Result<Vec<Erasure>, StoreError> {
        let most = &limit(most);
        self.primary
            .run(Call::quick("erasures.due"), |session| async move {
                let found = match due {
                    ErasureDue::Deletion { swept_by } => {
                        session.query(TO_DELETE, &[most, &micros(swept_by)]).await?
                    }
                    ErasureDue::Closing(before) => session.query(TO_CLOSE, &[most, &micros(before)]).await?,
                };
                found.rows.iter().map(read).collect()
            })
            .await
    }

    async fn erase(&self, tombstone: Tombstone) -> Result<Erased, StoreError> {
        let receipt = receipt_of(tombstone.user, &self.keyring);
        self.primary
            .run(
                Call::long("erasures.erase"),
                |session| async move { erase(&session, tombstone, receipt).await },
            )
            .await
    }

    async fn note_erasure(&self, user: UserId, reached: Reached, now: Timestamp) -> Result<(), StoreError> {
        let (user, now) = (&user.uuid(), &micros(now));
        let note = match reached {
            Reached::Swept => SWEPT,
            Reached::Erased => ERASED,
            Reached::Closed => CLOSED,
        };
        self.primary
            .run(Call::quick("erasures.note"), |session| async move {
                session.query(note, &[user, now]).await.map(drop)
            })
            .await
    }

    async fn erased_among(&self, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let users: &Vec<Uuid> = &users.iter().map(|user| user.uuid()).collect();
        let mut erased = self
            .primary
            .run(Call::quick("erasures.erased_among"), |session| async move {
                people(&session.query(SWEPT_AMONG, &[users]).await?)
            })
            .await?;
        erased.sort_unstable();
        Ok(erased)
    }

    async fn erased_people(&self, after: Option<UserId>, most: usize) -> Result<Vec<UserId>, StoreError> {
        let (after, most) = (&after.map(|after| after.uuid()), &limit(most));
        self.primary
            .run(Call::quick("erasures.people"), |session| async move {
                people(&session.query(PEOPLE, &[after, most]).await?)
            })
            .await
    }

    async fn is_sealed_with(&self, mark: [u8; 32]) -> Result<bool, StoreError> {
        let mark = &mark.as_slice();
        self.primary
            .run(Call::quick("erasures.is_sealed_with"), |session| async move {
                session.query(MARK, &[mark]).await?;
                let kept = session.query(MARKED, &[]).await?;
                Ok(kept.first().map(|row| get::<_, &[u8]>(row, "mark")).transpose()? == Some(*mark))
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

/// The user's row and the newest change are locked, so what it is judged by stands until the end.
async fn ask(session: &Session, request: &ErasureRequest, receipt: Uuid) -> Result<ErasureAsked, Fault> {
    let ErasureRequest { user, by, with_credit, now } = *request;
    let (id, by, at, number) = (user.uuid(), by, micros(now), now.as_microsecond());
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[&id]);
    flight.add(OFFERS, &[&id]);
    // In the order of whoever logs out: sessions before the number of their change.
    flight.add(sessions::END_ALL, &[&id, &at]);
    flight.add(rights::LOCK_NEWEST, &[]);
    let earlier = flight.add(OF_USER, &[&id]);
    let held = flight.add(rights::OF_USER, &[&id]);
    let others = flight.add(rights::OTHER_ADMINS, &[&id]);
    let has_credit = flight.add(HAS_CREDIT, &[&id]);
    let mut answers = flight.send().await?;
    let held = answers.take(held).first().map(rights::read).transpose()?;
    let (others, has_credit): (bool, bool) = (answers.take(others).only()?, answers.take(has_credit).only()?);
    let refused = match (answers.take(earlier).first(), held) {
        (Some(earlier), _) => Some(ErasureAsked::UnderWay(read(earlier)?)),
        (None, None) => Some(ErasureAsked::Unknown),
        (None, Some(held)) => {
            let leaves = held.access.may_become(&Access::default(), &held.access.held(), others);
            match leaves {
                Err(_) => Some(ErasureAsked::LastAdmin),
                Ok(()) => (has_credit && !with_credit).then_some(ErasureAsked::HasCredit),
            }
        }
    };
    let mut flight = session.flight();
    if let Some(refused) = refused {
        flight.roll_back();
        flight.send().await?;
        return Ok(refused);
    }
    let (act, subject, before) = (Act::ErasureRequested, user.to_string(), Value::Null);
    let entry =
        NewEntry { at: now, actor: by, act, subject, before, after: json!({"with_credit": has_credit}) };
    let (entry, by) = (EntryRow::new(&entry), by.uuid());
    flight.add(REQUEST, &[&id, &receipt, &by, &at]);
    for end in [UNNAME, NO_OFFERS, NO_CONSENTS] {
        flight.add(end, &[&id, &at]);
    }
    flight.add(NO_RIGHTS, &[&id]);
    audit::note(&mut flight, &entry);
    rights::note_user(&mut flight, &id, &number);
    let made = flight.add(OF_USER, &[&id]);
    flight.commit();
    let made = flight.send().await?.take(made);
    Ok(made.first().map(read).transpose()?.map_or(ErasureAsked::Unknown, ErasureAsked::UnderWay))
}

async fn erase(session: &Session, tombstone: Tombstone, receipt: Uuid) -> Result<Erased, Fault> {
    let Tombstone { number, user, at } = tombstone;
    let (id, number, at) = (user.uuid(), signed(number), micros(at));
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(BURY, &[&id, &receipt, &number, &at]);
    let deletions: Vec<_> = DELETE.into_iter().map(|delete| flight.add(delete, &[&id, &PIECE])).collect();
    let mut answers = flight.send().await?;
    let mut rows: u64 = deletions.into_iter().map(|deletion| answers.take(deletion).changed).sum();
    if rows == 0 {
        rows = session.query(ACCOUNT, &[&id]).await?.changed;
    }
    let counted = signed(rows);
    let mut flight = session.flight();
    flight.add(COUNT, &[&id, &counted]);
    flight.commit();
    flight.send().await?;
    Ok(Erased { rows, more: rows > 0 })
}

fn people(answer: &Answer) -> Result<Vec<UserId>, Fault> {
    answer.rows.iter().map(|row| Ok(UserId::new(get(row, "user_id")?))).collect()
}

async fn of_user(session: &Session, user: UserId) -> Result<Option<Erasure>, Fault> {
    session.query(OF_USER, &[&user.uuid()]).await?.first().map(read).transpose()
}

fn read(row: &Row) -> Result<Erasure, Fault> {
    Ok(Erasure {
        user: UserId::new(get(row, "user_id")?),
        receipt: get(row, "receipt")?,
        requested_at: get(row, "requested_at")?,
        tombstone: get::<_, Option<i64>>(row, "tombstone")?.map(crate::column::unsigned),
        swept_at: get(row, "swept_at")?,
        erased_at: get(row, "erased_at")?,
        closed_at: get(row, "closed_at")?,
        rows: count(row, "rows")?,
    })
}
