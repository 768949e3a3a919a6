//! Request bodies that can tell whether they have been touched.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The body of a call, and with it whether the call can be sent once more.
#[derive(Clone)]
pub(in crate::handles) enum Payload {
    /// All of it is here. It can be sent any number of times.
    Bytes(Bytes),
    /// It comes from a client. It can be sent again for as long as nothing of it was read.
    Stream(Arc<Source>),
}

/// A client's body, until somebody reads it.
pub(in crate::handles) struct Source {
    untouched: Mutex<Option<Body>>,
    broke: AtomicBool,
    /// Whether the last piece that was asked for has not come yet.
    awaited: AtomicBool,
}

impl Payload {
    pub(super) fn stream(body: Body) -> Self {
        let [broke, awaited] = [const { AtomicBool::new(false) }; 2];
        Self::Stream(Arc::new(Source { untouched: Mutex::new(Some(body)), broke, awaited }))
    }

    /// The body for an attempt; `None` when a part of it was sent with an earlier one.
    pub(super) fn body(&self) -> Option<Body> {
        match self {
            Self::Bytes(bytes) => Some(Body::from(bytes.clone())),
            Self::Stream(source) => {
                let hint = source.untouched().as_ref().map(HttpBody::size_hint)?;
                Some(Body::new(OnDemand { source: Arc::clone(source), hint, taken: None }))
            }
        }
    }

    /// Whether the client broke its own body off. That is no fault of who was to get it.
    pub(super) fn broke_off(&self) -> bool {
        match self {
            Self::Bytes(_) => false,
            Self::Stream(source) => source.broke.load(Ordering::Acquire),
        }
    }

    /// Whether the next piece has to come from the client. While it does, nobody else is to blame for how long a call
    /// takes.
    pub(super) fn awaits_sender(&self) -> bool {
        match self {
            Self::Bytes(_) => false,
            Self::Stream(source) => source.awaited.load(Ordering::Acquire),
        }
    }
}

impl Source {
    fn untouched(&self) -> MutexGuard<'_, Option<Body>> {
        self.untouched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the body out of its source when it is first asked for a piece, which is when the connection is there and the
/// head has been written.
struct OnDemand {
    source: Arc<Source>,
    hint: SizeHint,
    taken: Option<Body>,
}

impl HttpBody for OnDemand {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.taken.is_none() {
            let taken = self.source.untouched().take();
            self.taken = taken;
        }
        let Some(body) = &mut self.taken else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        self.source.awaited.store(polled.is_pending(), Ordering::Release);
        if let Poll::Ready(Some(Err(_))) = &polled {
            self.source.broke.store(true, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.taken {
            Some(body) => body.is_end_stream(),
            None => self.hint.exact() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.taken.as_ref().map_or_else(|| self.hint, HttpBody::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_clients_body_can_be_sent_until_it_is_read() {
        let payload = Payload::stream(Body::from("all of it"));
        let unread = payload.body().unwrap();
        assert_eq!(unread.size_hint().exact(), Some(9));
        drop(unread);
        let read = payload.body().unwrap().collect().await.unwrap().to_bytes();
        assert_eq!(read, "all of it");
        assert!(payload.body().is_none());
        assert!(!payload.broke_off());
    }

    #[tokio::test]
    async fn who_broke_a_body_off_is_known() {
        let pieces = futures::stream::iter([Ok("a piece"), Err(std::io::Error::other("gone"))]);
        let payload = Payload::stream(Body::from_stream(pieces));
        assert!(payload.body().unwrap().collect().await.is_err());
        assert!(payload.broke_off());
    }
}
