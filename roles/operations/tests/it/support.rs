//! What the tests share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use ecs_domain::emotion::{StressThreshold, Unit};
use ecs_domain::permission::Permission;
use ecs_domain::{Clock as _, UserId};
use ecs_metrics::Metrics;
use ecs_operations::{Deps, Operations, WatchSpans};
use ecs_vault::Keyring;
use ecs_web::auth::{Checkpoints, SecretKey, Tokens};
use ecs_web::{Auth, Identity, Secret};
use ecs_work::ageing::Lifetimes;
use ecs_work::{Wake, retention};
use ecs_work_testkit::platform::Platform;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

/// The role over a platform of its own.
pub(crate) struct Scene {
    pub(crate) platform: Platform,
    auth: Arc<Auth>,
    pub(crate) metrics: Metrics,
    pub(crate) role: Operations,
}

impl Scene {
    pub(crate) fn open() -> Self {
        let platform = Platform::open();
        let key = SecretKey::new(Secret::new("a secret of at least thirty-two bytes")).unwrap();
        let auth = Arc::new(Auth::alone(Tokens::new(&key), Secret::new("internal"), platform.clock.clone()));
        let metrics = Metrics::new();
        let role = Operations::create(Deps {
            checkpoints: Arc::new(Checkpoints::new(&auth).unwrap()),
            checkpoint_file: None,
            auth: Arc::clone(&auth),
            bus: platform.bus.clone(),
            store: platform.store.clone(),
            clock: platform.clock.clone(),
            raw_retention_days: retention::RAW_DAYS,
            stress: StressThreshold(Unit::new(0.7).unwrap()),
            bus_retention: retention::OTHERS_ON_BUS,
            lifetimes: Lifetimes::DEFAULT,
            keyring: Keyring::in_memory(),
            outbox: Wake::new(),
            watch: WatchSpans::DEFAULT,
            alert_retention: retention::OTHERS_ON_BUS,
            delivery_limit: 10,
            metrics: metrics.clone(),
        });
        Self { platform, auth, metrics, role }
    }

    pub(crate) async fn send(
        &self,
        request: Request<Body>,
        identity: Option<Identity>,
    ) -> (StatusCode, Value) {
        let (mut parts, body) = request.into_parts();
        if let Some(identity) = identity {
            parts.headers.insert("authorization", self.bearer(&identity).parse().unwrap());
        }
        let answer = self.role.routes().oneshot(Request::from_parts(parts, body)).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// What a request of theirs says of who they are.
    pub(crate) fn bearer(&self, identity: &Identity) -> String {
        let now = self.platform.clock.now();
        format!("Bearer {}", self.auth.tokens.issue(identity, now, Duration::from_secs(60)).unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(get(path), Some(operator())).await
    }
}

/// May look and do.
pub(crate) fn operator() -> Identity {
    Identity::with(UserId::new(Uuid::nil()), [Permission::OperationsRead, Permission::OperationsWrite])
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}
