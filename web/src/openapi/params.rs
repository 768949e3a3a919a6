//! Parameters that several calls take: `params(UserPath, PageQuery)`.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, PartialSchema as _};

use super::Id;

/// `{user_id}` in a path.
#[derive(Debug, Clone, Copy)]
pub struct UserPath;

/// `{offer_id}` in a path.
#[derive(Debug, Clone, Copy)]
pub struct OfferPath;

/// `?page=1&page_size=10`, as [`crate::params::Page`] reads it.
#[derive(Debug, Clone, Copy)]
pub struct PageQuery;

impl IntoParams for UserPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![id_in_path("user_id", "Whose affairs these are.")]
    }
}

impl IntoParams for OfferPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![id_in_path("offer_id", "Which offer.")]
    }
}

impl IntoParams for PageQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            whole_number("page", "Which page, from 1.", 1, u32::MAX),
            whole_number("page_size", "How many items a page has.", 10, 100),
        ]
    }
}

fn id_in_path(name: &str, description: &str) -> Parameter {
    let place = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    place.description(Some(description)).schema(Some(Id::schema())).build()
}

fn whole_number(name: &str, description: &str, default: u32, maximum: u32) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(maximum))
        .default(Some(default.into()));
    let place = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).required(Required::False);
    place.description(Some(description)).schema(Some(RefOr::T(Schema::Object(schema.build())))).build()
}
