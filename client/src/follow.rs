//! A user's notifications while they come.

use std::time::Duration;

use bytes::Bytes;
use ecs_domain::UserId;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt as _, Full};
use serde::Deserialize;

use crate::accounts::NotificationItem;
use crate::transport::{AnswerBody, Auth, one_piece, path};
use crate::{CallError, Client, TransportError};

/// The platform is never silent for longer than 15 seconds; whoever is has been lost.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest event that is read, in bytes.
const MAX_EVENT: usize = 1024 * 1024;

/// An open stream. Dropping it closes its connection.
pub struct Following {
    body: AnswerBody,
    /// What came and isn't a whole event yet.
    waiting: Vec<u8>,
}

/// What a stream tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A notification, and its number among the user's: where to go on when the stream is lost.
    Notification(u64, NotificationItem),
    /// The stream ends, for this reason: `stopping`, or `expired` when it takes a new token to come back.
    End(String),
}

#[derive(Deserialize)]
struct End {
    reason: String,
}

impl Client {
    /// Follows a user's notifications: those behind number `after`, else what comes from now on.
    pub async fn follow(&self, user: UserId, after: Option<u64>) -> Result<Following, CallError> {
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let path = path(format!("/v1/users/{user}/notifications/stream{after}"))?;
        let stream = HeaderValue::from_static("text/event-stream");
        let mut request =
            self.request(Method::GET, path, Auth::Token, stream.clone(), one_piece(Bytes::new()))?;
        request.headers_mut().insert(ACCEPT, stream);
        Ok(Following { body: self.open(request).await?, waiting: Vec::new() })
    }
}

impl Following {
    /// A stream of these bytes, for whoever tries what reads it.
    #[doc(hidden)]
    #[must_use]
    pub fn of_bytes(bytes: Bytes) -> Self {
        let body = Full::new(bytes).map_err(|never| match never {});
        Self { body: body.boxed_unsync(), waiting: Vec::new() }
    }

    /// What is told next; `None` after the end. After an error the stream is lost, and another one goes on behind the last
    /// number. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Told>, CallError> {
        loop {
            while let Some(event) = self.whole_event() {
                if let Some(told) = read(&event)? {
                    return Ok(Some(told));
                }
            }
            if self.waiting.len() > MAX_EVENT {
                return Err(unreadable("an event is longer than a megabyte"));
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| TransportError::Deadline(SILENCE))? else { return Ok(None) };
            self.waiting.extend_from_slice(&frame?.into_data().unwrap_or_default());
        }
    }

    /// The lines up to the next blank one.
    fn whole_event(&mut self) -> Option<Vec<u8>> {
        let end = self.waiting.windows(2).position(|two| two == b"\n\n")?;
        let rest = self.waiting.split_off(end + 2);
        Some(std::mem::replace(&mut self.waiting, rest))
    }
}

/// What an event tells. Comments and hints tell nothing, and neither do events that this version doesn't know.
fn read(event: &[u8]) -> Result<Option<Told>, CallError> {
    let event = std::str::from_utf8(event).map_err(|_| unreadable("an event is not text"))?;
    let field = |name: &str| {
        let value = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(|value| value.strip_prefix(' ').unwrap_or(value))
    };
    let data = field("data").unwrap_or_default();
    match field("event") {
        Some("notification") => {
            let id = field("id").and_then(|id| id.parse().ok());
            let number = id.ok_or_else(|| unreadable("a notification has no number"))?;
            let item =
                serde_json::from_str(data).map_err(|_| unreadable("a notification is not as it was"))?;
            Ok(Some(Told::Notification(number, item)))
        }
        Some("end") => {
            let End { reason } =
                serde_json::from_str(data).map_err(|_| unreadable("the end has no reason"))?;
            Ok(Some(Told::End(reason)))
        }
        _ => Ok(None),
    }
}

fn unreadable(what: &str) -> CallError {
    TransportError::Unreadable(what.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    const ITEM: &str = r#"{"id":"5b3f1c52-8f0e-5c5b-9b43-0a4a6d1f2e77","sequence":7,"type":"CREDIT_LIMIT_APPLIED","title":"t","message":"m","offer_id":"0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e","created_at":"2026-11-20T14:30:00Z","read_at":null}"#;

    /// A stream whose text comes in pieces of this size.
    fn following(text: &str, size: usize) -> Following {
        let pieces: Vec<_> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
        Following { body: StreamBody::new(futures::stream::iter(frames)).boxed_unsync(), waiting: Vec::new() }
    }

    #[tokio::test]
    async fn events_are_read_however_they_are_cut() {
        let text = format!(
            "retry: 1843\n\n: heartbeat\n\nid: 7\nevent: notification\ndata: {ITEM}\n\nevent: news\ndata: x\n\n\
             id: 8\nevent: notification\ndata: {ITEM}\n\nevent: end\ndata: {{\"reason\":\"stopping\"}}\n\n"
        );
        let item: NotificationItem = serde_json::from_str(ITEM).unwrap();
        for size in [1, 2, 7, 100, 10_000] {
            let mut following = following(&text, size);
            let mut told = Vec::new();
            while let Some(one) = following.next().await.unwrap() {
                told.push(one);
            }
            let expect = [
                Told::Notification(7, item.clone()),
                Told::Notification(8, item.clone()),
                Told::End("stopping".to_owned()),
            ];
            assert_eq!(told, expect, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn what_is_not_as_it_should_be_is_no_notification() {
        let check = async |text: &str| {
            let error = following(text, 64 * 1024).next().await.unwrap_err();
            assert!(matches!(error, CallError::Transport(TransportError::Unreadable(_))), "{error}");
        };
        check(&format!("event: notification\ndata: {ITEM}\n\n")).await;
        check(&format!("id: x\nevent: notification\ndata: {ITEM}\n\n")).await;
        check("id: 7\nevent: notification\ndata: {}\n\n").await;
        check("event: end\n\n").await;
        check(&"x".repeat(MAX_EVENT + 1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_falls_silent_is_lost() {
        let silent = futures::stream::pending::<Result<Frame<Bytes>, TransportError>>();
        let mut following = Following { body: StreamBody::new(silent).boxed_unsync(), waiting: Vec::new() };
        let error = following.next().await.unwrap_err();
        assert!(matches!(error, CallError::Transport(TransportError::Deadline(SILENCE))), "{error}");
    }
}
