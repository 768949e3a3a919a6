//! The payloads of the six subjects: JSON in camelCase, each schema version of which is guarded by the golden files in
//! `bus/tests/golden`. They are turned into domain types here, at the edge; nothing inside knows their format.

mod alert;
mod emotion;
mod evaluation;
mod notification;
mod offer;
mod transaction;

use ecs_domain::Timestamp;
use serde_json::error::Category;

pub use alert::{Alert, AlertAbout, AlertPayload, Drift, Fairness, NOBODY, Severity};
pub use emotion::EmotionPayload;
pub use evaluation::{EvaluationPayload, EvaluationRequest};
pub use notification::NotificationPayload;
pub use offer::{ApprovedOffer, OfferPayload};
pub use transaction::TransactionPayload;

use crate::Event;

/// Why a payload can't be understood. It never will be, so its event is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A newer version of the platform wrote it.
    #[error("its payload has schema version {0}, which this version of the platform doesn't know")]
    UnknownVersion(u16),
    /// It is not the JSON that the subject carries. The text names the place, never a value.
    #[error("its payload is malformed: {0}")]
    Malformed(String),
}

/// Reads an event's JSON. serde's own message may quote the value it stumbled over, so only the place is told.
fn read<'a, T: serde::Deserialize<'a>>(event: &'a Event) -> Result<T, PayloadError> {
    read_version(event, &[1])
}

/// The same where there are several versions.
fn read_version<'a, T: serde::Deserialize<'a>>(event: &'a Event, known: &[u16]) -> Result<T, PayloadError> {
    if !known.contains(&event.headers.schema_version) {
        return Err(PayloadError::UnknownVersion(event.headers.schema_version));
    }
    serde_json::from_slice(&event.payload).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "a field is missing or has another type",
            Category::Eof => "the JSON breaks off",
            Category::Syntax | Category::Io => "that is not JSON",
        };
        PayloadError::Malformed(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

fn write<T: serde::Serialize>(payload: &T) -> bytes::Bytes {
    // These payloads have string keys and finite numbers only, which is all that serialising can fail over.
    serde_json::to_vec(payload).map_or_else(|_| bytes::Bytes::new(), bytes::Bytes::from)
}

fn malformed(what: &'static str) -> impl FnOnce() -> PayloadError {
    move || PayloadError::Malformed(what.to_owned())
}

/// Instants travel as RFC 3339 text in UTC; jiff's serde support writes exactly that.
type WireTime = Timestamp;
