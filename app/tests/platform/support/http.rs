//! Plain HTTP, so that tests can send what no client of ours would.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ecs_tls::{Connector, Roots};
use http::response::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::DEADLINE;
use crate::openapi::contract::Contract;

/// Sends requests to one address.
pub(crate) struct Http {
    base: String,
    client: Client<Connector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self::at(&format!("http://{address}"), None)
    }

    /// At a base address, trusting these roots where it is encrypted.
    pub(crate) fn at(base: &str, roots: Option<&Path>) -> Self {
        let tls = roots.map(|file| Arc::new(Roots::load(Some(file)).unwrap().client_config().unwrap()));
        let client = Client::builder(TokioExecutor::new()).build(Connector::new(tls, DEADLINE));
        Self { base: base.to_owned(), client }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.call("GET", path, headers, None).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.call("POST", path, headers, Some(body)).await
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let bytes = body.map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default();
        let mut headers = headers.to_vec();
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, path, &headers, bytes).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// Nothing when the connection breaks before the whole answer is there.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
        let response = self.begin(method, path, headers, body.into()).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let answer = Answer { status: head.status, headers: head.headers, body };
        Contract::get().check(method, path, &answer);
        Some(answer)
    }

    /// The head of an answer whose body may have no end.
    pub(crate) async fn head_of(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        self.begin(method, path, headers, Bytes::new()).await.unwrap().into_parts().0
    }

    async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Option<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client.request(request.body(Full::new(body)).unwrap()).await.ok()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect_status(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        let is_zip = self.headers.get("content-type").is_some_and(|kind| kind == "application/zip");
        if self.body.is_empty() || is_zip { Value::Null } else { self.json() }
    }

    /// A problem of this status that names exactly these fields.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, fields: &[&str]) {
        let problem = self.expect_status(status);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        let named: Vec<&str> = problem["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error["field"].as_str())
            .collect();
        assert_eq!(named, fields, "{problem}");
        assert!(status != 503 || self.headers.contains_key("retry-after"), "{problem}");
    }
}
