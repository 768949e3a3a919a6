//! Replays: the row that says where one stands, and the switch.

mod logged;
mod piece;

pub(crate) use logged::give_up;

use async_trait::async_trait;
use ecs_domain::Timestamp;
use ecs_store::{
    LogReplayPlan, LoggedEvents, Replay, ReplayDays, ReplayPhase, ReplayPlan, Replays, StoreError,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::column::{At, IdBytes, count, day_from_number, day_number, limit, micros};
use crate::engine::{Fault, Size};

#[cfg(test)]
pub(crate) use {logged::statements as logged_statements, piece::statements as piece_statements};

const BUILDING: i64 = 1;
const BUILT: i64 = 2;
const SWITCHED: i64 = 3;

const LAST: &str = "SELECT started_at, phase, confirmed, healed, kept, carried_over, switched_at, stress, next_day, next_user,
        from_day, to_day, log_cursor
     FROM replay WHERE one = 1";
const FLOOR: &str = "SELECT max(day) FROM raw_floor";
pub(crate) const OLD_ROWS: &str = "SELECT count(*) FROM emotional_events_summary WHERE summary_date < ?1";
const BEGIN: &str = "INSERT OR REPLACE INTO replay
        (one, started_at, phase, stress, next_day, next_user, confirmed, healed, kept, carried_over, switched_at)
     VALUES (1, ?1, 1, ?2, ?3, ?4, 0, 0, 0, ?5, NULL)";
const FORGET: &str = "DELETE FROM replay_shadow; DELETE FROM replay_log";
const ADD: &str = "UPDATE emotional_events_summary AS s SET
        event_count = s.event_count + r.event_count,
        stress_event_count = s.stress_event_count + r.stress_event_count,
        positivity_sum = s.positivity_sum + r.positivity_sum,
        intensity_sum = s.intensity_sum + r.intensity_sum,
        stress_sum = s.stress_sum + r.stress_sum,
        updated_at = max(s.updated_at, ?1)
     FROM replay_shadow r WHERE r.user_id = s.user_id AND r.summary_date = s.summary_date";
/// A row that went since it was rebuilt, and of which only its error is known, stays gone.
const BRING_BACK: &str = "INSERT INTO emotional_events_summary (user_id, summary_date, event_count, stress_event_count,
        positivity_sum, intensity_sum, stress_sum, updated_at)
     SELECT r.user_id, r.summary_date, r.event_count, r.stress_event_count, r.positivity_sum, r.intensity_sum, r.stress_sum, ?1
     FROM replay_shadow r
     WHERE r.event_count > 0 AND NOT EXISTS (SELECT 1 FROM emotional_events_summary s
        WHERE s.user_id = r.user_id AND s.summary_date = r.summary_date)";
const SWITCHED_NOW: &str = "UPDATE replay SET phase = 3, switched_at = ?1 WHERE one = 1";

#[async_trait]
impl Replays for SqliteStore {
    async fn begin_replay(&self, plan: ReplayPlan, now: Timestamp) -> Result<Replay, StoreError> {
        self.write_sized("replays.begin", Size::Large, move |connection| begin(connection, plan, now)).await
    }

    async fn begin_log_replay(&self, plan: LogReplayPlan, now: Timestamp) -> Result<Replay, StoreError> {
        self.write_sized("replays.begin_log", Size::Large, move |connection| {
            let stress = i64::from(plan.stress.0.billionths());
            if let Some(replay) = under_way(connection, stress, Some(plan.days))? {
                return Ok(replay);
            }
            logged::begin(connection, plan, now)?;
            begun(connection)
        })
        .await
    }

    async fn log_cursor(&self) -> Result<Option<String>, StoreError> {
        self.read("replays.cursor", |connection| Ok(find(connection)?.and_then(|state| state.cursor))).await
    }

    async fn take_in(&self, page: LoggedEvents) -> Result<Option<Replay>, StoreError> {
        let taken = logged::Taken::new(page);
        self.write_sized("replays.take_in", Size::Large, move |connection| taken.add(connection)).await
    }

