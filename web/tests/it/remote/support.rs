//! Roles behind real listeners, and an edge in front of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use ecs_metrics::Metrics;
use ecs_web::handles::{Remote, RemoteOptions, Upstream};
use ecs_web::{Limits, layers, server};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A listener that serves until it is dropped.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Listening {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A role with the standard layers, as a process of its own would serve it.
pub(crate) async fn role(routes: Router) -> Listening {
    role_at(([127, 0, 0, 1], 0).into(), routes).await
}

/// The same at this address.
pub(crate) async fn role_at(address: SocketAddr, routes: Router) -> Listening {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits::default();
    let router = layers::standard(routes, "role", limits);
    let task = tokio::spawn(async move {
        server::serve(listener, router, limits, CancellationToken::new()).await.unwrap();
    });
    Listening { address, connections: Arc::default(), _task: AbortOnDropHandle::new(task) }
}

/// Something that takes each connection, reads the head of a request, says this and hangs up; or never says anything.
pub(crate) async fn rude(answer: Option<&'static str>) -> Listening {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let task = tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => silent.push(stream),
            }
        }
    });
    Listening { address, connections, _task: AbortOnDropHandle::new(task) }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) fn remote(addresses: &[String]) -> Remote {
    remote_until(addresses, CancellationToken::new())
}

pub(crate) fn remote_until(addresses: &[String], stopping: CancellationToken) -> Remote {
    Remote::new("role", addresses, RemoteOptions::new(Metrics::new(), stopping)).unwrap()
}

/// What a gateway does, without its table.
pub(crate) fn edge(upstream: Upstream) -> Router {
    edge_with(upstream, Limits::default())
}

pub(crate) fn edge_with(upstream: Upstream, limits: Limits) -> Router {
    let forward = move |request: Request| async move { upstream.forward(request).await };
    layers::standard(Router::new().fallback(forward), "edge", limits)
}

pub(crate) async fn send(edge: &Router, request: Request) -> Response {
    tokio::time::timeout(DEADLINE, edge.clone().oneshot(request)).await.expect("an answer").unwrap()
}

pub(crate) async fn text(response: Response) -> String {
    let body = tokio::time::timeout(DEADLINE, response.into_body().collect()).await.expect("a body");
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}

/// A client of a listening edge, that has sent a request for this path.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    client
}
