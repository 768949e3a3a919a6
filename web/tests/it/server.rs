//! The listener under clients that are slow, many, or in the middle of something when it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Extension, Router};
use ecs_web::{JsonBody, Limits, Peer, layers, server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n";

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
    /// `/slow` says that it began, and ends when it is told to.
    began: Arc<Notify>,
    release: Arc<Notify>,
}

async fn start(limits: Limits) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let (began, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (began, release) = (Arc::clone(&began), Arc::clone(&release));
        move || async move {
            began.notify_one();
            release.notified().await;
            "slow"
        }
    };
    let router = Router::new()
        .route("/peer", get(async |Extension(peer): Extension<Peer>| peer.address().to_string()))
        .route("/quick", get(async || "quick"))
        .route("/slow", get(slow))
        .route("/json", post(async |_: JsonBody<serde_json::Value>| "taken"));
    let router = layers::standard(router, "test", limits);
    let task = tokio::spawn(server::serve(listener, router, limits, shutdown.clone()));
    Server { address, shutdown, task, began, release }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

/// Everything until the server closes the connection.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is as good an end as any.
    let _ =
        timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the server closes the connection");
    String::from_utf8(bytes).unwrap()
}

/// One answer with a body that ends in `last`.
async fn read_answer(stream: &mut TcpStream, last: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(last) {
        let mut bytes = [0; 1024];
        let read = timeout(DEADLINE, stream.read(&mut bytes)).await.expect("an answer in time").unwrap();
        assert_ne!(read, 0, "the connection ended after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_headers_is_cut_off() {
    let server = start(Limits { header_read_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    // Others were never affected.
    let mut stream = connect(&server).await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut stream, "quick").await.contains(" 200 "));
}

#[tokio::test]
async fn each_request_says_from_where_it_comes() {
    let server = start(Limits::default()).await;
    let mut client = connect(&server).await;
    for _ in 0..2 {
        client
            .write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.9\r\n\r\n")
            .await
            .unwrap();
        read_answer(&mut client, "127.0.0.1").await;
    }
}

#[tokio::test]
async fn connections_over_the_cap_wait_their_turn() {
    let server = start(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut first = connect(&server).await;
    first.write_all(REQUEST).await.unwrap();
    read_answer(&mut first, "quick").await;

    let mut second = connect(&server).await;
    second.write_all(REQUEST).await.unwrap();
    // While the second has asked already, the first is served again and again, and the second is not.
    for _ in 0..20 {
        first.write_all(REQUEST).await.unwrap();
        read_answer(&mut first, "quick").await;
    }
    let unanswered = second.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(unanswered.kind(), std::io::ErrorKind::WouldBlock);

    drop(first);
    assert!(read_answer(&mut second, "quick").await.contains(" 200 "));
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let server = start(Limits::default()).await;
    let mut in_flight = connect(&server).await;
    in_flight.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.began.notified()).await.unwrap();
    let mut idle = connect(&server).await;
    idle.write_all(REQUEST).await.unwrap();
    read_answer(&mut idle, "quick").await;

    server.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "", "an idle connection is closed");
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("new connections are refused");

    server.release.notify_one();
    let answer = read_to_end(&mut in_flight).await;
    assert!(answer.contains(" 200 ") && answer.ends_with("slow"), "{answer}");
    timeout(DEADLINE, server.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let server = start(Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() }).await;
    let mut in_flight = connect(&server).await;
    in_flight.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.began.notified()).await.unwrap();
    server.shutdown.cancel();
    timeout(DEADLINE, server.task).await.unwrap().unwrap().unwrap();
    assert!(!read_to_end(&mut in_flight).await.contains(" 200 "));
}

#[tokio::test]
async fn a_client_in_the_middle_of_its_body_hears_why_it_was_refused() {
    let server = start(Limits::default()).await;
    let mut stream = connect(&server).await;
    let head =
        "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // A client that writes first and reads later must be able to finish: a reset would lose it the answer.
    for _ in 0..10 {
        timeout(DEADLINE, stream.write_all(&[b' '; 100_000])).await.unwrap().unwrap();
    }
    assert_eq!(timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_cut_off() {
    let server = start(Limits { write_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let mut stream = connect(&server).await;
    let requests = REQUEST.repeat(1_000);
    let mut sent = 0;
    let until_cut_off = async {
        // What the kernel holds for both sides is a few megabytes; the server holds nothing beyond that.
        while sent < 64 << 20 && stream.write_all(&requests).await.is_ok() {
            sent += requests.len();
        }
    };
    timeout(DEADLINE, until_cut_off).await.expect("the server closes the connection");
    assert!(sent < 64 << 20, "the server keeps answering nobody");
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_next_request() {
    let server = start(Limits::default()).await;
    let mut stream = connect(&server).await;
    stream.write_all(&[REQUEST, b"GET /qui"].concat()).await.unwrap();
    assert!(read_answer(&mut stream, "quick").await.contains(" 200 "));
    stream.write_all(b"ck HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stream, "quick").await.contains(" 200 "));
}

#[tokio::test]
async fn a_request_that_could_be_read_in_two_ways_is_refused() {
    let server = start(Limits::default()).await;
    let check = async |headers: &str, expect: &str| {
        let mut stream = connect(&server).await;
        let head =
            format!("POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // What a smuggler would like to be taken for a request of its own.
        stream.write_all(REQUEST).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(expect), "{headers:?}: {answer}");
        assert!(!answer.contains(" 200 "), "{headers:?}: {answer}");
    };
    check("content-length: 4\r\ntransfer-encoding: chunked", "HTTP/1.1 400 ").await;
    check("content-length: 4\r\ncontent-length: 5", "HTTP/1.1 400 ").await;
    check("content-length: +4", "HTTP/1.1 400 ").await;
    check("content-length: 4, 4", "HTTP/1.1 400 ").await;
    check("content-length : 4", "HTTP/1.1 400 ").await;
    check("transfer-encoding: chunked, identity", "HTTP/1.1 400 ").await;
    check("x-folded: a\r\n b", "HTTP/1.1 400 ").await;
}

#[tokio::test]
async fn headers_have_a_limit() {
    let server = start(Limits::default()).await;
    let check = async |bytes: usize, expect: &str| {
        let mut stream = connect(&server).await;
        let head = format!(
            "GET /quick HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: {}\r\n\r\n",
            "x".repeat(bytes)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(expect), "{bytes}: {answer}");
    };
    check(8_000, "HTTP/1.1 200 ").await;
    check(80_000, "HTTP/1.1 431 ").await;
}
