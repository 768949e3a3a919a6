//! Replays: the row that says where one stands, and the switch.
//!
//! Whoever works on a replay locks its row first, in a statement of its own: what follows sees what was committed before the
//! lock was had. Folds never look at these tables and never wait for a piece.

mod logged;
mod piece;

pub(crate) use logged::give_up;

use async_trait::async_trait;
use ecs_domain::{Day, Timestamp};
use ecs_store::{
    LogReplayPlan, LoggedEvents, Replay, ReplayDays, ReplayPhase, ReplayPlan, Replays, StoreError,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{count, get, limit, micros};
use crate::engine::{Answer, Call, Fault, Session};

#[cfg(test)]
pub(crate) use {logged::statements as logged_statements, piece::statements as piece_statements};

const BUILDING: i16 = 1;
const BUILT: i16 = 2;
const SWITCHED: i16 = 3;

const LAST: &str = "SELECT started_at, phase, stress, next_day, next_user, confirmed, healed, kept, carried_over, switched_at,
        from_day, to_day, log_cursor
     FROM replay WHERE one = 1";
const LOCKED: &str = "SELECT started_at, phase, stress, next_day, next_user, confirmed, healed, kept, carried_over, switched_at,
        from_day, to_day, log_cursor
     FROM replay WHERE one = 1 FOR UPDATE";
/// There is no row to lock before the first replay. Whoever has it locked ends first: a weaker lock would be had beside theirs,
/// and then each would wait for the other.
const SHUT_OTHERS_OUT: &str = "LOCK TABLE replay IN EXCLUSIVE MODE";
const FORGET: [&str; 2] = ["DELETE FROM replay_shadow", "TRUNCATE replay_log"];
const BEGIN: &str = "
INSERT INTO replay AS r (one, started_at, phase, stress, next_day, next_user, confirmed, healed, kept, carried_over)
SELECT 1, $1::timestamptz, 1, $2::integer, first.day, $4::uuid, 0, 0, 0,
    (SELECT count(*) FROM emotional_events_summary WHERE summary_date < first.day)
FROM (SELECT greatest(day, $3::date) AS day FROM raw_floor WHERE one = 1) first
ON CONFLICT (one) DO UPDATE SET started_at = excluded.started_at, phase = 1, stress = excluded.stress,
    next_day = excluded.next_day, next_user = excluded.next_user, confirmed = 0, healed = 0, kept = 0,
    carried_over = excluded.carried_over, switched_at = NULL, from_day = NULL, to_day = NULL, log_cursor = NULL";
/// Rows that are missing come back. What is brought back is taken out of the shadow, so that nothing is added twice when a fold
/// makes the row at the same moment.
pub(crate) const BRING_BACK: &str = "
WITH missing AS (
    DELETE FROM replay_shadow r
    WHERE r.event_count > 0 AND NOT EXISTS (
        SELECT FROM emotional_events_summary s WHERE s.user_id = r.user_id AND s.summary_date = r.summary_date)
    RETURNING r.*
)
INSERT INTO emotional_events_summary AS s (user_id, summary_date, event_count, stress_event_count, positivity_sum,
    intensity_sum, stress_sum, updated_at)
SELECT user_id, summary_date, event_count, stress_event_count, positivity_sum, intensity_sum, stress_sum, $1::timestamptz
FROM missing ORDER BY user_id, summary_date
ON CONFLICT (user_id, summary_date) DO UPDATE SET
    event_count = s.event_count + excluded.event_count,
    stress_event_count = s.stress_event_count + excluded.stress_event_count,
    positivity_sum = s.positivity_sum + excluded.positivity_sum,
    intensity_sum = s.intensity_sum + excluded.intensity_sum,
    stress_sum = s.stress_sum + excluded.stress_sum,
    updated_at = greatest(s.updated_at, excluded.updated_at)";
/// Locks the rows in the order in which folds do, so that none of them and this wait for each other.
pub(crate) const LOCK_ROWS: &str = "
SELECT count(*) FROM (
    SELECT FROM emotional_events_summary s JOIN replay_shadow r USING (user_id, summary_date)
    ORDER BY user_id, summary_date FOR UPDATE OF s) locked";
/// A row that went since it was rebuilt, and of which only its error is known, stays gone.
pub(crate) const ADD: &str = "
UPDATE emotional_events_summary s SET
    event_count = s.event_count + r.event_count,
    stress_event_count = s.stress_event_count + r.stress_event_count,
    positivity_sum = s.positivity_sum + r.positivity_sum,
    intensity_sum = s.intensity_sum + r.intensity_sum,
    stress_sum = s.stress_sum + r.stress_sum,
    updated_at = greatest(s.updated_at, $1::timestamptz)
FROM replay_shadow r WHERE r.user_id = s.user_id AND r.summary_date = s.summary_date";
const SWITCHED_NOW: &str = "UPDATE replay SET phase = 3, switched_at = $1 WHERE one = 1";

#[async_trait]
impl Replays for PostgresStore {
    async fn begin_replay(&self, plan: ReplayPlan, now: Timestamp) -> Result<Replay, StoreError> {
        let now = micros(now);
        self.primary
            .run(Call::long("replays.begin"), |session| async move { begin(&session, plan, now).await })
            .await
    }

    async fn begin_log_replay(&self, plan: LogReplayPlan, now: Timestamp) -> Result<Replay, StoreError> {
        let now = micros(now);
        self.primary
            .run(
                Call::long("replays.begin_log"),
                |session| async move { begin_log(&session, plan, now).await },
            )
            .await
    }

    async fn log_cursor(&self) -> Result<Option<String>, StoreError> {
        self.primary
            .run(Call::quick("replays.cursor"), |session| async move {
                Ok(find(&session.query(LAST, &[]).await?)?.and_then(|state| state.cursor))
            })
            .await
    }

    async fn take_in(&self, page: LoggedEvents) -> Result<Option<Replay>, StoreError> {
        let columns = &logged::Columns::new(page);
        self.primary
            .run(Call::long("replays.take_in"), |session| async move { columns.add(&session).await })
            .await
    }

    async fn rebuild(&self, at_most: usize) -> Result<Option<Replay>, StoreError> {
        let most = limit(at_most.max(1));
        self.primary
            .run(Call::long("replays.rebuild"), |session| async move { rebuild(&session, most).await })
            .await
    }

    async fn switch_replay(&self, now: Timestamp) -> Result<Option<Replay>, StoreError> {
        let now = micros(now);
        self.primary
            .run(Call::long("replays.switch"), |session| async move { switch(&session, now).await })
            .await
    }

    async fn last_replay(&self) -> Result<Option<Replay>, StoreError> {
        self.primary
            .run(Call::quick("replays.last"), |session| async move { told(&session.query(LAST, &[]).await?) })
            .await
    }
}

/// The row, with what is told of it.
struct State {
    replay: Replay,
    phase: i16,
    stress: i32,
    next_day: Day,
    next_user: Uuid,
    /// How far the log was taken in, while more of it is needed.
    cursor: Option<String>,
}

async fn begin(session: &Session, plan: ReplayPlan, now: Timestamp) -> Result<Replay, Fault> {
    let stress = i32::try_from(plan.stress.0.billionths()).unwrap_or(i32::MAX);
    let nobody = Uuid::nil();
    if let Some(replay) = under_way(session, stress, None).await? {
        return Ok(replay);
    }
    let mut flight = session.flight();
    for forget in FORGET {
        flight.add(forget, &[]);
    }
    flight.add(BEGIN, &[&now, &stress, &plan.raw_floor, &nobody]);
    flight.send().await?;
    begun(session).await
}

async fn begin_log(session: &Session, plan: LogReplayPlan, now: Timestamp) -> Result<Replay, Fault> {
    let stress = i32::try_from(plan.stress.0.billionths()).unwrap_or(i32::MAX);
    if let Some(replay) = under_way(session, stress, Some(plan.days)).await? {
        return Ok(replay);
    }
    logged::begin(session, plan, now).await?;
    begun(session).await
}

/// Begins a transaction in which no other replay is begun or worked on. Returns the one under way, if it goes by this plan.
async fn under_way(
    session: &Session,
    stress: i32,
    days: Option<ReplayDays>,
) -> Result<Option<Replay>, Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    flight.add(SHUT_OTHERS_OUT, &[]);
    let last = flight.add(LAST, &[]);
    let same = |state: &State| state.phase != SWITCHED && state.stress == stress && state.replay.days == days;
    Ok(find(&flight.send().await?.take(last))?.filter(same).map(|state| state.replay))
}

