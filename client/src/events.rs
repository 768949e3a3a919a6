//! Calls that bring events in: emotions one by one and in streams, and transactions.

use bytes::{Bytes, BytesMut};
use ecs_domain::{EventId, Money, Timestamp, UserId};
use futures::{Stream, StreamExt};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt, Either, StreamBody};
use hyper::body::Frame;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::transport::{Auth, one_piece, to_json};
use crate::{CallError, Client, Retries};

/// An emotion as a phone sends it.
#[derive(Clone, PartialEq)]
pub struct Emotion {
    /// Whose.
    pub user: UserId,
    /// When it was felt.
    pub at: Timestamp,
    /// The word for it, such as `calm`.
    pub kind: &'static str,
    /// 0 is wholly negative, 1 wholly positive.
    pub positivity: f64,
    /// 0 is faint, 1 overwhelming.
    pub intensity: f64,
    /// 0 is calm, 1 the highest stress.
    pub stress: f64,
    /// The sender's own id, which makes repeating the call harmless.
    pub client_id: Option<String>,
}

ecs_domain::redacted!(Emotion => "Emotion", Transaction => "Transaction");

impl Emotion {
    /// The body of the call, and a line of a stream.
    pub fn to_json(&self) -> Result<Bytes, CallError> {
        to_json(self)
    }
}

impl Serialize for Emotion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Emotion", 4)?;
        body.serialize_field("userId", &self.user)?;
        body.serialize_field("timestamp", &self.at)?;
        body.serialize_field("emotionEvent", &Felt { kind: self.kind, metrics: Metrics::of(self) })?;
        match &self.client_id {
            Some(id) => body.serialize_field("eventId", id)?,
            None => body.skip_field("eventId")?,
        }
        body.end()
    }
}

#[derive(Serialize)]
struct Felt {
    #[serde(rename = "type")]
    kind: &'static str,
    metrics: Metrics,
}

#[derive(Serialize)]
struct Metrics {
    positivity: f64,
    intensity: f64,
    stress_level: f64,
}

impl Metrics {
    fn of(emotion: &Emotion) -> Self {
        Self { positivity: emotion.positivity, intensity: emotion.intensity, stress_level: emotion.stress }
    }
}

/// A transaction as a partner sends it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Whose.
    #[serde(rename = "userId")]
    pub user: UserId,
    /// How much, in the platform's base currency unless `currency` says so.
    pub amount: Money,
    /// The sender's own id, which makes repeating the call harmless.
    #[serde(rename = "transactionId", skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Who was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merchant: Option<String>,
    /// What kind of goods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// When it happened; the time of acceptance where the sender doesn't say.
    #[serde(rename = "occurredAt", skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The 202 of one event: from here on the platform answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// The event's id; for transactions, `transactionId`.
    #[serde(alias = "transactionId")]
    pub event_id: EventId,
    /// The trace it belongs to.
    pub trace_id: String,
}

/// The 202 of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct StreamAnswer {
    /// How many lines were accepted.
    pub accepted: u64,
    /// Those that were not.
    #[serde(default)]
    pub rejected: Vec<RejectedLine>,
    /// How many those are, when the list is not complete.
    #[serde(default, rename = "rejectedTotal")]
    pub rejected_total: u64,
}

/// A line that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RejectedLine {
    /// Its number; the first line is 1.
    pub line: u64,
    /// Why.
    pub detail: String,
    /// Whether the same line may be accepted later.
    #[serde(default)]
    pub retryable: bool,
}

impl Client {
    /// Sends one emotion. With a client id it is retried.
    pub async fn emotion(&self, emotion: &Emotion) -> Result<Received, CallError> {
        let body = emotion.to_json()?;
        let path = PathAndQuery::from_static("/v1/emotions/stream");
        self.send_event(path, Auth::InternalKey, body, emotion.client_id.is_some()).await
    }

    /// Sends one transaction. With a client id it is retried.
    pub async fn transaction(&self, transaction: &Transaction) -> Result<Received, CallError> {
        let body = to_json(transaction)?;
        let path = PathAndQuery::from_static("/v1/transactions");
        self.send_event(path, Auth::Token, body, transaction.client_id.is_some()).await
    }

    async fn send_event(
        &self,
        path: PathAndQuery,
        auth: Auth,
        body: Bytes,
        named: bool,
    ) -> Result<Received, CallError> {
        let attempt = || async {
            let json = HeaderValue::from_static("application/json");
            let request = self.request(Method::POST, path.clone(), auth, json, one_piece(body.clone()))?;
            self.exchange(request).await?.good()?.read()
        };
        let retries = if named { self.retries } else { Retries::NONE };
        retries.run(attempt, |_| {}).await
    }

    /// Sends emotions as lines that are all there already, each ended by a line break. Not retried, either.
    pub async fn upload_emotions(&self, lines: Bytes) -> Result<StreamAnswer, CallError> {
        let path = PathAndQuery::from_static("/v1/emotions/stream");
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        let request = self.request(Method::POST, path, Auth::InternalKey, ndjson, one_piece(lines))?;
        self.exchange(request).await?.good()?.read()
    }

    /// Sends a stream of emotions, one JSON document per line, without holding all of it in memory. The deadline is for
    /// the stream as a whole. It is not retried: the caller knows which lines were rejected and may be sent again.
    pub async fn emotions_ndjson(
        &self,
        lines: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<StreamAnswer, CallError> {
        let frames = lines.map(|line| {
            let mut framed = BytesMut::with_capacity(line.len() + 1);
            framed.extend_from_slice(&line);
            framed.extend_from_slice(b"\n");
            Ok(Frame::data(framed.freeze()))
        });
        let path = PathAndQuery::from_static("/v1/emotions/stream");
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        let body = Either::Right(StreamBody::new(frames).boxed_unsync());
        let request = self.request(Method::POST, path, Auth::InternalKey, ndjson, body)?;
        self.exchange(request).await?.good()?.read()
    }
}

#[cfg(test)]
mod tests;
