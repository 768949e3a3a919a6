//! A listener that stops under load: nobody who was taken in is let down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use ecs_servers::Authority;
use ecs_tls::{Certificate, CertificateFiles, ClientConfig, Connector, Roots};
use ecs_web::server::{Acceptor, Listener, Shutdown};
use ecs_web::{Limits, layers, server};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);

struct Instance {
    address: SocketAddr,
    shutdown: Shutdown,
    /// How many requests it has begun to answer.
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start() -> Instance {
    start_with(None).await
}

async fn start_with(tls: Option<Acceptor>) -> Instance {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown { announced: CancellationToken::new(), begun: CancellationToken::new() };
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    let answer = move |body: axum::body::Bytes| async move {
        counted.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        body
    };
    let router = layers::standard(Router::new().route("/", post(answer)), "test", Limits::default());
    let listener = Listener::new(listener, tls);
    let task = tokio::spawn(server::serve(listener, router, Limits::default(), shutdown.clone()));
    Instance { address, shutdown, accepted, task }
}

/// How clients reach instances: in plain text, or encrypted with a certificate that they trust.
struct Wire {
    scheme: &'static str,
    tls: Option<(Acceptor, Arc<ClientConfig>)>,
}

impl Wire {
    fn plain() -> Self {
        Self { scheme: "http", tls: None }
    }

    fn encrypted() -> Self {
        let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
        let files = authority.issue(&["127.0.0.1"]).unwrap().write(folder.path(), "server").unwrap();
        let files = CertificateFiles { certificate: files.certificate, key: files.key };
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, authority.certificate()).unwrap();
        let client = Roots::load(Some(&roots)).unwrap().client_config().unwrap();
        let acceptor = Acceptor::new(&Certificate::read(files).unwrap().0).unwrap();
        Self { scheme: "https", tls: Some((acceptor, Arc::new(client))) }
    }

    async fn start(&self) -> Instance {
        start_with(self.tls.as_ref().map(|(acceptor, _)| acceptor.clone())).await
    }

    fn client(&self) -> Http {
        let tls = self.tls.as_ref().map(|(_, client)| Arc::clone(client));
        Client::builder(TokioExecutor::new()).build(Connector::new(tls, DEADLINE))
    }
}

type Http = Client<Connector, Body>;

/// Sends one request to the first instance that takes the connection, as a proxy does: only what was refused before a
/// byte was sent goes elsewhere.
async fn send(http: &Http, scheme: &str, instances: &[SocketAddr]) -> Result<(), String> {
    for address in instances {
        let request = Request::post(format!("{scheme}://{address}/")).body(Body::from("all of it")).unwrap();
        match http.request(request).await {
            Err(error) if error.is_connect() => {}
            Err(error) => return Err(format!("{error:?}")),
            Ok(response) => {
                let status = response.status();
                let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
                let whole = status == 200 && body.to_bytes() == "all of it";
                return if whole { Ok(()) } else { Err(status.to_string()) };
            }
        }
    }
    Err("nobody takes the connection".into())
}

/// Clients that send one request after the other until told to stop; how many were answered, and what failed.
fn pound(
    wire: &Wire,
    instances: [SocketAddr; 2],
    done: &CancellationToken,
) -> Vec<JoinHandle<(usize, Vec<String>)>> {
    let (http, scheme) = (wire.client(), wire.scheme);
    let client = |http: Http, done: CancellationToken| async move {
        let (mut answered, mut failed) = (0, Vec::new());
        while !done.is_cancelled() {
            match send(&http, scheme, &instances).await {
                Ok(()) => answered += 1,
                Err(error) => failed.push(error),
            }
        }
        (answered, failed)
    };
    (0..8).map(|_| tokio::spawn(client(http.clone(), done.clone()))).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_an_instance_stops() {
    for wire in [Wire::plain(), Wire::encrypted()] {
        stops_without_a_failure(&wire).await;
    }
}

async fn stops_without_a_failure(wire: &Wire) {
    let (stopping, staying) = (wire.start().await, wire.start().await);
    let done = CancellationToken::new();
    let clients = pound(wire, [stopping.address, staying.address], &done);
    let so_far = |instance: &Instance| instance.accepted.load(Ordering::SeqCst);
    until("requests come", || so_far(&stopping) > 200).await;

    stopping.shutdown.announced.cancel();
    let announced = so_far(&stopping);
    until("it goes on taking requests", || so_far(&stopping) > announced + 200).await;
    stopping.shutdown.begun.cancel();
    timeout(DEADLINE, stopping.task).await.expect("it stops").unwrap().unwrap();
    let gone = staying.accepted.load(Ordering::SeqCst);
    until("the other one takes over", || so_far(&staying) > gone + 200).await;

    done.cancel();
    let (mut answered, mut failed) = (0, Vec::new());
    for client in clients {
        let (of_one, errors) = timeout(DEADLINE, client).await.unwrap().unwrap();
        answered += of_one;
        failed.extend(errors);
    }
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(answered, stopping.accepted.load(Ordering::SeqCst) + so_far(&staying));
}

async fn ask(client: &mut TcpStream) -> String {
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("ok") {
        let mut bytes = [0; 1024];
        let read = timeout(DEADLINE, client.read(&mut bytes)).await.expect("an answer").unwrap();
        assert_ne!(read, 0, "the connection ended after {answer:?}");
        answer.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    answer
}

#[tokio::test]
async fn an_announced_stop_asks_clients_to_close_and_takes_new_ones() {
    let instance = start().await;
    let mut kept = TcpStream::connect(instance.address).await.unwrap();
    assert!(!ask(&mut kept).await.contains("connection: close"));
    instance.shutdown.announced.cancel();
    // The flag follows the token in the listener's own time.
    let asked_to_close = async { while !ask(&mut kept).await.contains("connection: close") {} };
    timeout(DEADLINE, asked_to_close).await.expect("clients are asked to close");
    assert_eq!(timeout(DEADLINE, kept.read(&mut [0; 1])).await.unwrap().unwrap(), 0, "it is closed");
    let mut new = TcpStream::connect(instance.address).await.unwrap();
    assert!(ask(&mut new).await.contains("connection: close"));
}

#[tokio::test]
async fn who_was_connected_when_the_listener_closed_is_served() {
    let instance = start().await;
    // Connected, and perhaps not yet accepted: this test's own thread is the server's.
    let mut waiting = std::net::TcpStream::connect(instance.address).unwrap();
    instance.shutdown.announced.cancel();
    instance.shutdown.begun.cancel();
    std::io::Write::write_all(&mut waiting, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok")
        .unwrap();
    waiting.set_nonblocking(true).unwrap();
    let mut waiting = TcpStream::from_std(waiting).unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, waiting.read_to_end(&mut answer)).await.expect("the connection ends").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    timeout(DEADLINE, instance.task).await.unwrap().unwrap().unwrap();
}
