//! Aggregates rebuilt from what is still kept of the events.

use async_trait::async_trait;
use ecs_domain::emotion::{EmotionEvent, StressThreshold};
use ecs_domain::{Day, Timestamp};

use crate::StoreError;

/// Rebuilds `emotional_events_summary` from the raw rows into a shadow generation, and switches to it.
///
/// Folds go on throughout, and readers always see one whole generation. The engine rebuilds piece by piece, one user's day
/// after the other. In one snapshot it adds up the raw rows of the day and reads the live row: a fold writes both in one
/// transaction, so what lies between them is the live row's error, whatever is folded later. The shadow generation is kept as
/// what distinguishes it from the live one, and the switch, one transaction, makes the two one. What an engine MUST do:
/// - **Never poorer.** A row that counts more events than its raw rows tell stays as it is.
/// - **Carry over.** Days whose raw rows are gone, and rows that count events known by their ids alone, stay as they are.
/// - **Resume.** A piece and how far it came are one transaction: no crash repeats a piece or leaves one out.
///
/// Some days can be rebuilt from the bus's log instead. What the log says of them is taken in page by page, and then rebuilt like raw
/// rows. Beyond the above, an engine MUST see to this:
/// - **Only what is counted.** An event of the log has a part in the rebuilt row if the store has counted it, in the snapshot in which
///   the row is compared. Neither discarded events nor those that were given up or erased have one, and of the first the values
///   aren't even taken in. Events are the same when user, id and day are: the first in the log is the one that counts.
/// - **Folds go on.** An event that is counted and that the pages don't have came later: it is on both sides of the comparison, by its
///   raw row. A row with such events that are known by their ids alone is carried over.
/// - **Nothing else changes.** Other days stay as they are, and so do rows of which the log says nothing: they count as carried over.
#[async_trait]
pub trait Replays: Send + Sync + 'static {
    /// Begins a replay. One that is under way with the same threshold goes on; with another it is given up for the new one.
    async fn begin_replay(&self, plan: ReplayPlan, now: Timestamp) -> Result<Replay, StoreError>;

    /// Begins a replay of some days from the bus's log. As above: one that is under way with the same plan goes on.
    async fn begin_log_replay(&self, plan: LogReplayPlan, now: Timestamp) -> Result<Replay, StoreError>;

    /// How far the log was taken in: the last page's [`LoggedEvents::through`], at first nothing. `None` when the replay under way needs
    /// no more of it.
    async fn log_cursor(&self) -> Result<Option<String>, StoreError>;

    /// Takes in a page of the log. Does nothing when another page was taken in since the cursor was read. Events of other days must
    /// not be in it.
    async fn take_in(&self, page: LoggedEvents) -> Result<Option<Replay>, StoreError>;

    /// Rebuilds the next piece, at most so many users' days, at least one. Does nothing unless a replay is
    /// [`ReplayPhase::Building`], and while it needs more of the log.
    async fn rebuild(&self, at_most: usize) -> Result<Option<Replay>, StoreError>;

    /// Switches to a generation that is [`ReplayPhase::Built`], and else does nothing.
    async fn switch_replay(&self, now: Timestamp) -> Result<Option<Replay>, StoreError>;

    /// The last replay, or the one under way.
    async fn last_replay(&self) -> Result<Option<Replay>, StoreError>;
}

/// What is to be rebuilt, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayPlan {
    /// What counts as a stress event. It should be what the folds go by.
    pub stress: StressThreshold,
    /// Days before this one are carried over. The store knows a later one where raw rows were dropped.
    pub raw_floor: Day,
}

/// Which days are to be rebuilt from the bus's log, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogReplayPlan {
    /// What counts as a stress event. It should be what the folds go by.
    pub stress: StressThreshold,
    /// Which days.
    pub days: ReplayDays,
}

/// Days, the first and the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayDays {
    /// The first one.
    pub from: Day,
    /// The last one.
    pub to: Day,
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvents {
    /// The cursor that it was read from.
    pub after: String,
    /// The cursor behind it.
    pub through: String,
    /// Whether the log ended there.
    pub is_last: bool,
    /// Its events of the replay's days, in the log's order.
    pub events: Vec<EmotionEvent>,
}

/// Where a replay stands. A row of the summary, one user's day, is counted in one of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// When it began.
    pub started_at: Timestamp,
    /// How far it is.
    pub phase: ReplayPhase,
    /// Rows that were rebuilt and found to be right.
    pub confirmed: u64,
    /// Rows that were rebuilt and differ.
    pub healed: u64,
    /// Rows that count more events than their raw rows tell, and were left alone.
    pub kept: u64,
    /// Rows whose events are not all kept: those of earlier days, and those that counted events by their ids alone. Where days are
    /// rebuilt from the log, those rows of theirs of which it says nothing.
    pub carried_over: u64,
    /// When the new generation took over.
    pub switched_at: Option<Timestamp>,
    /// The days that are rebuilt from the bus's log; `None` where everything is rebuilt from raw rows.
    pub days: Option<ReplayDays>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayPhase {
    /// The shadow generation is being rebuilt.
    Building,
    /// It is whole.
    Built,
    /// It is the live one.
    Switched,
}
