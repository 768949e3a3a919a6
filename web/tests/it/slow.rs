//! Clients that take all the time there is, one byte after another: each is cut off in the time that its limit says, with TLS
//! and without, and others are served meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use ecs_servers::Authority;
use ecs_tls::{Certificate, CertificateFiles, ClientConfig, Roots};
use ecs_web::server::{Acceptor, Listener};
use ecs_web::{JsonBody, Limits, body, layers, server};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

const DEADLINE: Duration = Duration::from_secs(10);
/// What a client has time for in these tests, and how much faster than that it sends its next byte.
const SHORT: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(20);
const REQUEST: &[u8] = b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n";
/// More than the system holds for both ends of a connection.
const LARGE: usize = 64 << 20;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

struct Server {
    address: SocketAddr,
    /// Whom clients trust, where there is TLS.
    tls: Option<Arc<ClientConfig>>,
    _folder: tempfile::TempDir,
    _task: AbortOnDropHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(limits: Limits, encrypted: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (acceptor, tls) = if encrypted { Some(certified(folder.path())).unzip() } else { (None, None) };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/quick", get(async || "quick"))
            .route("/large", get(async || vec![b'x'; LARGE]))
            .route("/json", post(async |_: JsonBody<serde_json::Value>| "taken"));
        let router = layers::standard(router, "test", limits);
        let listener = Listener::new(listener, acceptor);
        let serving = server::serve(listener, router, limits, CancellationToken::new());
        let _task = AbortOnDropHandle::new(tokio::spawn(serving));
        Self { address, tls, _folder: folder, _task }
    }

    async fn connect(&self) -> Box<dyn Stream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let Some(config) = &self.tls else { return Box::new(stream) };
        let name = ServerName::from(self.address.ip());
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        Box::new(timeout(DEADLINE, handshake).await.expect("a handshake in time").unwrap())
    }
}

/// What a server with a certificate has, and what its clients have.
fn certified(folder: &std::path::Path) -> (Acceptor, Arc<ClientConfig>) {
    let authority = Authority::new().unwrap();
    let files = authority.issue(&["127.0.0.1"]).unwrap().write(folder, "server").unwrap();
    let files = CertificateFiles { certificate: files.certificate, key: files.key };
    let (certificate, _) = Certificate::read(files).unwrap();
    let roots = folder.join("roots.pem");
    std::fs::write(&roots, authority.certificate()).unwrap();
    let client = Roots::load(Some(&roots)).unwrap().client_config().unwrap();
    (Acceptor::new(&certificate).unwrap(), Arc::new(client))
}

/// Runs a test over a listener without TLS, and over one with it.
async fn over_both(limits: Limits, test: impl AsyncFn(&Server)) {
    for encrypted in [false, true] {
        test(&Server::start(limits, encrypted).await).await;
    }
}

/// Sends byte after byte until the server has enough, and returns what it said.
async fn dripped(stream: Box<dyn Stream>, bytes: impl IntoIterator<Item = u8>) -> String {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let mut turns = tokio::time::interval(PAUSE);
    let dripping = async {
        for byte in bytes {
            turns.tick().await;
            if writing.write_all(&[byte]).await.is_err() || writing.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut told = Vec::new();
    let cut_off = async {
        tokio::select! {
            // A reset is as good an end as any.
            _ = reading.read_to_end(&mut told) => {}
            () = dripping => {}
        }
    };
    timeout(DEADLINE, cut_off).await.expect("the server closes the connection");
    String::from_utf8_lossy(&told).into_owned()
}

async fn is_served(stream: &mut Box<dyn Stream>) {
    stream.write_all(REQUEST).await.unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"quick") {
        let read = timeout(DEADLINE, stream.read_buf(&mut told)).await.expect("an answer in time").unwrap();
        assert_ne!(read, 0, "the connection ended after {:?}", String::from_utf8_lossy(&told));
    }
    assert!(told.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&told));
}

