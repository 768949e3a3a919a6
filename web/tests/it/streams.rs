//! Answers that go on: what the listener's limits mean for them, and how they end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use ecs_web::{Limits, layers, server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);
/// Shorter than [`QUIET`], so that a limit that counted here would be seen to.
const SHORT: Duration = Duration::from_millis(50);
const QUIET: Duration = Duration::from_millis(250);

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
    /// Where each open answer's pieces come from, in the order of the requests.
    answers: mpsc::Receiver<mpsc::Sender<Bytes>>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (opened, answers) = mpsc::channel(8);
        let open = move || answer(opened.clone());
        let router = Router::new().route("/open", get(open)).route("/quick", get(async || "quick"));
        let router = layers::standard(router, "test", limits);
        let task = tokio::spawn(server::serve(listener, router, limits, shutdown.clone()));
        Self { address, shutdown, task, answers }
    }

    /// A client with an open answer, whose head it has read, and where the pieces come from.
    async fn open(&mut self) -> (TcpStream, mpsc::Sender<Bytes>) {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let head = read_until(&mut client, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("transfer-encoding: chunked"), "{head}");
        (client, timeout(DEADLINE, self.answers.recv()).await.unwrap().unwrap())
    }
}

/// An answer whose pieces come from whoever receives from the other end of `opened`.
async fn answer(opened: mpsc::Sender<mpsc::Sender<Bytes>>) -> Body {
    let (pieces, mut wanted) = mpsc::channel(1);
    opened.send(pieces).await.unwrap();
    let pieces = futures::stream::poll_fn(move |cx| wanted.poll_recv(cx));
    Body::from_stream(futures::StreamExt::map(pieces, Ok::<Bytes, Infallible>))
}

async fn read_until(client: &mut TcpStream, last: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(last) {
        let mut bytes = [0; 1024];
        let read = timeout(DEADLINE, client.read(&mut bytes)).await.expect("a piece in time").unwrap();
        assert_ne!(read, 0, "the connection ended after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    text
}

#[tokio::test]
async fn an_open_answer_may_be_silent_for_longer_than_any_limit_on_requests() {
    let limits = Limits {
        request_timeout: SHORT,
        header_read_timeout: SHORT,
        write_timeout: SHORT,
        ..Limits::default()
    };
    let mut server = Server::start(limits).await;
    let (mut client, pieces) = server.open().await;
    for _ in 0..2 {
        let silence = timeout(QUIET, client.read(&mut [0; 1])).await;
        assert!(silence.is_err(), "the answer is neither cut off nor ended: {silence:?}");
        pieces.send(Bytes::from_static(b"still here")).await.unwrap();
        assert_eq!(read_until(&mut client, "here\r\n").await, "A\r\nstill here\r\n");
    }
    drop(pieces);
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_answer_though_nothing_is_sent() {
    let mut server = Server::start(Limits::default()).await;
    let (client, pieces) = server.open().await;
    drop(client);
    timeout(DEADLINE, pieces.closed()).await.expect("the answer is dropped");
}

#[tokio::test]
async fn a_client_that_has_sent_more_and_goes_away_is_noticed_by_what_is_sent() {
    let mut server = Server::start(Limits::default()).await;
    let (mut client, pieces) = server.open().await;
    // What waits to be read hides the end of the connection from the server until it writes.
    client.write_all(b"GET /quick HTTP/1.1\r\n").await.unwrap();
    drop(client);
    let sent = async { while pieces.send(Bytes::from_static(b"still here?")).await.is_ok() {} };
    timeout(DEADLINE, sent).await.expect("the answer is dropped");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_an_open_answer_is_cut_off() {
    let mut server = Server::start(Limits { write_timeout: SHORT, ..Limits::default() }).await;
    let (_client, pieces) = server.open().await;
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut taken = 0;
    let until_cut_off = async {
        while taken < 64 << 20 && pieces.send(piece.clone()).await.is_ok() {
            taken += piece.len();
        }
    };
    timeout(DEADLINE, until_cut_off).await.expect("the server gives up");
    assert!(taken < 64 << 20, "only what the kernel holds for both sides was taken");
}

#[tokio::test]
async fn a_drain_lets_an_open_answer_come_to_its_end() {
    let mut server = Server::start(Limits::default()).await;
    let (mut client, pieces) = server.open().await;
    server.shutdown.cancel();
    pieces.send(Bytes::from_static(b"good")).await.unwrap();
    assert_eq!(read_until(&mut client, "good\r\n").await, "4\r\ngood\r\n");
    pieces.send(Bytes::from_static(b"bye")).await.unwrap();
    drop(pieces);
    assert_eq!(read_until(&mut client, "0\r\n\r\n").await, "3\r\nbye\r\n0\r\n\r\n");
    assert_eq!(timeout(DEADLINE, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    timeout(DEADLINE, server.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_head_of_an_open_answer_is_all_of_it() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(b"HEAD /open HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let pieces = timeout(DEADLINE, server.answers.recv()).await.unwrap().unwrap();
    timeout(DEADLINE, pieces.closed()).await.expect("the answer is dropped");
    client.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_until(&mut client, "quick").await.starts_with("HTTP/1.1 200 "));
}
