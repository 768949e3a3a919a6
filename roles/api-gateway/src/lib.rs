//! The edge: authentication before the body, then the role that owns the route.
//!
//! The gateway knows which paths there are and who may call them, as data. It reads no body and believes nothing on
//! its callers' word; every role it forwards to verifies again by itself, so a gateway is a convenience, not a wall.

mod dispatch;
mod table;

use std::sync::Arc;

use axum::Router;
use ecs_web::Auth;
use ecs_web::handles::Upstream;

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
}

/// The role. Cheap to clone.
#[derive(Clone)]
pub struct ApiGateway(Arc<Deps>);

impl ApiGateway {
    /// The role over what it needs.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        Self(Arc::new(deps))
    }

    /// Everything that the platform answers, health apart. The standard layers are the listener's.
    pub fn routes(&self) -> Router {
        // The table is the router: a second one in front of the roles' own would only leave its path parameters in
        // the way of theirs.
        Router::new().fallback_service(dispatch::Dispatch::new(Arc::clone(&self.0)))
    }
}
