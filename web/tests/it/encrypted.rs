//! The listener with TLS: it is the same one, and nobody who speaks it badly disturbs the others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use ecs_servers::Authority;
use ecs_tls::{Certificate, CertificateFiles, ClientConfig, Follower, Look, Roots};
use ecs_web::server::{Acceptor, Listener};
use ecs_web::{JsonBody, Limits, layers, server};
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n";

struct Server {
    address: SocketAddr,
    authority: Authority,
    folder: TempDir,
    follower: Follower,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// A client's settings, without what earlier connections of others left behind.
    fn client(&self) -> Arc<ClientConfig> {
        let file = self.folder.path().join("roots.pem");
        std::fs::write(&file, self.authority.certificate()).unwrap();
        Arc::new(Roots::load(Some(&file)).unwrap().client_config().unwrap())
    }

    async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.address, self.client()).await.unwrap()
    }

    fn renew(&self) {
        self.authority.issue(&["127.0.0.1"]).unwrap().write(self.folder.path(), "server").unwrap();
    }
}

async fn connect(address: SocketAddr, client: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::from(address.ip());
    let stream = TcpStream::connect(address).await?;
    timeout(DEADLINE, TlsConnector::from(client).connect(name, stream)).await.expect("a handshake in time")
}

async fn start(limits: Limits) -> Server {
    let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
    let files = authority.issue(&["127.0.0.1"]).unwrap().write(folder.path(), "server").unwrap();
    let files = CertificateFiles { certificate: files.certificate, key: files.key };
    let (certificate, follower) = Certificate::read(files).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let router = Router::new()
        .route("/quick", get(async || "quick"))
        .route("/json", post(async |_: JsonBody<serde_json::Value>| "taken"));
    let router = layers::standard(router, "test", limits);
    let listener = Listener::new(listener, Some(Acceptor::new(&certificate).unwrap()));
    let task = tokio::spawn(server::serve(listener, router, limits, shutdown.clone()));
    Server { address, authority, folder, follower, shutdown, task }
}

/// One answer with a body that ends in `last`.
async fn read_answer(stream: &mut TlsStream<TcpStream>, last: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(last) {
        let mut bytes = [0; 1024];
        let read = timeout(DEADLINE, stream.read(&mut bytes)).await.expect("an answer in time").unwrap();
        assert_ne!(read, 0, "the connection ended after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    text
}

async fn is_served(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(stream, "quick").await.starts_with("HTTP/1.1 200 "));
}

/// What a client without TLS gets until the connection ends. A reset is as good an end as any.
async fn rest_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    bytes
}

#[tokio::test]
async fn both_versions_are_spoken_and_http_1_within() {
    let server = start(Limits::default()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client =
            rustls::ClientConfig::builder_with_provider(server.client().crypto_provider().clone())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots_of(&server))
                .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut stream = connect(server.address, Arc::new(client)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        is_served(&mut stream).await;
        is_served(&mut stream).await;
    }
}

fn roots_of(server: &Server) -> rustls::RootCertStore {
    use rustls::pki_types::pem::PemObject as _;
    let mut store = rustls::RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(server.authority.certificate().as_bytes()).unwrap()).unwrap();
    store
}

#[tokio::test]
async fn who_speaks_no_tls_gets_nothing_and_who_trusts_nobody_sends_nothing() {
    let server = start(Limits::default()).await;
    let mut plain = server.plain().await;
    plain.write_all(REQUEST).await.unwrap();
    let told = rest_of(&mut plain).await;
    assert!(!String::from_utf8_lossy(&told).contains("HTTP/"), "{told:?}");

    let stranger = start(Limits::default()).await.client();
    let refused = connect(server.address, stranger).await.unwrap_err().to_string();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    is_served(&mut server.connect().await).await;
}

#[tokio::test]
async fn who_never_finishes_a_handshake_delays_nobody_and_is_cut_off() {
    let server = start(Limits {
        header_read_timeout: Duration::from_millis(300),
        max_connections: 20,
        ..Limits::default()
    })
    .await;
    let mut silent = Vec::new();
    for started in [&b""[..], b"\x16\x03\x01\x02\x00\x01"].iter().cycle().take(19) {
        let mut stream = server.plain().await;
        stream.write_all(started).await.unwrap();
        silent.push(stream);
    }
    is_served(&mut server.connect().await).await;
    for stream in &mut silent {
        rest_of(stream).await;
    }
}

#[tokio::test]
async fn a_handshake_holds_the_place_of_a_connection() {
    let time = Duration::from_millis(200);
    let server = start(Limits { max_connections: 1, header_read_timeout: time, ..Limits::default() }).await;
    let begun = Instant::now();
    // The one place is taken by somebody who says nothing, for as long as a handshake may take.
    let _silent = server.plain().await;
    is_served(&mut server.connect().await).await;
    assert!(begun.elapsed() >= time, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_in_the_middle_of_its_body_hears_why_it_was_refused() {
    let server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    let head =
        "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    for _ in 0..10 {
        timeout(DEADLINE, stream.write_all(&[b' '; 100_000])).await.unwrap().unwrap();
    }
    assert_eq!(timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0, "it ends in order");
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_cut_off() {
    let server = start(Limits { write_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let mut stream = server.connect().await;
    let requests = REQUEST.repeat(1_000);
    let mut sent = 0;
    let until_cut_off = async {
        while sent < 64 << 20 && stream.write_all(&requests).await.is_ok() {
            sent += requests.len();
        }
    };
    timeout(DEADLINE, until_cut_off).await.expect("the server closes the connection");
    assert!(sent < 64 << 20, "the server keeps answering nobody");
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_headers_is_cut_off() {
    let server = start(Limits { header_read_timeout: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the connection ends");
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
}

#[tokio::test]
async fn a_stop_ends_idle_connections_in_order_and_waits_for_no_handshake() {
    let server = start(Limits { drain_timeout: DEADLINE, ..Limits::default() }).await;
    let mut idle = server.connect().await;
    is_served(&mut idle).await;
    let _silent = server.plain().await;
    let mut new = server.connect().await;
    server.shutdown.cancel();
    // Its request was on its way.
    new.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut new, "quick").await.contains("connection: close"));
    assert_eq!(timeout(DEADLINE, idle.read(&mut [0; 1])).await.unwrap().unwrap(), 0, "with a farewell");
    timeout(DEADLINE / 2, server.task).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_while_requests_run() {
    let mut server = start(Limits::default()).await;
    let mut kept = server.connect().await;
    is_served(&mut kept).await;
    let old = shown(&kept);
    let done = CancellationToken::new();
    let pounding: Vec<_> = (0..4)
        .map(|_| {
            let (address, client, done) = (server.address, server.client(), done.clone());
            tokio::spawn(async move {
                let mut served = 0;
                while !done.is_cancelled() {
                    is_served(&mut connect(address, Arc::clone(&client)).await.unwrap()).await;
                    served += 1;
                }
                served
            })
        })
        .collect();
    let mut certificates = vec![old];
    for _ in 0..5 {
        server.renew();
        while server.follower.look().await != Look::Replaced {}
        // Settings of its own: a session that is resumed shows no certificate.
        let mut new = server.connect().await;
        is_served(&mut new).await;
        let certificate = shown(&new);
        assert!(!certificates.contains(&certificate));
        certificates.push(certificate);
    }
    is_served(&mut kept).await;
    done.cancel();
    for task in pounding {
        assert!(timeout(DEADLINE, task).await.unwrap().unwrap() > 0);
    }
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}
