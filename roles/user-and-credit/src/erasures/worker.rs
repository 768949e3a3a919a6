//! Erases those who asked for it: the key first, then the rows, then a second look, and at last a look at the bus.

use std::convert::Infallible;
use std::time::Duration;

use ecs_bus::{BusError, Frontier, Position, Subject};
use ecs_domain::{Timestamp, Tombstone};
use ecs_store::{Erasure, ErasureDue, Reached, StoreError};
use ecs_vault::VaultError;
use ecs_work::retention::before;
use ecs_work::{OnFailure, OnStop, Supervisor};

use crate::state::State;

/// How often it is looked for what others were asked for, and for what has become due.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether the bus has forgotten.
const LOOK_AT_BUS: Duration = Duration::from_secs(5);
/// When rows are looked for once more: every statement that was under way when the account went has ended by then.
const SETTLE: Duration = Duration::from_secs(90);
/// Behind every event of a shard, and still a number that every transport can hold.
const END_OF_SHARD: u64 = 1 << 62;
/// How many people are erased one after the other before it is looked again who waits.
const PIECE: usize = 100;

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Starts to erase. Where several processes do, they do the same: nothing of it is done wrong by being done twice.
pub(crate) fn start(state: &State, supervisor: &Supervisor) {
    let (state, stop) = (state.clone(), supervisor.token());
    supervisor.spawn("user-and-credit/erasures", OnFailure::Log, OnStop::Wait, async move {
        let mut looked_at_bus = None;
        loop {
            let look_at_bus =
                looked_at_bus.is_none_or(|at: tokio::time::Instant| at.elapsed() >= LOOK_AT_BUS);
            if let Err(error) = round(&state, look_at_bus).await {
                tracing::warn!(%error, "an erasure waits; it will be tried again");
            } else if look_at_bus {
                looked_at_bus = Some(tokio::time::Instant::now());
            }
            tokio::select! {
                () = stop.cancelled() => return Ok::<(), Infallible>(()),
                () = state.erasures().woken() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
}

/// One person whose turn can't be done holds up nobody else.
async fn round(state: &State, look_at_bus: bool) -> Result<(), Trouble> {
    let swept_by = before(state.now(), SETTLE);
    for erasure in state.store.erasures_due(ErasureDue::Deletion { swept_by }, PIECE).await? {
        let turn = match erasure.swept_at {
            None => sweep(state, &erasure).await,
            Some(_) => settle(state, &erasure).await,
        };
        tell(&erasure, turn);
    }
    if look_at_bus {
        let erased_by = before(state.now(), state.bus_retention);
        let due = state.store.erasures_due(ErasureDue::Closing(erased_by), PIECE).await?;
        let oldest = if due.is_empty() { None } else { oldest_on_bus(state).await? };
        for erasure in due {
            let turn = close(state, &erasure, oldest).await;
            tell(&erasure, turn);
        }
    }
    Ok(())
}

fn tell(erasure: &Erasure, turn: Result<(), Trouble>) {
    if let Err(error) = turn {
        tracing::warn!(user_id = %erasure.user, %error, "an erasure waits; it will be tried again");
    }
}

/// The first look. Without the key nobody reads what copies of the store still hold; so it is destroyed before anything else.
async fn sweep(state: &State, erasure: &Erasure) -> Result<(), Trouble> {
    let tombstone = state.keyring.destroy(erasure.user, state.now()).await?;
    let rows = delete(state, tombstone).await?;
    state.store.note_erasure(erasure.user, Reached::Swept, state.now()).await?;
    tracing::info!(user_id = %erasure.user, tombstone = tombstone.number, rows, "a person was erased");
    Ok(())
}

/// The second look: whatever was written by those who had not heard of the first.
async fn settle(state: &State, erasure: &Erasure) -> Result<(), Trouble> {
    delete(state, state.keyring.destroy(erasure.user, state.now()).await?).await?;
    state.store.note_erasure(erasure.user, Reached::Erased, state.now()).await?;
    Ok(())
}

/// The last look, when the bus has forgotten everything from before the second.
async fn close(state: &State, erasure: &Erasure, oldest: Option<Timestamp>) -> Result<(), Trouble> {
    let is_forgotten = oldest.is_none_or(|oldest| erasure.erased_at.is_some_and(|at| at < oldest));
    if !is_forgotten {
        return Ok(());
    }
    delete(state, state.keyring.destroy(erasure.user, state.now()).await?).await?;
    state.store.note_erasure(erasure.user, Reached::Closed, state.now()).await?;
    tracing::info!(user_id = %erasure.user, "an erasure is closed");
    Ok(())
}

async fn delete(state: &State, tombstone: Tombstone) -> Result<u64, Trouble> {
    let mut rows = 0;
    loop {
        let erased = state.store.erase(tombstone).await?;
        rows += erased.rows;
        if !erased.more {
            break;
        }
    }
    state.forget_cached(tombstone.user).await;
    Ok(rows)
}

/// When the oldest event was published that the bus still has. A transport without a log is taken by its word: it forgets by itself.
async fn oldest_on_bus(state: &State) -> Result<Option<Timestamp>, BusError> {
    let mut oldest = None;
    if !state.bus.capabilities().keeps_log {
        return Ok(oldest);
    }
    for subject in Subject::ALL {
        // The first record of a log is the oldest of its shard alone, so each shard is asked for its own.
        let mut behind = Frontier::default();
        while let Some(first) = state.bus.log(subject, &behind, 1).await?.records.pop() {
            oldest = oldest.into_iter().chain([first.published_at]).min();
            if behind.through(first.position.shard).is_some() {
                break;
            }
            behind.advance(Position { offset: END_OF_SHARD, ..first.position });
        }
    }
    Ok(oldest)
}
