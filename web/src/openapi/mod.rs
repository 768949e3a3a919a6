//! The OpenAPI document, made from the same declarations as the routes.
//!
//! A role lists its handlers once, in an [`OpenApiRouter`]: the router serves them, and what `#[utoipa::path]` says above
//! each of them is its part of the document. What follows from how roles are built is not repeated at each handler:
//! [`complete()`] adds the problems of the extractors and layers, the headers of every answer, the security schemes, and
//! the examples that stand at the shapes. A handler says what is its own: a summary, a body, an answer, and the
//! problems that it makes itself, each with a description in the words that the client reads.

mod complete;
mod flow;
mod params;
mod problems;
mod types;

pub use complete::complete;
pub(crate) use complete::operations;
pub use params::{OfferPath, PageQuery, UserPath};
pub use types::{Day, Id, Instant, Money, Rate, Zip, one_of};
pub use utoipa_axum::router::OpenApiRouter;
pub use utoipa_axum::routes;

/// The parts of the platform that operations are listed under.
pub mod tag {
    /// Who may do what.
    pub const ACCESS: &str = "Access";
    /// Registration, log-in, provision.
    pub const ACCOUNTS: &str = "Accounts";
    /// What users feel and what they buy.
    pub const EVENTS: &str = "Events";
    /// Analyses, offers, the model.
    pub const CREDIT: &str = "Credit";
    /// What customers are told.
    pub const NOTIFICATIONS: &str = "Notifications";
    /// What users say about the use of their data.
    pub const CONSENT: &str = "Consent";
    /// What people may ask of whoever keeps their data.
    pub const PRIVACY: &str = "Privacy";
    /// What operators ask and do.
    pub const OPERATIONS: &str = "Operations";
    /// Whether a process lives and is ready.
    pub const HEALTH: &str = "Health";
    /// The document and its page.
    pub const DOCUMENTATION: &str = "Documentation";
}
