//! Streams of events that end when this process stops, not only when the role does.
//!
//! The role behind the stream knows nothing of this process's end, and without it the stream would hold up the drain until
//! it is cut off. So it gets here what the role would have said: a last event that tells the client to come back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The last event of a stream whose process stops.
const LAST: &[u8] = b"event: end\ndata: {\"reason\":\"stopping\"}\n\n";

/// A body of events with an end.
pub(super) struct Ending<B> {
    inner: B,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The last two bytes that went through: an event ends with an empty line.
    last: [u8; 2],
    ended: bool,
}

impl<B> Ending<B> {
    pub(super) fn new(inner: B, stopping: &CancellationToken) -> Self {
        let stopping = Box::pin(stopping.clone().cancelled_owned());
        Self { inner, stopping, last: *b"\n\n", ended: false }
    }

    fn seen(&mut self, piece: &[u8]) {
        self.last = match piece {
            [] => self.last,
            [only] => [self.last[1], *only],
            [.., before, last] => [*before, *last],
        };
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Ending<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // In the middle of an event, its rest comes first.
        if self.last == *b"\n\n" && self.stopping.as_mut().poll(cx).is_ready() {
            self.ended = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(LAST)))));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.seen(frame.data_ref().map_or(&[], Bytes::as_ref));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    /// What the last event adds isn't known.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;

    use super::*;

    type Piece = Result<Bytes, std::io::Error>;

    /// A stream whose pieces come from the sender, and the token that stops its process.
    fn stream() -> (mpsc::UnboundedSender<Piece>, CancellationToken, Ending<axum::body::Body>) {
        let (pieces, mut wanted) = mpsc::unbounded_channel::<Piece>();
        let pieces_to_come = futures::stream::poll_fn(move |cx| wanted.poll_recv(cx));
        let stopping = CancellationToken::new();
        let body = axum::body::Body::from_stream(pieces_to_come.boxed());
        (pieces, stopping.clone(), Ending::new(body, &stopping))
    }

    async fn next(body: &mut Ending<axum::body::Body>) -> Option<Bytes> {
        body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn a_stop_ends_it_behind_a_whole_event() {
        let (pieces, stopping, mut body) = stream();
        pieces.send(Ok("id: 1\ndata: a\n\nid: 2\nda".into())).unwrap();
        assert!(next(&mut body).await.is_some());
        stopping.cancel();
        for (piece, rest) in [("ta: b\n", "ta: b\n"), ("\n", "\n")] {
            pieces.send(Ok(piece.into())).unwrap();
            assert_eq!(next(&mut body).await.as_deref(), Some(rest.as_bytes()));
        }
        assert_eq!(next(&mut body).await.as_deref(), Some(LAST));
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_stop_wakes_a_silent_stream() {
        let (_pieces, stopping, mut body) = stream();
        let (end, ()) = tokio::join!(next(&mut body), async { stopping.cancel() });
        assert_eq!(end.as_deref(), Some(LAST));
    }

    #[tokio::test]
    async fn the_roles_own_end_is_passed_on_as_it_is() {
        let (pieces, _stopping, mut body) = stream();
        pieces.send(Ok("event: end\n\n".into())).unwrap();
        pieces.send(Err(std::io::Error::other("the connection broke"))).unwrap();
        assert!(next(&mut body).await.is_some());
        assert!(body.frame().await.unwrap().is_err(), "what broke is not made to look whole");
    }
}
