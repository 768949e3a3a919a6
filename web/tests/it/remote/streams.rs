//! Bodies that come piece by piece, in both directions, and how they end.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{get, post};
use ecs_metrics::Metrics;
use ecs_web::Limits;
use ecs_web::handles::{Remote, RemoteOptions, Upstream};
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::support::{DEADLINE, Listening, ask, edge, edge_with, remote, remote_until, role, rude, send};

/// A body whose pieces come from the sender.
fn body() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (pieces, mut wanted) = mpsc::unbounded_channel::<Bytes>();
    let stream = futures::stream::poll_fn(move |cx| wanted.poll_recv(cx));
    (pieces, Body::from_stream(stream.map(Ok::<Bytes, Infallible>)))
}

/// A role with one open stream of events, whose pieces come from the sender.
async fn events() -> (Listening, mpsc::UnboundedSender<Bytes>) {
    let (pieces, body) = body();
    let body = Arc::new(Mutex::new(Some(body)));
    let answer = move || {
        let body = body.lock().unwrap().take().unwrap();
        async { ([("content-type", "text/event-stream")], body) }
    };
    (role(Router::new().route("/events", get(answer))).await, pieces)
}

async fn piece(body: &mut Body) -> Option<String> {
    let frame = timeout(DEADLINE, body.frame()).await.expect("a piece in time")?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

fn get_events() -> Request {
    Request::get("/events").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn an_upload_is_passed_on_as_it_comes() {
    let (seen, mut came) = mpsc::unbounded_channel();
    let read = move |request: Request| async move {
        let mut body = request.into_body();
        while let Some(piece) = piece(&mut body).await {
            seen.send(piece).unwrap();
        }
        "read"
    };
    let role = role(Router::new().route("/upload", post(read))).await;
    let edge = edge(Upstream::over_http(remote(&[role.url()])));
    let (pieces, body) = body();
    let request = Request::post("/upload").body(body).unwrap();
    let answer = tokio::spawn(async move { send(&edge, request).await });
    for line in ["a line\n", "another\n"] {
        pieces.send(line.into()).unwrap();
        // The next one is only sent when the role has this one.
        assert_eq!(timeout(DEADLINE, came.recv()).await.unwrap().as_deref(), Some(line));
    }
    drop(pieces);
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test]
async fn events_are_passed_on_as_they_come_and_so_is_their_end() {
    let (role, pieces) = events().await;
    let limits = Limits { request_timeout: Duration::from_millis(200), ..Limits::default() };
    let edge = edge_with(Upstream::over_http(remote(&[role.url()])), limits);
    let response = send(&edge, get_events()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for event in ["id: 1\n\n", "id: 2\n\n"] {
        pieces.send(event.into()).unwrap();
        assert_eq!(piece(&mut body).await.as_deref(), Some(event));
    }
    // The limit on requests doesn't end it.
    assert!(timeout(limits.request_timeout * 2, body.frame()).await.is_err());
    drop(pieces);
    assert_eq!(piece(&mut body).await, None);
}

#[tokio::test]
async fn events_end_when_the_process_between_stops() {
    let (role, pieces) = events().await;
    let stopping = CancellationToken::new();
    let edge = edge(Upstream::over_http(remote_until(&[role.url()], stopping.clone())));
    let mut body = send(&edge, get_events()).await.into_body();
    pieces.send("id: 1\n\n".into()).unwrap();
    assert!(piece(&mut body).await.is_some());
    stopping.cancel();
    assert_eq!(piece(&mut body).await.as_deref(), Some("event: end\ndata: {\"reason\":\"stopping\"}\n\n"));
    assert_eq!(piece(&mut body).await, None);
    drop(body);
    timeout(DEADLINE, pieces.closed()).await.expect("the role's end of the stream is given up, too");
}

#[tokio::test]
async fn a_role_that_falls_silent_in_the_middle_holds_no_client() {
    let (role, pieces) = events().await;
    let mut options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
    options.silence = Duration::from_secs(1);
    let edge = edge(Upstream::over_http(Remote::new("role", &[role.url()], options).unwrap()));
    let mut body = send(&edge, get_events()).await.into_body();
    pieces.send("id: 1\n\n".into()).unwrap();
    assert!(piece(&mut body).await.is_some());
    let end = timeout(DEADLINE, body.frame()).await.expect("an end");
    assert!(end.unwrap().is_err(), "what broke is not made to look whole");
    drop(body);
    timeout(DEADLINE, pieces.closed()).await.expect("the connection to the role is given up, too");
}

#[tokio::test]
async fn a_length_beside_chunks_is_not_believed_by_anybody() {
    let behind = role(Router::new().route("/upload", post(async |body: Bytes| body))).await;
    let front = role(edge(Upstream::over_http(remote(&[behind.url()])))).await;
    let mut client = tokio::net::TcpStream::connect(front.address).await.unwrap();
    let head = b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write_all(head).await.unwrap();
    client.write_all(b"9\r\nall of it\r\n0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, client.read_to_end(&mut answer)).await.expect("the connection ends").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("all of it"), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_call() {
    struct Gone(Option<oneshot::Sender<()>>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (began, mut begun) = mpsc::unbounded_channel();
    let (gone, ended) = oneshot::channel();
    let gone = Arc::new(Mutex::new(Some(Gone(Some(gone)))));
    let never = move || {
        let gone = gone.lock().unwrap().take();
        let began = began.clone();
        async move {
            began.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(gone);
        }
    };
    let behind = role(Router::new().route("/never", get(never))).await;
    let front = role(edge(Upstream::over_http(remote(&[behind.url()])))).await;
    let client = ask(front.address, "/never").await;
    timeout(DEADLINE, begun.recv()).await.unwrap().unwrap();
    drop(client);
    timeout(DEADLINE, ended).await.expect("the role's handler is dropped").unwrap();
}

#[tokio::test]
async fn half_an_answer_never_looks_like_the_whole() {
    let check = async |answer: &'static str| {
        let behind = rude(Some(answer)).await;
        let front = role(edge(Upstream::over_http(remote(&[behind.url()])))).await;
        let mut client = ask(front.address, "/").await;
        let mut seen = Vec::new();
        let end = timeout(DEADLINE, client.read_to_end(&mut seen)).await.expect("the connection ends");
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.starts_with("HTTP/1.1 200 "), "{end:?} {seen:?}");
        assert!(!seen.contains("0\r\n\r\n") && !seen.ends_with("0123456789"), "{seen:?}");
    };
    check("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234").await;
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n").await;
}

#[tokio::test]
async fn clients_that_break_their_uploads_off_are_no_fault_of_the_role() {
    let read = async |request: Request| match request.into_body().collect().await {
        Ok(_) => "read",
        Err(_) => "broken",
    };
    let behind = role(Router::new().route("/upload", post(read))).await;
    let front = role(edge(Upstream::over_http(remote(&[behind.url()])))).await;
    for _ in 0..8 {
        let mut client = tokio::net::TcpStream::connect(front.address).await.unwrap();
        let head = b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nsome of it";
        client.write_all(head).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(DEADLINE, client.read_to_end(&mut answer)).await.expect("the connection ends");
        let answer = String::from_utf8(answer).unwrap();
        assert!(!answer.contains(" 200 ") && !answer.contains(" 503 "), "{answer}");
    }
    let request = Request::post("/upload").body(Body::from("all of it")).unwrap();
    let edge = edge(Upstream::over_http(remote(&[front.url()])));
    assert_eq!(send(&edge, request).await.status(), 200, "the breaker is closed");
}
