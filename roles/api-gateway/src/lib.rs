//! The edge: authentication before the body, then the role that owns the route.
//!
//! The gateway knows which paths there are and who may call them, as data. It reads no body and believes nothing on
//! its callers' word; every role it forwards to verifies again by itself, so a gateway is a convenience, not a wall.

mod dispatch;
mod documentation;
pub mod limits;
mod table;

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use ecs_web::Auth;
use ecs_web::handles::Upstream;
use limits::Gate;
use utoipa::openapi::OpenApi;

pub use limits::{Limiting, RateLimits};
pub use table::{Access, ROUTES, Route, Target};

/// What the role needs.
pub struct Deps {
    /// Verifies tokens and the service key.
    pub auth: Arc<Auth>,
    /// Takes emotion events.
    pub emotion_ingestion: Upstream,
    /// Takes transactions.
    pub transaction_ingestion: Upstream,
    /// Accounts, consents, analyses and offers.
    pub user_and_credit: Upstream,
    /// Scores features.
    pub credit_analysis: Upstream,
    /// Lists notifications.
    pub notification: Upstream,
    /// Reads the books.
    pub operations: Upstream,
    /// The platform's OpenAPI document, as JSON.
    pub openapi: Bytes,
    /// How often routes may be called, and by whom.
    pub limiting: Limiting,
}

/// The role. Cheap to clone.
#[derive(Clone)]
pub struct ApiGateway(Arc<Edge>);

/// What a request meets at the gateway, and the roles behind it.
struct Edge {
    auth: Arc<Auth>,
    upstreams: Upstreams,
    gate: Gate,
}

/// Who answers what was let in.
struct Upstreams {
    emotion_ingestion: Upstream,
    transaction_ingestion: Upstream,
    user_and_credit: Upstream,
    credit_analysis: Upstream,
    notification: Upstream,
    operations: Upstream,
    documentation: Upstream,
}

impl ApiGateway {
    /// The role over what it needs.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        let documentation = documentation::routes(deps.openapi);
        let upstreams = Upstreams {
            emotion_ingestion: deps.emotion_ingestion,
            transaction_ingestion: deps.transaction_ingestion,
            user_and_credit: deps.user_and_credit,
            credit_analysis: deps.credit_analysis,
            notification: deps.notification,
            operations: deps.operations,
            documentation: Upstream::in_process("api-gateway", documentation),
        };
        Self(Arc::new(Edge { auth: deps.auth, upstreams, gate: Gate::new(deps.limiting) }))
    }

    /// What it says of its own routes: its part of the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        documentation::api().into_openapi()
    }

    /// Everything that the platform answers, health apart. The standard layers are the listener's.
    pub fn routes(&self) -> Router {
        // The table is the router: a second one in front of the roles' own would only leave its path parameters in
        // the way of theirs.
        Router::new().fallback_service(dispatch::Dispatch::new(Arc::clone(&self.0)))
    }
}
