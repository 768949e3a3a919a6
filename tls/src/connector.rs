//! How HTTP clients connect.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower::Service;

use crate::Stream;

/// What any library's error is held as.
type Cause = Box<dyn Error + Send + Sync>;

/// Connects to `http://` addresses, and with a [`ClientConfig`] to `https://` ones. A handshake that fails is a connection
/// that failed: nothing of a request has been sent.
#[derive(Clone)]
pub struct Connector {
    tcp: HttpConnector,
    tls: Option<TlsConnector>,
    timeout: Duration,
}

impl Connector {
    /// Gives a connection `timeout` to come about, and then a handshake as long again.
    #[must_use]
    pub fn new(tls: Option<Arc<ClientConfig>>, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        // The scheme is looked at here.
        tcp.enforce_http(false);
        Self { tcp, tls: tls.map(TlsConnector::from), timeout }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("tls", &self.tls.is_some()).field("timeout", &self.timeout).finish()
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Cause>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.tcp.poll_ready(cx).map_err(Cause::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => match self.tls.clone() {
                Some(tls) => Some(tls),
                None => return Box::pin(async { Err("there is nobody to trust for https://".into()) }),
            },
            _ => None,
        };
        let timeout = self.timeout;
        let name = tls.is_some().then(|| server_name(&uri));
        let connecting = self.tcp.call(uri);
        Box::pin(async move {
            let tcp = connecting.await?;
            let (Some(tls), Some(name)) = (tls, name) else { return Ok(Stream::Plain(tcp)) };
            let shaking = tokio::time::timeout(timeout, tls.connect(name?, tcp.into_inner()));
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long");
            Ok(Stream::Encrypted(Box::new(TokioIo::new(shaking.await.map_err(late)??))))
        })
    }
}

/// The name that the certificate must have: that of the address, be it a name or numbers.
fn server_name(uri: &Uri) -> Result<ServerName<'static>, Cause> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    Ok(ServerName::try_from(host.to_owned())?)
}
