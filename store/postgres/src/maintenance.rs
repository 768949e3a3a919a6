//! Housekeeping.
//!
//! Raw rows go with their partition, as a whole. Before that, the ids that a redelivery could still ask for move to the
//! inbox, in pieces, each one transaction that shuts the folds out: no fold ever sees an id in both tables or in neither.
//! A crash leaves whole pieces behind, and the next call goes on from there. Nothing is noted of how far it came: what is
//! still to be done is what is still in the partition.

use async_trait::async_trait;
use ecs_domain::Day;
use ecs_store::{Maintenance, Retained, Retention, StoreError, Swept};

use crate::PostgresStore;
use crate::audit;
use crate::column::{micros, unsigned};
use crate::engine::{Call, Fault, Session};
use crate::idempotency;
use crate::partitions::{self, BE_BRIEF, SHUT_FOLDS_OUT};
use crate::plan::FIXED_PLANS;
use crate::replays;
use crate::{rights, sessions};

/// How many ids one transaction moves or drops at most: some tens of milliseconds in which folds wait.
const CHUNK: i64 = 10_000;

/// Moves ids that arrived late from a partition to the inbox. One that is there as discarded, because consent changed
/// between two deliveries at the same moment, was counted as well.
pub(crate) const MOVE: &str = "
WITH late AS MATERIALIZED (
    SELECT user_id, event_id FROM emotional_events WHERE day = $1::date AND arrived_at >= $2::timestamptz LIMIT $3
),
moved AS (
    DELETE FROM emotional_events e USING late l
    WHERE e.day = $1::date AND e.user_id = l.user_id AND e.event_id = l.event_id
    RETURNING e.day, e.user_id, e.event_id, e.arrived_at
),
kept AS (
    INSERT INTO emotion_inbox AS i (day, user_id, event_id, arrived_at, fate)
    SELECT day, user_id, event_id, arrived_at, 1 FROM moved
    ON CONFLICT (day, user_id, event_id) DO UPDATE
        SET fate = 1, arrived_at = greatest(i.arrived_at, excluded.arrived_at)
)
SELECT count(*) FROM moved";
/// Held by whoever takes rows out of a partition, so that two sweeps don't both tell of the same rows: "ecs rows" in a number.
const SWEEP_IN_TURN: &str = "SELECT pg_advisory_xact_lock(7305809603721131891)";
const COUNT_RAW: &str = "SELECT count(*) FROM emotional_events WHERE day = $1::date";
/// Dropping a partition takes this lock anyway. Taken first, and for a short time, nothing is moved in vain.
const SHUT_ALL_OUT: &str = "LOCK TABLE ONLY emotional_events IN ACCESS EXCLUSIVE MODE";
/// A fold that renews an id must not meet it while it goes.
pub(crate) const DROP_IDS: &str = "DELETE FROM emotion_inbox WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM emotion_inbox WHERE arrived_at < $1::timestamptz ORDER BY arrived_at LIMIT $2))";
pub(crate) const OLD_IDS: &str = "SELECT EXISTS (SELECT FROM emotion_inbox WHERE arrived_at < $1::timestamptz ORDER BY arrived_at LIMIT 1)";
const PING: &str = "SELECT 1";

#[async_trait]
impl Maintenance for PostgresStore {
    async fn retain(&self, retention: Retention) -> Result<Retained, StoreError> {
        self.raise_floor(retention.raw_floor).await?;
        let retention = &retention;
        let (raw_rows, more_rows) = self.drop_raw(retention).await?;
        let ids = self
            .primary
            .run(Call::long("retention.ids"), |session| async move { drop_ids(&session, retention).await })
            .await?;
        let answers_since = micros(retention.answers_since);
        let answers = self
            .primary
            .run(Call::long("retention.answers"), |session| async move {
                let drop = idempotency::drop_old(&session, answers_since, CHUNK);
                told(&session, retention, Swept::Answers, drop).await
            })
            .await?;
        let sessions = self
            .primary
            .run(Call::long("retention.sessions"), |session| async move {
                let drop = sessions::drop_old(&session, answers_since, CHUNK);
                told(&session, retention, Swept::Sessions, drop).await
            })
            .await?;
        let changes = self
            .primary
            .run(Call::long("retention.changes"), |session| async move {
                let drop = rights::drop_old(&session, answers_since, CHUNK);
                told(&session, retention, Swept::Changes, drop).await
            })
            .await?;
        self.primary
            .run(Call::long("retention.replays"), |session| async move {
                replays::give_up(&session, answers_since).await
            })
            .await?;
        let dropped = [ids, answers, sessions, changes];
        let more = more_rows || dropped.iter().any(|dropped| *dropped >= unsigned(CHUNK));
        Ok(Retained { raw_rows, ids, answers, sessions, changes, more })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.primary
            .run(Call::quick("maintenance.ping"), |session| async move {
                session.query(PING, &[]).await?;
                Ok(())
            })
            .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.shut_down().await;
        Ok(())
    }
}