/// Commits the beginning of a replay.
async fn begun(session: &Session) -> Result<Replay, Fault> {
    end(session).await?.ok_or(Fault::Outage("the database left the replay out that was begun"))
}

async fn rebuild(session: &Session, most: i64) -> Result<Option<Replay>, Fault> {
    let Some(state) = locked(session).await? else { return Ok(None) };
    if state.phase != BUILDING || state.cursor.is_some() {
        return Ok(Some(state.replay));
    }
    match state.replay.days {
        Some(days) => logged::rebuild(session, &state, days.to, most).await?,
        None => piece::rebuild(session, &state, most).await?,
    }
    end(session).await
}

async fn switch(session: &Session, now: Timestamp) -> Result<Option<Replay>, Fault> {
    let Some(state) = locked(session).await? else { return Ok(None) };
    if state.phase != BUILT {
        return Ok(Some(state.replay));
    }
    let mut flight = session.flight();
    flight.add(BRING_BACK, &[&now]);
    flight.add(LOCK_ROWS, &[]);
    flight.add(ADD, &[&now]);
    for forget in FORGET {
        flight.add(forget, &[]);
    }
    flight.add(SWITCHED_NOW, &[&now]);
    flight.send().await?;
    end(session).await
}

/// Begins a transaction with the lock on the replay.
async fn locked(session: &Session) -> Result<Option<State>, Fault> {
    let mut flight = session.flight();
    flight.begin_long();
    let last = flight.add(LOCKED, &[]);
    find(&flight.send().await?.take(last))
}

