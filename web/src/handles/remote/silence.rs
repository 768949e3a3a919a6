//! Answers that have begun and then fall silent: nobody waits for their rest for ever.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

/// A body that fails when its sender says nothing for too long.
pub(super) struct Heard<B> {
    inner: B,
    role: &'static str,
    most: Duration,
    /// There while a piece is waited for; a client that is slow to take what is there costs the role nothing.
    silent: Option<Pin<Box<Sleep>>>,
}

/// The sender said nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("{role} fell silent in the middle of an answer")]
struct Silent {
    role: &'static str,
}

impl<B> Heard<B> {
    pub(super) fn new(inner: B, role: &'static str, most: Duration) -> Self {
        Self { inner, role, most, silent: None }
    }
}

impl<B> HttpBody for Heard<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.silent = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let most = self.most;
        let silent = self.silent.get_or_insert_with(|| Box::pin(tokio::time::sleep(most)));
        ready!(silent.as_mut().poll(cx));
        let role = self.role;
        tracing::warn!(role, "another role fell silent in the middle of an answer");
        Poll::Ready(Some(Err(Silent { role }.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::StreamExt as _;
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;
    use tokio::time::{advance, timeout};

    use super::*;

    const MOST: Duration = Duration::from_secs(60);

    fn body() -> (mpsc::UnboundedSender<Bytes>, Heard<Body>) {
        let (pieces, mut wanted) = mpsc::unbounded_channel::<Bytes>();
        let pieces_to_come = futures::stream::poll_fn(move |cx| wanted.poll_recv(cx));
        let body = Body::from_stream(pieces_to_come.map(Ok::<_, BoxError>));
        (pieces, Heard::new(body, "role", MOST))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_every_piece_counts_anew() {
        let (pieces, mut body) = body();
        for _ in 0..3 {
            assert!(timeout(MOST * 2 / 3, body.frame()).await.is_err(), "there is time left");
            pieces.send("a heartbeat".into()).unwrap();
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert!(timeout(MOST * 2, body.frame()).await.expect("an end").unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_slow_to_read_is_no_silence() {
        let (pieces, mut body) = body();
        for _ in 0..3 {
            pieces.send("a piece".into()).unwrap();
            advance(MOST * 2).await;
            assert!(body.frame().await.unwrap().is_ok());
        }
        drop(pieces);
        assert!(body.frame().await.is_none());
    }
}
