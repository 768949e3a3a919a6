//! One stream: notifications as its client takes them, heartbeats while there are none, and an end that says why.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use ecs_store::{Notifications, StoredNotification};
use ecs_web::{Auth, Identity};
use ecs_work::BackOff;
use futures::Stream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frame::{self, End};
use super::seats::Seat;
use crate::Serving;
use crate::item::Item;

/// How long clients shall wait before they come back. Shortened by up to a fifth, so that they don't all come at once.
const COME_BACK: BackOff = BackOff { first: Duration::from_secs(2), cap: Duration::from_secs(2) };

/// How long a stream waits before it asks again whether it is known what holds.
const WAIT_FOR_NEWS: Duration = Duration::from_millis(500);

/// A stream. It does nothing by itself: whoever sends it asks for one piece after the other, and only such a request reads
/// from the store.
pub(crate) struct Feed {
    store: Arc<dyn Notifications>,
    auth: Arc<Auth>,
    stopping: CancellationToken,
    seat: Seat,
    /// The number of the last notification that was handed out.
    seen: u64,
    page: usize,
    /// Whoever follows.
    identity: Identity,
    heartbeat: Duration,
    beat_at: Instant,
    /// Failed reads in a row.
    troubles: u32,
    /// No read before this.
    read_at: Instant,
    state: State,
}

enum State {
    New,
    Open,
    Ended,
}

impl Feed {
    /// A stream that goes on behind number `seen` for as long as the token of `identity` holds.
    pub(crate) fn new(serving: &Serving, seat: Seat, seen: u64, identity: Identity) -> Self {
        let now = Instant::now();
        Self {
            store: Arc::clone(&serving.store),
            auth: Arc::clone(&serving.auth),
            stopping: serving.stopping.clone(),
            seat,
            seen,
            page: serving.options.page.max(1),
            identity,
            heartbeat: serving.options.heartbeat,
            beat_at: now + serving.options.heartbeat,
            troubles: 0,
            read_at: now,
            state: State::New,
        }
    }

    /// The stream as an answer's body.
    pub(crate) fn into_body(self) -> Body {
        Body::from_stream(self.into_stream())
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        futures::stream::unfold(self, async |mut feed| {
            let piece = feed.next().await?;
            feed.beat_at = Instant::now() + feed.heartbeat;
            Some((Ok(piece), feed))
        })
    }

    /// The next piece; `None` after the last one.
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::New => {
                self.state = State::Open;
                return Some(frame::retry(COME_BACK.delay(1, self.seed())));
            }
            State::Open => {}
            State::Ended => return None,
        }
        let (stopping, beat_at) = (self.stopping.clone(), self.beat_at);
        let (expiry, change) = (self.expiry(), self.change());
        tokio::select! {
            biased;
            () = stopping.cancelled() => Some(self.end(End::Stopping)),
            () = expiry => Some(self.end(End::Expired)),
            () = change => Some(self.end(End::Expired)),
            page = self.next_page() => Some(page),
            () = tokio::time::sleep_until(beat_at) => Some(frame::heartbeat()),
        }
    }

    /// Comes when the token has expired. What is left is taken anew from the clock at every piece: a clock that was set
    /// right is noticed with the next heartbeat.
    fn expiry(&self) -> impl Future<Output = ()> + Send + use<> {
        let left = self.identity.expires_at.map(|at| at.duration_since(self.auth.clock.now()));
        async move {
            match left.map(Duration::try_from) {
                Some(Ok(left)) => tokio::time::sleep(left).await,
                // A negative time is over.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Comes when the token holds no more before that.
    fn change(&self) -> impl Future<Output = ()> + Send + use<> {
        let (auth, identity) = (Arc::clone(&self.auth), self.identity.clone());
        async move {
            let mut news = auth.changes.watch();
            while auth.changes.let_hold(&identity) {
                if news.changed().await.is_err() {
                    std::future::pending().await
                }
            }
        }
    }

    /// Waits for notifications and reads a page of them. Cancel safe: what was read is either handed out or not noted.
    async fn next_page(&mut self) -> Bytes {
        loop {
            tokio::time::sleep_until(self.read_at).await;
            self.seat.beyond(self.seen).await;
            while !self.auth.changes.are_current() {
                // The token may have ended, and nobody here would know.
                tokio::time::sleep(WAIT_FOR_NEWS).await;
            }
            match self.store.notifications_after(self.seat.user(), self.seen, self.page).await {
                Ok(items) if !items.is_empty() => {
                    self.troubles = 0;
                    return self.render(items);
                }
                // The tail has told of it, so it will be there.
                Ok(_) => self.read_later("there is nothing yet"),
                Err(error) => self.read_later(&error.to_string()),
            }
        }
    }

    /// The tail says aloud when the store is away, once for all streams.
    fn read_later(&mut self, reason: &str) {
        self.troubles = self.troubles.saturating_add(1);
        self.read_at = Instant::now() + BackOff::OUTAGE.delay(self.troubles, self.seed());
        tracing::debug!(user_id = %self.seat.user(), troubles = self.troubles, reason, "a stream waits");
    }

    fn render(&mut self, items: Vec<StoredNotification>) -> Bytes {
        let mut out = Vec::new();
        for item in items {
            self.seen = item.sequence;
            frame::notification(self.seen, &Item::from(item), &mut out);
        }
        Bytes::from(out)
    }

    fn end(&mut self, end: End) -> Bytes {
        tracing::debug!(user_id = %self.seat.user(), ?end, seen = self.seen, "a stream ends");
        self.state = State::Ended;
        frame::end(end)
    }

    /// Different for different users, so that what failed together isn't tried again together.
    fn seed(&self) -> u64 {
        self.seat.user().uuid().as_u64_pair().1
    }
}
