//! The role in a folder of its own, and streams as a client reads them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use ecs_bus::payload::NotificationPayload;
use ecs_bus::{Bus, Event, Headers, Subject};
use ecs_domain::{Clock as _, OfferId, UserId};
use ecs_notification::{Deps, Notification, StreamOptions, WebhookOptions};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, Identity, Secret};
use ecs_work::retention;
use ecs_work_testkit::memory::MemoryBus;
use ecs_work_testkit::platform::{DEADLINE, Platform, terms};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

/// How long the tokens hold.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) platform: Platform,
    pub(crate) auth: Arc<Auth>,
    pub(crate) stopping: CancellationToken,
    role: Notification,
    /// Another instance over the same store, to whom the bus never brings anything.
    other: Notification,
}

/// Which of the two instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instance {
    Keeping,
    Other,
}

impl Scene {
    pub(crate) fn open() -> Self {
        // Heartbeats come fast here: some tests wait for what happens at the next one.
        Self::with(StreamOptions { heartbeat: Duration::from_millis(20), ..StreamOptions::default() })
    }

    pub(crate) fn with(streams: StreamOptions) -> Self {
        Self::with_webhooks(streams, &WebhookOptions::default())
    }

    pub(crate) fn with_webhooks(streams: StreamOptions, webhooks: &WebhookOptions) -> Self {
        let platform = Platform::open();
        let key = SecretKey::new(Secret::new("a secret of at least thirty-two bytes")).unwrap();
        let auth = Arc::new(Auth::alone(Tokens::new(&key), Secret::new("internal"), platform.clock.clone()));
        let stopping = CancellationToken::new();
        let instance = |bus: Arc<dyn Bus>| {
            let role = Notification::create(Deps {
                auth: Arc::clone(&auth),
                bus,
                store: platform.store.clone(),
                clock: platform.clock.clone(),
                bus_retention: retention::OTHERS_ON_BUS,
                delivery_limit: 10,
                metrics: ecs_metrics::Metrics::new(),
                stopping: stopping.clone(),
                streams,
                webhooks: webhooks.clone(),
            });
            let role = role.unwrap();
            role.start(&platform.supervisor);
            role
        };
        let role = instance(platform.bus.clone());
        let other = instance(Arc::new(MemoryBus::default()));
        Self { platform, auth, stopping, role, other }
    }

    pub(crate) fn event(&self, user: UserId) -> Event {
        let (offer, now) = (OfferId::new(Uuid::new_v4()), self.platform.clock.now());
        let terms = terms();
        let of_activation = ecs_domain::notification::Notification::of_activation;
        let notification = of_activation(user, offer, terms.credit_limit, terms.interest_rate, now);
        NotificationPayload::event(&notification, Headers::current())
    }

    /// Publishes, and waits until the role has kept it.
    pub(crate) async fn keep(&self, events: Vec<Event>) {
        self.platform.publish(events).await;
        self.platform.settled(Subject::Notifications).await;
    }

    /// Keeps so many new notifications of `user`.
    pub(crate) async fn tell(&self, user: UserId, count: usize) {
        self.keep((0..count).map(|_| self.event(user)).collect()).await;
    }

    fn routes(&self, instance: Instance) -> Router {
        match instance {
            Instance::Keeping => self.role.routes(),
            Instance::Other => self.other.routes(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str, identity: Option<&Identity>) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(identity) = identity {
            let token = self.auth.tokens.issue(identity, self.platform.clock.now(), LIFETIME).unwrap();
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Body::empty()).unwrap()
    }

    pub(crate) async fn send(&self, instance: Instance, request: Request<Body>) -> Response<Body> {
        self.routes(instance).oneshot(request).await.unwrap()
    }

    /// Sends to the instance that keeps, and reads the whole answer.
    pub(crate) async fn call(&self, request: Request<Body>) -> (StatusCode, Value) {
        let answer = self.send(Instance::Keeping, request).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str, identity: Option<Identity>) -> (StatusCode, Value) {
        self.call(self.request(Method::GET, path, identity.as_ref())).await
    }

    /// Opens a stream of `user` that goes on behind `last_event_id`.
    pub(crate) async fn stream(
        &self,
        instance: Instance,
        user: UserId,
        last_event_id: Option<&str>,
    ) -> Stream {
        let path = format!("/v1/users/{user}/notifications/stream");
        let mut request = self.request(Method::GET, &path, Some(&Identity::of(user)));
        if let Some(id) = last_event_id {
            request.headers_mut().insert("last-event-id", id.parse().unwrap());
        }
        let answer = self.send(instance, request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Stream::of(answer.into_body())
    }
}

/// An open stream.
pub(crate) struct Stream {
    body: Body,
    text: String,
}

/// An event as the standard has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Stream {
    pub(crate) fn of(body: Body) -> Self {
        Self { body, text: String::new() }
    }

    /// The next block of lines; `None` after the end.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await.expect("a piece in time");
            let Some(frame) = frame else {
                assert_eq!(self.text, "", "the stream ended within a block");
                return None;
            };
            self.text.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
        }
    }

    /// The next event; comments and hints are passed over.
    pub(crate) async fn event(&mut self) -> Option<Sent> {
        loop {
            let block = self.block().await?;
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(data) = field("data: ") {
                let (id, event) = (field("id: ").unwrap_or_default(), field("event: ").unwrap_or_default());
                return Some(Sent { id, event, data });
            }
        }
    }

    /// The next events.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<Sent> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.event().await.expect("the stream goes on"));
        }
        events
    }
}
