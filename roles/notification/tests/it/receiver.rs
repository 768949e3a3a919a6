//! A receiver of webhooks on this machine, which answers what a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ecs_work_testkit::platform::until;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// How many of its signatures are right under this secret: computed as a receiver would, from what came.
    pub(crate) fn signatures_under(&self, secret: &str) -> usize {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp"));
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(signed).chain_update(&self.body);
        let mac = mac.finalize().into_bytes();
        let right = |signature: &&str| {
            STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap() == mac.as_slice()
        };
        self.header("webhook-signature").split(' ').filter(right).count()
    }
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    answers: Mutex<VecDeque<StatusCode>>,
}

/// A receiver; it listens until the test ends.
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that answers these statuses in turn, and then 204.
    pub(crate) async fn start(answers: impl IntoIterator<Item = u16>) -> Self {
        let answers = answers.into_iter().map(|status| StatusCode::from_u16(status).unwrap()).collect();
        let shared = Arc::new(Shared { answers: Mutex::new(answers), ..Shared::default() });
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?from=ecs", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// One that takes connections and never says a word.
    pub(crate) async fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                held.push(listener.accept().await);
            }
        });
        Self { url, shared: Arc::default() }
    }

    pub(crate) fn all(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// What came, as soon as it is so much.
    pub(crate) async fn got(&self, count: usize) -> Vec<Got> {
        until(&format!("{count} webhooks have come"), || async { self.all().len() >= count }).await;
        let all = self.all();
        assert_eq!(all.len(), count, "{all:?}");
        all
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    shared.got.lock().unwrap().push(Got { headers, body });
    shared.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::NO_CONTENT)
}
