//! Replays of the aggregates. They need `operations:write`, looking `operations:read`.

use ecs_domain::{Day, Timestamp};
use http::Method;
use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};

use crate::transport::{Auth, path};
use crate::{CallError, Client};

/// Where a replay stands. Each row of the summary, one user's day, is counted in one of the four numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// When it began.
    pub started_at: Timestamp,
    /// `building`, `built` or `switched`.
    pub phase: String,
    /// Rows that were rebuilt and found to be right.
    pub confirmed: u64,
    /// Rows that were rebuilt and differ.
    pub healed: u64,
    /// Rows that count more events than are kept of them, and were left as they are.
    pub kept: u64,
    /// Rows that stay as they are because their events are not all kept any more, or because the log says nothing of them.
    pub carried_over: u64,
    /// When the new generation took over.
    pub switched_at: Option<Timestamp>,
    /// The first of the days that are rebuilt from the bus's log; `None` where everything is rebuilt from raw events.
    #[serde(default)]
    pub from: Option<Day>,
    /// The last of those days.
    #[serde(default)]
    pub to: Option<Day>,
}

#[derive(Deserialize)]
struct LastReplay {
    replay: Option<Replay>,
}

impl Replay {
    /// Whether the new generation has taken over.
    #[must_use]
    pub fn has_switched(&self) -> bool {
        self.phase == "switched"
    }
}

impl Client {
    /// Begins a replay or goes on with it for a while: of everything from raw events, or of the days from the first to the last one from the
    /// log. To be called until it has switched.
    pub async fn replay(&self, days: Option<(Day, Day)>) -> Result<Replay, CallError> {
        let at = match days {
            Some((from, to)) => path(format!("/v1/operations/replay?from={from}&to={to}"))?,
            None => PathAndQuery::from_static("/v1/operations/replay"),
        };
        self.call(Method::POST, at, Auth::Token, &()).await
    }

    /// The replay under way, or the last one; `None` when there was none.
    pub async fn last_replay(&self) -> Result<Option<Replay>, CallError> {
        let path = PathAndQuery::from_static("/v1/operations/replay");
        let LastReplay { replay } = self.get(path, Auth::Token).await?;
        Ok(replay)
    }
}
