//! Calls of those who run the platform: its books and its health. The books need `operations:read`.

use std::time::Duration;

use ecs_domain::{Day, EventId, Timestamp, UserId};
use http::Method;
use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};

use crate::transport::{Auth, path};
use crate::{CallError, Client, EventKey, Fate, Ledger, TransportError};

/// The most keys that one call may ask about.
pub const MAX_KEYS: usize = 10_000;

/// A little more than the platform takes at most.
const BOOKS_DEADLINE: Duration = Duration::from_secs(16 * 60);

/// A counted event, and when it reached the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountedEvent {
    /// Whose.
    pub user_id: UserId,
    /// Its id.
    pub event_id: EventId,
    /// The UTC day of its own time.
    pub day: Day,
    /// When it reached the store.
    pub arrived_at: Option<Timestamp>,
}

impl CountedEvent {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> EventKey {
        EventKey { user_id: self.user_id, event_id: self.event_id, day: self.day }
    }
}

#[derive(Serialize)]
struct FatesQuery<'a> {
    ledger: Ledger,
    keys: &'a [EventKey],
}

#[derive(Deserialize)]
struct FatesAnswer {
    fates: Vec<Fate>,
}

#[derive(Deserialize)]
struct CountedAnswer {
    events: Vec<CountedEvent>,
}

impl Client {
    /// The books as a document: what was accepted, counted, discarded, dead-lettered and is pending. The platform reads
    /// its whole log for that, so this call has a deadline of its own.
    pub async fn books(&self) -> Result<serde_json::Value, CallError> {
        let patient = self.clone().with_deadline(BOOKS_DEADLINE);
        patient.get(PathAndQuery::from_static("/v1/operations/books"), Auth::Token).await
    }

    /// What became of each of these events, at most [`MAX_KEYS`]; `result[i]` belongs to `keys[i]`.
    pub async fn fates(&self, ledger: Ledger, keys: &[EventKey]) -> Result<Vec<Fate>, CallError> {
        let path = PathAndQuery::from_static("/v1/operations/books/fates");
        let FatesAnswer { fates } =
            self.call(Method::POST, path, Auth::Token, &FatesQuery { ledger, keys }).await?;
        if fates.len() != keys.len() {
            let place = format!("{} fates for {} keys", fates.len(), keys.len());
            return Err(TransportError::Unreadable(place).into());
        }
        Ok(fates)
    }

    /// Up to `limit` counted events in the order of the books, after `after`.
    pub async fn counted(
        &self,
        ledger: Ledger,
        after: Option<EventKey>,
        limit: usize,
    ) -> Result<Vec<CountedEvent>, CallError> {
        let mut query = format!("/v1/operations/books/counted?ledger={ledger}&limit={limit}");
        if let Some(EventKey { user_id, event_id, day }) = after {
            query.push_str(&format!("&after_day={day}&after_user={user_id}&after_id={event_id}"));
        }
        let CountedAnswer { events } = self.get(path(query)?, Auth::Token).await?;
        Ok(events)
    }

    /// Whether the process lives.
    pub async fn health(&self) -> Result<(), CallError> {
        self.probe("/healthz").await
    }

    /// Whether it is ready to take calls.
    pub async fn ready(&self) -> Result<(), CallError> {
        self.probe("/readyz").await
    }

    async fn probe(&self, at: &'static str) -> Result<(), CallError> {
        let json = http::HeaderValue::from_static("application/json");
        let body = crate::transport::one_piece(bytes::Bytes::new());
        let request = self.request(Method::GET, PathAndQuery::from_static(at), Auth::Nothing, json, body)?;
        self.exchange(request).await?.good().map(drop)
    }
}
