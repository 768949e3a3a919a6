//! What became of an upload's lines.

use ecs_bus::PublishError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::stream::Published;

/// A line that was not accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedLine)]
struct Rejection {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    line: u64,
    /// Why.
    detail: String,
    /// The same line may be accepted later.
    retryable: bool,
}

/// Counts every line and lists the first rejected ones.
#[derive(Debug)]
pub(crate) struct Tally {
    accepted: u64,
    rejected: u64,
    listed: Vec<Rejection>,
    list_limit: usize,
    /// Whether a line was rejected for what it says.
    any_invalid: bool,
    /// The last reason for which the bus didn't take an event.
    bus_error: Option<PublishError>,
}

/// What became of an upload's lines.
///
/// `rejected` lists lines in their order. `rejectedTotal` is larger than the list when the list was cut: then
/// sending the whole upload again is the way, which named events (`eventId`) or an `Idempotency-Key` make safe.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UploadAccepted)]
pub(crate) struct Answer {
    /// How many lines are on disk.
    accepted: u64,
    /// The first 10,000 of those that are not, in their order.
    rejected: Vec<Rejection>,
    /// How many are not.
    rejected_total: u64,
}

impl Tally {
    pub(crate) fn new(list_limit: usize) -> Self {
        Self { accepted: 0, rejected: 0, listed: Vec::new(), list_limit, any_invalid: false, bus_error: None }
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(crate) fn rejected(&mut self, line: u64, detail: String, retryable: bool) {
        self.rejected += 1;
        self.any_invalid |= !retryable;
        if self.listed.len() < self.list_limit {
            self.listed.push(Rejection { line, detail, retryable });
        }
    }

    pub(crate) fn published(&mut self, chunk: Published) {
        for (line, result) in chunk {
            match result {
                Ok(()) => self.accepted += 1,
                Err(error) => {
                    self.rejected(line, in_words(&error), error.is_retryable());
                    self.bus_error = Some(error);
                }
            }
        }
    }

    /// The reason, when nothing was accepted and the bus alone is why.
    pub(crate) fn sole_reason(&self) -> Option<&PublishError> {
        self.bus_error.as_ref().filter(|_| self.accepted == 0 && !self.any_invalid)
    }

    pub(crate) fn into_answer(mut self) -> Answer {
        self.listed.sort_by_key(|rejection| rejection.line);
        Answer { accepted: self.accepted, rejected: self.listed, rejected_total: self.rejected }
    }
}

/// The transport's own words may name its addresses, so senders hear ours.
fn in_words(error: &PublishError) -> String {
    match error {
        PublishError::WindowFull { .. } => "too much is going on, send it again later".to_owned(),
        PublishError::Unavailable(_) | PublishError::Closed => {
            "it could not be made durable, send it again later".to_owned()
        }
        PublishError::TooLarge { limit, .. } => format!("an event may have at most {limit} bytes"),
    }
}
