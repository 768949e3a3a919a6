//! Roles behind `https://` addresses: those that prove their name are called, and the others are as good as gone.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::any;
use ecs_metrics::Metrics;
use ecs_servers::Authority;
use ecs_tls::{Certificate, CertificateFiles, Roots};
use ecs_web::handles::{Remote, RemoteOptions, Upstream};
use ecs_web::server::{Acceptor, Listener};
use ecs_web::{Limits, layers, server};
use http::StatusCode;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::support::{edge, role, rude, send, text};

/// An authority with what it signed.
struct World {
    authority: Authority,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self { authority: Authority::new().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// An edge whose callers trust this authority.
    fn edge(&self, url: &str) -> Router {
        let file = self.folder.path().join("roots.pem");
        std::fs::write(&file, self.authority.certificate()).unwrap();
        let tls = Roots::load(Some(&file)).unwrap().client_config().unwrap();
        let mut options = RemoteOptions::new(Metrics::new(), CancellationToken::new());
        options.tls = Some(Arc::new(tls));
        edge(Upstream::over_http(Remote::new("role", &[url], options).unwrap()))
    }

    /// A role that answers with what it got, with a certificate for this name.
    async fn role(&self, name: &str) -> (String, AbortOnDropHandle<()>) {
        let files = self.authority.issue(&[name]).unwrap().write(self.folder.path(), "role").unwrap();
        let files = CertificateFiles { certificate: files.certificate, key: files.key };
        let (certificate, _) = Certificate::read(files).unwrap();
        let tcp = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://{}", tcp.local_addr().unwrap());
        let router = Router::new().fallback(any(async |body: Bytes| body));
        let router = layers::standard(router, "role", Limits::default());
        let listener = Listener::new(tcp, Some(Acceptor::new(&certificate).unwrap()));
        let serving = async move {
            server::serve(listener, router, Limits::default(), CancellationToken::new()).await.unwrap();
        };
        (url, AbortOnDropHandle::new(tokio::spawn(serving)))
    }
}

fn request(body: impl Into<Body>) -> Request {
    Request::post("/echo").body(body.into()).unwrap()
}

#[tokio::test]
async fn a_role_that_proves_its_name_is_called_like_any_other() {
    let world = World::new();
    let (url, _role) = world.role("127.0.0.1").await;
    let edge = world.edge(&url);
    for size in [0, 10, 100_000, 1_000_000] {
        let body = "x".repeat(size);
        let response = send(&edge, request(body.clone())).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response).await, body);
    }
}

#[tokio::test]
async fn a_failed_handshake_counts_like_a_failed_connection() {
    let world = World::new();
    let (another_name, _one) = world.role("elsewhere").await;
    let (unknown_authority, _other) = World::new().role("127.0.0.1").await;
    let plain = role(Router::new()).await;
    for url in [another_name, unknown_authority, plain.url().replace("http:", "https:")] {
        let edge = world.edge(&url);
        for _ in 0..5 {
            let response = send(&edge, request("")).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{url}");
        }
        let response = send(&edge, request("")).await;
        let retry_after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((25..=30).contains(&retry_after), "{url}: the breaker is open, {retry_after}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_not_answered_is_given_up() {
    let silent = rude(None).await;
    let world = World::new();
    let response = send(&world.edge(&silent.url().replace("http:", "https:")), request("")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
