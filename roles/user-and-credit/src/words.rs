//! The words and numbers of offers in the document.

use ecs_domain::offer::{CreditType, OfferStatus};
use ecs_web::openapi::one_of;
pub(crate) use ecs_web::openapi::{Money, Rate};
use utoipa::openapi::schema::ObjectBuilder;

/// Where an offer stands.
pub(crate) fn statuses() -> ObjectBuilder {
    use OfferStatus::{Accepted, Active, Expired, Offered};
    one_of([Offered, Accepted, Active, Expired].map(OfferStatus::as_str))
        .description(Some("Where it stands."))
}

/// For how long a credit is.
pub(crate) fn credit_types() -> ObjectBuilder {
    let words = [CreditType::ShortTerm, CreditType::LongTerm].map(CreditType::as_str);
    one_of(words).description(Some("For how long."))
}