/// Commits, and tells where the replay stands.
async fn end(session: &Session) -> Result<Option<Replay>, Fault> {
    let mut flight = session.flight();
    let last = flight.add(LAST, &[]);
    flight.commit();
    told(&flight.send().await?.take(last))
}

fn told(answer: &Answer) -> Result<Option<Replay>, Fault> {
    Ok(find(answer)?.map(|state| state.replay))
}

fn find(answer: &Answer) -> Result<Option<State>, Fault> {
    answer.first().map(read).transpose()
}

fn read(row: &Row) -> Result<State, Fault> {
    let phase = get(row, "phase")?;
    let replay = Replay {
        started_at: get(row, "started_at")?,
        phase: match phase {
            BUILDING => ReplayPhase::Building,
            BUILT => ReplayPhase::Built,
            _ => ReplayPhase::Switched,
        },
        confirmed: count(row, "confirmed")?,
        healed: count(row, "healed")?,
        kept: count(row, "kept")?,
        carried_over: count(row, "carried_over")?,
        switched_at: get(row, "switched_at")?,
        days: match (get(row, "from_day")?, get(row, "to_day")?) {
            (Some(from), Some(to)) => Some(ReplayDays { from, to }),
            _ => None,
        },
    };
    let (next_day, next_user) = (get(row, "next_day")?, get(row, "next_user")?);
    Ok(State {
        replay,
        phase,
        stress: get(row, "stress")?,
        next_day,
        next_user,
        cursor: get(row, "log_cursor")?,
    })
}