/// It took as long as the limit, and not as long as the client would have liked.
fn took_its_time(begun: Instant) {
    let took = begun.elapsed();
    assert!(took >= SHORT && took < DEADLINE, "{took:?}");
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off_in_time() {
    let limits = Limits { header_read_timeout: SHORT, ..Limits::default() };
    over_both(limits, async |server| {
        let endless = b"GET /quick HTTP/1.1\r\nhost: x\r\nx-slow: ".iter().copied();
        let (stream, mut other) = (server.connect().await, server.connect().await);
        let begun = Instant::now();
        let (told, ()) =
            tokio::join!(dripped(stream, endless.chain(std::iter::repeat(b'x'))), is_served(&mut other));
        took_its_time(begun);
        assert!(!told.contains(" 200 "), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_cut_off_in_time() {
    let limits = Limits { request_timeout: SHORT, ..Limits::default() };
    over_both(limits, async |server| {
        let head = "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
        let (mut stream, mut other) = (server.connect().await, server.connect().await);
        stream.write_all(head.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let (told, ()) = tokio::join!(dripped(stream, std::iter::repeat(b' ')), is_served(&mut other));
        took_its_time(begun);
        assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("urn:ecs:problem:timeout"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn who_never_reads_the_answer_is_cut_off_in_time() {
    let limits = Limits { write_timeout: SHORT, max_connections: 1, ..Limits::default() };
    over_both(limits, async |server| {
        let mut stream = server.connect().await;
        let begun = Instant::now();
        stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        // There is one place only, so whoever is served next has the place of the one that was cut off.
        is_served(&mut server.connect().await).await;
        took_its_time(begun);
        let mut told = Vec::new();
        let _ = timeout(DEADLINE, stream.read_to_end(&mut told)).await.expect("the connection has ended");
        assert!(told.len() < LARGE, "the whole answer was kept for it");
    })
    .await;
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_waits_and_takes_none() {
    let limits = Limits { max_connections: 2, ..Limits::default() };
    over_both(limits, async |server| {
        let (mut first, mut second) = (server.connect().await, server.connect().await);
        is_served(&mut first).await;
        is_served(&mut second).await;
        let mut third = TcpStream::connect(server.address).await.unwrap();
        // As good a beginning of a handshake as of a request.
        third.write_all(if server.tls.is_some() { &[22, 3, 1] } else { REQUEST }).await.unwrap();
        for _ in 0..20 {
            is_served(&mut first).await;
            is_served(&mut second).await;
        }
        let unanswered = third.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(unanswered.kind(), std::io::ErrorKind::WouldBlock);
        drop((first, third));
        is_served(&mut server.connect().await).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_too_deep_or_too_large_is_refused_over_the_wire() {
    over_both(Limits::default(), async |server| {
        let check = async |body: &str, expect: &str| {
            let mut stream = server.connect().await;
            let head = format!(
                "POST /json HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // The answer may be there before the body is.
            let _ = stream.write_all(body.as_bytes()).await;
            let mut told = Vec::new();
            let _ = timeout(DEADLINE, stream.read_to_end(&mut told)).await.expect("an answer in time");
            let told = String::from_utf8_lossy(&told);
            assert!(told.starts_with(expect), "{body:.20}: {told}");
        };
        let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(100), "HTTP/1.1 200 ").await;
        check(&nested(128), "HTTP/1.1 400 ").await;
        check(&nested(body::MAX_JSON_BYTES / 2 - 10), "HTTP/1.1 400 ").await;
        let padded = |size: usize| format!("{{{}}}", " ".repeat(size - 2));
        check(&padded(body::MAX_JSON_BYTES), "HTTP/1.1 200 ").await;
        check(&padded(body::MAX_JSON_BYTES + 1), "HTTP/1.1 413 ").await;
        check(&padded(1 << 20), "HTTP/1.1 413 ").await;
    })
    .await;
}