impl PostgresStore {
    /// Drops partitions of days that are not kept any more. Returns how many rows went, and whether there is more to do: it stops at
    /// the first partition with more late ids than one piece moves.
    async fn drop_raw(&self, retention: &Retention) -> Result<(u64, bool), StoreError> {
        let floor = retention.raw_floor;
        let due = self
            .primary
            .run(Call::long("retention.partitions"), |session| async move {
                partitions::due(&session, floor).await
            })
            .await?;
        let mut dropped = 0;
        for day in due {
            let piece = self
                .primary
                .run(Call::long("retention.raw"), |session| async move {
                    drop_piece(&session, day, retention).await
                })
                .await?;
            dropped += piece.rows;
            if piece.more {
                return Ok((dropped, true));
            }
        }
        Ok((dropped, false))
    }
}

struct Piece {
    rows: u64,
    more: bool,
}

/// Moves a piece of a partition's late ids, or drops the partition when there are none left.
async fn drop_piece(session: &Session, day: Day, retention: &Retention) -> Result<Piece, Fault> {
    let ids_since = micros(retention.ids_since);
    index_arrivals(session, day).await?;
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(SWEEP_IN_TURN, &[]);
    flight.add(FIXED_PLANS, &[]);
    flight.add(BE_BRIEF, &[]);
    flight.add(SHUT_FOLDS_OUT, &[]);
    let moving = flight.add(MOVE, &[&day, &ids_since, &CHUNK]);
    let moved: i64 = flight.send().await?.take(moving).only()?;
    audit::commit(session, retention.told(Swept::RawRows, unsigned(moved)).as_ref()).await?;
    if moved >= CHUNK {
        return Ok(Piece { rows: unsigned(moved), more: true });
    }
    let rest = drop_partition(session, day, retention).await?;
    Ok(Piece { rows: unsigned(moved) + rest.rows, more: rest.more })
}

/// What arrived late is few among many, and is found under a lock that holds everybody up. An index that every event
/// would have to keep up with is too dear for that. One is made here, in one pass over the closed partition, and is tiny.
async fn index_arrivals(session: &Session, day: Day) -> Result<(), Fault> {
    let name = partitions::name(day);
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(BE_BRIEF, &[]);
    flight.send().await?;
    let index = format!(
        "CREATE INDEX IF NOT EXISTS {name}_by_arrival ON {name} USING brin (arrived_at) WITH (pages_per_range = 16)"
    );
    session.batch(&index).await?;
    let mut flight = session.flight();
    flight.commit();
    flight.send().await?;
    Ok(())
}

/// Drops the partition in one transaction with what is still to be moved, for an id may have been renewed just now, and with what the audit
/// log says of it. Nothing is folded into a day below the floor and no other sweep is at work, so rows are counted before everybody is shut
/// out.
async fn drop_partition(session: &Session, day: Day, retention: &Retention) -> Result<Piece, Fault> {
    let ids_since = micros(retention.ids_since);
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(SWEEP_IN_TURN, &[]);
    let count = flight.add(COUNT_RAW, &[&day]);
    flight.add(FIXED_PLANS, &[]);
    flight.add(BE_BRIEF, &[]);
    flight.add(SHUT_ALL_OUT, &[]);
    let moving = flight.add(MOVE, &[&day, &ids_since, &CHUNK]);
    let mut answers = flight.send().await?;
    let (rows, moved) = (answers.take(count).only::<i64>()?, answers.take(moving).only::<i64>()?);
    let more = moved >= CHUNK;
    if !more {
        // Another sweep may have done it while this one waited for its turn.
        session.batch(&format!("DROP TABLE IF EXISTS {}", partitions::name(day))).await?;
    }
    let rows = unsigned(if more { moved } else { rows });
    audit::commit(session, retention.told(Swept::RawRows, rows).as_ref()).await?;
    Ok(Piece { rows, more })
}

/// Does a piece of work that drops something in one transaction with what the audit log says of it.
async fn told(
    session: &Session,
    retention: &Retention,
    swept: Swept,
    drop: impl Future<Output = Result<u64, Fault>>,
) -> Result<u64, Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    flight.send().await?;
    let dropped = drop.await?;
    audit::commit(session, retention.told(swept, dropped).as_ref()).await?;
    Ok(dropped)
}

async fn drop_ids(session: &Session, retention: &Retention) -> Result<u64, Fault> {
    let since = micros(retention.ids_since);
    // Most calls find nothing, and nobody needs to be held up for that.
    if !session.query(OLD_IDS, &[&since]).await?.only::<bool>()? {
        return Ok(0);
    }
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(FIXED_PLANS, &[]);
    flight.add(BE_BRIEF, &[]);
    flight.add(SHUT_FOLDS_OUT, &[]);
    let drop = flight.add(DROP_IDS, &[&since, &CHUNK]);
    let dropped = flight.send().await?.take(drop).changed;
    audit::commit(session, retention.told(Swept::Ids, dropped).as_ref()).await?;
    Ok(dropped)
}
