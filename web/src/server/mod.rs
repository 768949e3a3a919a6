//! The listener's loop: one task per connection, a cap on connections, a bounded drain.
//!
//! A stop has two steps. First it is announced: the process says that it isn't ready, each answer asks its client to
//! close the connection behind it, and everything goes on. Whoever distributes requests sees that and goes elsewhere,
//! and connections in which the next request might already be on its way become few. Then the listener closes: what
//! had been connected by then is still served, requests in flight finish, and idle connections end.

mod linger;
mod stop;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::linger::Lingering;
use self::stop::{Announced, Asked, announcing};
use crate::{Limits, Peer};

pub use self::stop::Shutdown;
pub use self::tls::{Acceptor, Listener};

/// After an error of the process rather than the connection, such as too many open files, a pause lets some close.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// The room for a request's head, and for what is read or written at a time. Nobody needs a credential to fill it.
const BUFFER_BYTES: usize = 32 * 1024;

/// How long a connection that has just come may take to send the request for which it was made, once the listener has
/// closed.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// Serves `router` until the shutdown begins, then lets requests in flight finish within the drain timeout.
///
/// The listener closes as soon as the drain begins, so new connections are refused; those that wait to be accepted are
/// served, and kept-alive ones end after the answer they are waiting for. An error means that the listener itself is
/// broken.
pub async fn serve(
    listener: impl Into<Listener>,
    router: Router,
    limits: Limits,
    shutdown: impl Into<Shutdown>,
) -> io::Result<()> {
    let shutdown: Shutdown = shutdown.into();
    let Listener { tcp: listener, tls } = listener.into();
    let announced = Announced::default();
    let terms = Terms { router, limits, announced: announced.clone(), begun: shutdown.begun.clone() };
    let connections = Connections { terms, tls, cut: CancellationToken::new(), tasks: TaskTracker::new() };
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let accepting = async {
        loop {
            // The slot comes first: at the cap, further connections wait in the kernel's queue.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            connections.spawn(accept(&listener).await, slot);
        }
    };
    let announcing = async {
        shutdown.announced.cancelled().await;
        announced.now();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = shutdown.begun.cancelled() => {}
        () = accepting => {}
        () = announcing => {}
    }
    announced.now();
    let taken_in = connections.take_in_the_waiting(listener, &slots);
    connections.drain().await;
    taken_in
}

/// The next connection. One that failed before it was accepted is its client's affair.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connections can't be accepted");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Connections {
    terms: Terms,
    tls: Option<Acceptor>,
    /// Ends what the drain didn't.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Connections {
    fn spawn(&self, (stream, peer): (TcpStream, SocketAddr), slot: OwnedSemaphorePermit) {
        let peer = Peer::new(peer.ip());
        let (terms, tls, cut) = (self.terms.clone(), self.tls.clone(), self.cut.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = connection(stream, peer, tls, terms) => {}
                () = cut.cancelled() => {}
            }
            drop(slot);
        });
    }

    /// Their clients hold them for connected and may have sent their requests, which closing the listener would reset.
    /// The kernel is asked itself: the runtime may not have heard of the last ones yet.
    fn take_in_the_waiting(&self, listener: TcpListener, slots: &Arc<Semaphore>) -> io::Result<()> {
        let listener = listener.into_std()?;
        while let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            let Ok((stream, peer)) = listener.accept() else { break };
            stream.set_nonblocking(true)?;
            self.spawn((TcpStream::from_std(stream)?, peer), slot);
        }
        Ok(())
    }

    async fn drain(self) {
        self.tasks.close();
        if tokio::time::timeout(self.terms.limits.drain_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "requests were cut off at the end of the drain");
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

/// Lets the connection fail when nothing of what was sent is acknowledged for so long.
///
/// A client that vanishes without a word (a phone out of reach, a pulled cable) leaves no trace but that. The kernel would
/// go on trying for a quarter of an hour, and a stream's heartbeats are too small to ever fill its buffer, which is what
/// the write timeout sees. Elsewhere than on Linux it stays with the kernel's time.
#[cfg(target_os = "linux")]
fn give_up_on_the_vanished(stream: &TcpStream, after: Duration) {
    let millis = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, millis) {
        tracing::debug!(%error, "a vanished client will be noticed late");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_up_on_the_vanished(_: &TcpStream, _: Duration) {}

/// Serves one connection until its client closes it or the shutdown has been honoured.
async fn connection(stream: TcpStream, peer: Peer, tls: Option<Acceptor>, terms: Terms) {
    // Answers are small and complete: there is nothing to wait for. A failure only means that they are slower.
    let _ = stream.set_nodelay(true);
    give_up_on_the_vanished(&stream, terms.limits.write_timeout);
    // Beneath TLS, so that what it waits for, throws away and gives up is what goes over the wire in either case.
    let stream = Lingering::new(stream, terms.limits.write_timeout);
    match tls {
        None => terms.converse(stream, peer).await,
        // What TLS keeps is large, and connections without it shall not have the room for it.
        Some(acceptor) => {
            let encrypted = async {
                if let Some(stream) = acceptor.shake_hands(stream, &terms).await {
                    terms.converse(stream, peer).await;
                }
            };
            Box::pin(encrypted).await;
        }
    }
}

/// What every connection of a listener is served with.
#[derive(Clone)]
struct Terms {
    router: Router,
    limits: Limits,
    announced: Announced,
    begun: CancellationToken,
}

impl Terms {
    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let asked = Arc::new(Asked::default());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read_timeout)
            .max_buf_size(BUFFER_BYTES)
            // One small write is cheaper than gathering head and body. Gathering the answers to pipelined requests would be
            // cheaper still, but then nothing bounds what waits for a client that asks and never reads.
            .writev(false)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(announcing(
                    self.router.clone(),
                    self.announced.clone(),
                    Arc::clone(&asked),
                    peer,
                )),
            );
        let mut connection = std::pin::pin!(connection);
        let ready_to_end = async {
            self.begun.cancelled().await;
            // A new connection has a request on its way; ending it now would lose that.
            let _ = tokio::time::timeout(FIRST_REQUEST, asked.first()).await;
        };
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = ready_to_end => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            // Clients that vanish or never were HTTP are everyday life.
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// That it works takes a network that loses everything; that it is asked for, a look at the socket.
    #[tokio::test]
    async fn the_kernel_is_told_when_to_give_up_on_a_vanished_client() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (stream, _)) = (client.unwrap(), accepted.unwrap());
        give_up_on_the_vanished(&stream, Duration::from_secs(30));
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&stream).unwrap(), 30_000);
    }
}
