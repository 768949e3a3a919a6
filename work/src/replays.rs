//! Replays of the aggregates, worked on for a while at a time.
//!
//! Whoever asks for a replay lends it some of its time; the store keeps how far it is. So a process that stops, or an operator who
//! gives up, leaves nothing behind that the next call doesn't go on with.

use std::time::{Duration, Instant};

use ecs_domain::Clock;
use ecs_store::{Replay, ReplayPhase, ReplayPlan, Replays, StoreError};

pub use crate::log_replays::{LogReplayError, work_on_days};

/// How many users' days a piece has: about a tenth of a second, in which an embedded store folds nothing. Over PostgreSQL nobody
/// waits for a piece, and each reads its day's rows of the summary from the start, so that small ones would be dear.
const PIECE: usize = 20_000;

/// Begins a replay, or goes on with the one under way, until it has switched or the time is over. At least one piece is rebuilt.
///
/// # Errors
/// The store can't be reached. Nothing that was done is lost.
pub async fn work_on(
    store: &dyn Replays,
    clock: &dyn Clock,
    plan: ReplayPlan,
    time: Duration,
) -> Result<Replay, StoreError> {
    let begun = Instant::now();
    let replay = store.begin_replay(plan, clock.now()).await?;
    rebuild(store, clock, replay, PIECE, begun + time).await
}

/// Rebuilds what can be until `end`, at least one piece of so many users' days, and switches when all of it is.
pub(crate) async fn rebuild(
    store: &dyn Replays,
    clock: &dyn Clock,
    replay: Replay,
    piece: usize,
    end: Instant,
) -> Result<Replay, StoreError> {
    let mut replay = replay;
    while replay.phase == ReplayPhase::Building {
        replay = store.rebuild(piece).await?.unwrap_or(replay);
        if Instant::now() >= end {
            break;
        }
    }
    if replay.phase == ReplayPhase::Built {
        replay = store.switch_replay(clock.now()).await?.unwrap_or(replay);
        tracing::info!(
            confirmed_rows = replay.confirmed,
            healed_rows = replay.healed,
            kept_rows = replay.kept,
            carried_over_rows = replay.carried_over,
            "the aggregates were rebuilt"
        );
    }
    Ok(replay)
}
