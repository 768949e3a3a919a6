//! The reasons of a denial, as answers tell them.

use ecs_domain::catalogue::Catalogue;
use ecs_domain::reason::Reason;
use ecs_web::openapi::one_of;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

/// Why somebody was denied, in one of at most four reasons.
#[derive(Serialize, ToSchema)]
#[schema(as = DenialReason)]
pub(crate) struct ReasonView {
    /// The reason as a word that doesn't change.
    #[schema(schema_with = codes)]
    code: &'static str,
    /// What was looked at, and what the person can do.
    text: &'static str,
}

/// The reasons in the words of the catalogue.
pub(crate) fn told(reasons: &[Reason], catalogue: Catalogue) -> Vec<ReasonView> {
    let told = |reason: &Reason| ReasonView { code: reason.code(), text: catalogue.reason(*reason) };
    reasons.iter().map(told).collect()
}

/// The same as one text. A denial from before there were codes has only that which was kept.
pub(crate) fn joined(kept: &str, reasons: &[Reason], catalogue: Catalogue) -> String {
    if reasons.is_empty() { kept.to_owned() } else { catalogue.joined(reasons) }
}

fn codes() -> ObjectBuilder {
    one_of(Reason::ALL.map(Reason::code)).description(Some("The reason as a word that doesn't change."))
}
