//! The counted events, one by one.

use ecs_domain::{Day, EventId, Timestamp, UserId, utc_day};
use ecs_store::{CountedPage, EventKey, Ledger};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{get, limit as at_most};
use crate::engine::{Fault, Session};
use crate::plan::FIXED_PLANS;

pub(crate) mod statements {
    //! The SQL of the pages, where the test of the query plans sees it.

    /// Raw rows and ids, each a page in the order of the keys, are one page when they are put together and cut. It is one
    /// statement, so that an id which moves from the one to the other meanwhile is on the page once. `day >= $1` follows
    /// from the condition behind it, and is there for the partitions, which only it rules out.
    pub(crate) const EMOTIONS: &str = "
(SELECT day, user_id, event_id, arrived_at FROM emotional_events
    WHERE day >= $1::date AND (day, user_id, event_id) > ($1::date, $2::uuid, $3::uuid)
    ORDER BY day, user_id, event_id LIMIT $4)
UNION ALL
(SELECT day, user_id, event_id, arrived_at FROM emotion_inbox
    WHERE (day, user_id, event_id) > ($1::date, $2::uuid, $3::uuid) AND fate = 1
    ORDER BY day, user_id, event_id LIMIT $4)
ORDER BY day, user_id, event_id LIMIT $4";
    pub(crate) const TRANSACTIONS: &str =
        "SELECT id AS event_id, user_id, occurred_at, created_at AS arrived_at FROM transactions
         WHERE id > $1::uuid ORDER BY id LIMIT $2";
}

/// Before every event.
const FIRST: Day = jiff::civil::date(1, 1, 1);

type Counted = (EventKey, Timestamp);

/// The next page of the ledger.
pub(super) async fn page(
    session: &Session,
    ledger: Ledger,
    after: Option<EventKey>,
    limit: usize,
) -> Result<CountedPage, Fault> {
    let events = match ledger {
        Ledger::Emotions => emotions(session, after, limit).await?,
        Ledger::Transactions => transactions(session, after, limit).await?,
    };
    Ok(CountedPage { events })
}

async fn emotions(session: &Session, after: Option<EventKey>, limit: usize) -> Result<Vec<Counted>, Fault> {
    let (day, user, id) = match after {
        Some(key) => (key.day, key.user.uuid(), key.id.uuid()),
        None => (FIRST, Uuid::nil(), Uuid::nil()),
    };
    let most = at_most(limit);
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(FIXED_PLANS, &[]);
    let page = flight.add(statements::EMOTIONS, &[&day, &user, &id, &most]);
    flight.commit();
    let page = flight.send().await?.take(page);
    page.rows.iter().map(|row| counted(row, get(row, "day")?)).collect()
}

async fn transactions(
    session: &Session,
    after: Option<EventKey>,
    limit: usize,
) -> Result<Vec<Counted>, Fault> {
    let after = after.map_or_else(Uuid::nil, |key| key.id.uuid());
    let answer = session.query(statements::TRANSACTIONS, &[&after, &at_most(limit)]).await?;
    let read = |row| counted(row, utc_day(get(row, "occurred_at")?));
    answer.rows.iter().map(read).collect()
}

fn counted(row: &Row, day: Day) -> Result<Counted, Fault> {
    let key =
        EventKey { day, user: UserId::new(get(row, "user_id")?), id: EventId::new(get(row, "event_id")?) };
    Ok((key, get(row, "arrived_at")?))
}
