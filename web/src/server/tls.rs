//! A listener that speaks TLS.
//!
//! A handshake is a part of its connection: it holds the connection's slot and has a time of its own, and the loop that
//! accepts never waits for one. Who doesn't speak TLS, doesn't finish, or doesn't believe our certificate costs nobody
//! else anything.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ecs_tls::{Certificate, TlsError};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{FIRST_REQUEST, Terms};

/// The most that a handshake may take. It is less where a request's headers have less.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where connections come in, and how they speak.
pub struct Listener {
    pub(super) tcp: TcpListener,
    pub(super) tls: Option<Acceptor>,
}

impl Listener {
    /// One that speaks TLS where there is an acceptor.
    #[must_use]
    pub fn new(tcp: TcpListener, tls: Option<Acceptor>) -> Self {
        Self { tcp, tls }
    }
}

impl From<TcpListener> for Listener {
    /// One without TLS.
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, None)
    }
}

/// The server's side of handshakes. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// One that shows this certificate, whichever it is at the time.
    ///
    /// # Errors
    /// The library refuses its own settings.
    pub fn new(certificate: &Certificate) -> Result<Self, TlsError> {
        let config: Arc<ServerConfig> = Arc::new(certificate.server_config()?);
        Ok(Self(config.into()))
    }

    /// The encrypted stream, or none where the client didn't come so far in time. A stop leaves a client that is about to
    /// ask the time that one without TLS has for its first request.
    pub(super) async fn shake_hands<S>(&self, stream: S, terms: &Terms) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let time = terms.limits.header_read_timeout.min(HANDSHAKE);
        let stopped = async {
            terms.begun.cancelled().await;
            tokio::time::sleep(FIRST_REQUEST).await;
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(time, self.0.accept(stream)) => shaken,
            () = stopped => return None,
        };
        match shaken {
            Ok(Ok(stream)) => return Some(stream),
            // As with those that aren't HTTP: health checks that only connect, and curious strangers.
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_) => tracing::debug!("a handshake took too long"),
        }
        None
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}
