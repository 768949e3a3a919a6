//! One call of a receiver: to an address that was judged, over a connection of its own.
//!
//! The name is resolved once, every address is judged, and the connection goes to one of just these: a second look at the name could
//! tell something else. Redirects are not followed, proxies not asked, and the answer's head is all that counts.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecs_domain::Clock;
use http::header::{CONTENT_TYPE, HOST, HeaderName, RETRY_AFTER, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_util::task::AbortOnDropHandle;

use super::guard::Guard;
use super::schedule;
use super::target::Target;
use super::verdict::{Answer, Trouble};

/// How long a connection may take to one of a host's addresses.
const CONNECT: Duration = Duration::from_secs(5);
/// How many of a host's addresses are tried.
const ADDRESSES: usize = 3;
/// The most that the head of an answer may have.
const HEAD_BYTES: usize = 16 * 1024;
/// The most that is read of an answer's body, for politeness: who closes at once cuts the receiver off.
const BODY_BYTES: usize = 4 * 1024;
/// How long that may take.
const POLITENESS: Duration = Duration::from_secs(1);
const AGENT: &str = concat!("ecs-webhooks/", env!("CARGO_PKG_VERSION"));

/// Finds the addresses of a name.
#[async_trait]
pub(crate) trait Resolve: Send + Sync + 'static {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the system does it.
pub(crate) struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Calls receivers.
pub(crate) struct Caller {
    guard: Guard,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
    /// How long a call may take in all.
    patience: Duration,
}

/// What is sent.
pub(crate) struct Message {
    /// The headers that identify and sign it.
    pub(crate) headers: Vec<(HeaderName, String)>,
    /// The body.
    pub(crate) body: Bytes,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Caller {
    /// A caller that trusts these roots.
    pub(crate) fn new(
        guard: Guard,
        resolver: Arc<dyn Resolve>,
        roots: RootCertStore,
        patience: Duration,
    ) -> Result<Self, tokio_rustls::rustls::Error> {
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { guard, resolver, tls: TlsConnector::from(Arc::new(config)), patience })
    }

    /// What addresses are judged by.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends a message and returns the head of the answer.
    pub(crate) async fn post(
        &self,
        target: &Target,
        message: Message,
        clock: &dyn Clock,
    ) -> Result<Answer, Trouble> {
        let call = async { exchange(self.connect(target).await?, target, message).await };
        let Reply { head, body, _driving } =
            timeout(self.patience, call).await.unwrap_or(Err(Trouble::Timeout))?;
        // The head is there in time, and that is what counts.
        let _ = timeout(POLITENESS, Limited::new(body, BODY_BYTES).collect()).await;
        Ok(Answer { status: head.status.as_u16(), retry_after: retry_after(&head.headers, clock) })
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, Trouble> {
        let stream = reach(&self.addresses(target).await?, target.port()).await?;
        if !target.is_encrypted() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(target.name()).map_err(|_| Trouble::Tls)?;
        let encrypted = self.tls.connect(name, stream).await.map_err(|_| Trouble::Tls)?;
        Ok(Box::new(encrypted))
    }

    /// The host's addresses, when all of them may be called: one that may not among others is no oversight.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, Trouble> {
        let addresses = match target.literal() {
            Some(address) => vec![address],
            None => self.resolver.resolve(&target.name()).await.map_err(|_| Trouble::NoAddress)?,
        };
        if addresses.is_empty() || !addresses.iter().all(|address| self.guard.allows(*address)) {
            return Err(Trouble::NoAddress);
        }
        Ok(addresses)
    }
}

/// Connects to the first address that answers.
async fn reach(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Trouble> {
    for address in addresses.iter().take(ADDRESSES) {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(SocketAddr::new(*address, port))).await {
            return Ok(stream);
        }
    }
    Err(Trouble::Connect)
}

/// The head of an answer, and the rest of it.
struct Reply {
    head: Parts,
    body: Incoming,
    /// Whoever gives the call up closes the connection with it.
    _driving: AbortOnDropHandle<hyper::Result<()>>,
}

async fn exchange(stream: Box<dyn Stream>, target: &Target, message: Message) -> Result<Reply, Trouble> {
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| Trouble::Broken)?;
    let _driving = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = request(target, message).map_err(|_| Trouble::Ours)?;
    let (head, body) = sender.send_request(request).await.map_err(|_| Trouble::Broken)?.into_parts();
    Ok(Reply { head, body, _driving })
}

fn request(target: &Target, message: Message) -> http::Result<Request<Full<Bytes>>> {
    let mut request = Request::post(target.path_and_query())
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    request.body(Full::new(message.body))
}

fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
    schedule::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, clock.now())
}