    async fn rebuild(&self, at_most: usize) -> Result<Option<Replay>, StoreError> {
        let most = limit(at_most.max(1));
        self.write_sized("replays.rebuild", Size::Large, move |connection| {
            if let Some(state) = find(connection)?
                && state.phase == BUILDING
                && state.cursor.is_none()
            {
                match state.replay.days {
                    Some(days) => logged::rebuild(connection, &state, day_number(days.to), most)?,
                    None => piece::rebuild(connection, &state, floor(connection)?, most)?,
                }
            }
            told(connection)
        })
        .await
    }

    async fn switch_replay(&self, now: Timestamp) -> Result<Option<Replay>, StoreError> {
        self.write_sized("replays.switch", Size::Large, move |connection| {
            if find(connection)?.is_some_and(|state| state.phase == BUILT) {
                connection.execute(ADD, [At(micros(now))])?;
                connection.execute(BRING_BACK, [At(micros(now))])?;
                connection.execute_batch(FORGET)?;
                connection.execute(SWITCHED_NOW, [At(micros(now))])?;
            }
            told(connection)
        })
        .await
    }

    async fn last_replay(&self) -> Result<Option<Replay>, StoreError> {
        self.read("replays.last", told).await
    }
}

/// The row, with what is told of it.
struct State {
    replay: Replay,
    phase: i64,
    stress: i64,
    next_day: i64,
    next_user: Uuid,
    /// How far the log was taken in, while more of it is needed.
    cursor: Option<String>,
}

fn begin(connection: &Connection, plan: ReplayPlan, now: Timestamp) -> Result<Replay, Fault> {
    let stress = i64::from(plan.stress.0.billionths());
    if let Some(replay) = under_way(connection, stress, None)? {
        return Ok(replay);
    }
    let first = day_number(plan.raw_floor).max(floor(connection)?);
    let date = day_from_number(first)?.to_string();
    let old: i64 = connection.query_row(OLD_ROWS, [date], |row| row.get(0))?;
    connection.execute_batch(FORGET)?;
    connection.execute(BEGIN, params![At(micros(now)), stress, first, IdBytes(Uuid::nil()), old])?;
    begun(connection)
}

/// The replay that is under way, if it goes by this plan.
fn under_way(
    connection: &Connection,
    stress: i64,
    days: Option<ReplayDays>,
) -> Result<Option<Replay>, Fault> {
    let same = |state: &State| state.phase != SWITCHED && state.stress == stress && state.replay.days == days;
    Ok(find(connection)?.filter(same).map(|state| state.replay))
}

fn begun(connection: &Connection) -> Result<Replay, Fault> {
    told(connection)?
        .ok_or_else(|| StoreError::Corrupt("the replay that was begun is gone".to_owned()).into())
}

/// The first day of which every raw row is there, as days since 1970.
fn floor(connection: &Connection) -> Result<i64, Fault> {
    let floor: Option<i64> = connection.query_row(FLOOR, [], |row| row.get(0))?;
    Ok(floor.unwrap_or(i64::MIN))
}

fn told(connection: &Connection) -> Result<Option<Replay>, Fault> {
    Ok(find(connection)?.map(|state| state.replay))
}

fn find(connection: &Connection) -> Result<Option<State>, Fault> {
    Ok(connection.prepare_cached(LAST)?.query_row([], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<State> {
    let phase = row.get("phase")?;
    let At(started_at) = row.get("started_at")?;
    let switched_at: Option<At> = row.get("switched_at")?;
    let replay = Replay {
        started_at,
        phase: match phase {
            BUILDING => ReplayPhase::Building,
            BUILT => ReplayPhase::Built,
            _ => ReplayPhase::Switched,
        },
        confirmed: count(row.get("confirmed")?),
        healed: count(row.get("healed")?),
        kept: count(row.get("kept")?),
        carried_over: count(row.get("carried_over")?),
        switched_at: switched_at.map(|At(at)| at),
        days: match (row.get("from_day")?, row.get("to_day")?) {
            (Some(from), Some(to)) => {
                Some(ReplayDays { from: day_from_number(from)?, to: day_from_number(to)? })
            }
            _ => None,
        },
    };
    let IdBytes(next_user) = row.get("next_user")?;
    let (stress, next_day, cursor) = (row.get("stress")?, row.get("next_day")?, row.get("log_cursor")?);
    Ok(State { replay, phase, stress, next_day, next_user, cursor })
}
