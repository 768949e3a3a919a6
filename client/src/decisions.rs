//! Calls about the decision log.

use ecs_domain::{DecisionId, Timestamp, UserId};
use serde::Deserialize;
use uuid::Uuid;

use crate::chain::ChainPiece;
use crate::transport::{Auth, path};
use crate::{CallError, Client};

/// An entry as it was digested, and what has become of its decision or review.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DecisionEntry {
    /// Its number.
    pub number: u64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// What happened.
    pub act: String,
    /// To which decision, or to which review.
    pub decision: Uuid,
    /// About whom it was.
    pub user: Uuid,
    /// The digest of the decision or review as it was written, as hexadecimal digits.
    pub digest: Option<String>,
    /// What has become of what was made or reviewed, in a word.
    pub standing: Option<String>,
    /// The digest of the decision or review as it is there now.
    pub found: Option<String>,
}

/// A decision that was made, as far as it can be told.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct LoggedDecision {
    /// The number of its entry.
    pub number: u64,
    /// Its id.
    pub decision: DecisionId,
    /// About whom.
    pub user: UserId,
    /// When it was made.
    pub at: Timestamp,
    /// What is left of it, in a word.
    pub left: String,
    /// All of it, as JSON.
    pub whole: Option<String>,
}

ecs_domain::redacted!(LoggedDecision => "LoggedDecision");

/// Which decisions are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhichDecisions {
    /// Only those made at this time or later.
    pub from: Option<Timestamp>,
    /// Only those made before this time.
    pub until: Option<Timestamp>,
    /// Only those about this person.
    pub user: Option<UserId>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<LoggedDecision>,
}

impl Client {
    /// Some batches of the decision log from this number on; none when there is nothing more.
    pub async fn decision_batches(&self, from: u64) -> Result<ChainPiece<DecisionEntry>, CallError> {
        self.get(path(format!("/v1/decision-log/batches?from={from}"))?, Auth::Token).await
    }

    /// Some decisions behind the entry of this number, in the order of their entries; none when there is nothing more.
    pub async fn logged_decisions(
        &self,
        which: &WhichDecisions,
        after: u64,
    ) -> Result<Vec<LoggedDecision>, CallError> {
        let WhichDecisions { from, until, user } = which;
        let mut question = format!("/v1/decision-log/decisions?after={after}");
        for (name, value) in [
            ("from", from.map(|from| from.to_string())),
            ("until", until.map(|until| until.to_string())),
            ("user", user.map(|user| user.to_string())),
        ] {
            question.extend(value.map(|value| format!("&{name}={value}")));
        }
        let Page { items } = self.get(path(question)?, Auth::Token).await?;
        Ok(items)
    }
}
