//! What HTTP roles share: problem responses, auth extractors, request ids, limits, server, handles to other roles.
//!
//! A handler's signature is its access policy: one of [`auth::policy`] stands first among its arguments, and
//! extractors run from left to right, so nobody's body is read before it is known who they are. What goes wrong is a
//! [`problem::Problem`]; nothing else makes an answer of 400 or above.

pub mod auth;
pub mod body;
pub mod context;
pub mod deadline;
pub mod exposition;
pub mod fields;
pub mod handles;
pub mod health;
pub mod idempotency;
pub mod language;
pub mod layers;
pub mod limits;
pub mod meter;
pub mod openapi;
pub mod params;
pub mod peer;
pub mod problem;
pub mod secret;
pub mod server;
mod shedding;

pub use auth::{Auth, Identity, PolicedRoutes};
pub use body::JsonBody;
pub use context::RequestContext;
pub use idempotency::IdempotencyKey;
pub use language::Language;
pub use limits::Limits;
pub use meter::Meter;
pub use peer::Peer;
pub use problem::Problem;
pub use secret::Secret;
