//! How clients learn that a process is about to stop: from each answer, before the connection ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::Incoming;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::Peer;

/// When a listener stops.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// The stop is announced: answers ask clients to close their connections; everything else goes on.
    pub announced: CancellationToken,
    /// The stop begins: the listener closes.
    pub begun: CancellationToken,
}

impl From<CancellationToken> for Shutdown {
    /// One that is announced only as it begins.
    fn from(begun: CancellationToken) -> Self {
        Self { announced: begun.clone(), begun }
    }
}

/// Whether the stop is announced, at the price of reading a flag: each answer asks. Looking at the token takes a lock.
#[derive(Debug, Clone, Default)]
pub(super) struct Announced(Arc<AtomicBool>);

impl Announced {
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Whether a connection's first request has come.
#[derive(Default)]
pub(super) struct Asked {
    yet: AtomicBool,
    first: Notify,
}

impl Asked {
    /// Waits until it has.
    pub(super) async fn first(&self) {
        let first = self.first.notified();
        if !self.yet.load(Ordering::Acquire) {
            first.await;
        }
    }

    fn now(&self) {
        if !self.yet.load(Ordering::Relaxed) {
            self.yet.store(true, Ordering::Release);
            self.first.notify_waiters();
        }
    }
}

/// The router of one connection, which tells of its first request and says from where each comes, and whose answers ask the client to close the
/// connection once the stop is announced.
pub(super) fn announcing(
    router: Router,
    announced: Announced,
    asked: Arc<Asked>,
    peer: Peer,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send {
    let answered = move |mut response: Response| {
        if announced.is() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    };
    let came = move |mut request: Request<Incoming>| {
        asked.now();
        request.extensions_mut().insert(peer);
        request
    };
    ServiceExt::<Request<Incoming>>::map_response(router, answered).map_request(came)
}
