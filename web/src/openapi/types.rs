//! Schemas of single values that many shapes share: fields name them with `#[schema(value_type = …)]`.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A UUID.
#[derive(Debug, Clone, Copy)]
pub struct Id;

/// A point in time, ISO 8601, in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Instant;

/// A day in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Day;

/// An exact amount in the deployment's currency.
#[derive(Debug, Clone, Copy)]
pub struct Money;

/// An exact interest rate.
#[derive(Debug, Clone, Copy)]
pub struct Rate;

/// The bytes of a ZIP file.
#[derive(Debug, Clone, Copy)]
pub struct Zip;

/// The schema of a text that is one of these words: a function over it goes into `#[schema(schema_with = …)]`.
#[must_use]
pub fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}

fn object(kind: Type, format: &str, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(kind)
        .format(Some(SchemaFormat::Custom(format.to_owned())))
        .description(Some(description))
}

fn finished(object: ObjectBuilder) -> RefOr<Schema> {
    RefOr::T(Schema::Object(object.build()))
}

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        let example = "0198c1f2-7c3a-7d51-9e0b-5f6a7b8c9d0e";
        finished(object(Type::String, "uuid", "A UUID.").examples([example]))
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        let what = "A point in time, ISO 8601, in UTC.";
        finished(object(Type::String, "date-time", what).examples(["2026-11-20T14:30:00Z"]))
    }
}

impl PartialSchema for Zip {
    fn schema() -> RefOr<Schema> {
        finished(object(Type::String, "binary", "A ZIP file."))
    }
}

impl PartialSchema for Day {
    fn schema() -> RefOr<Schema> {
        finished(object(Type::String, "date", "A day in UTC.").examples(["2026-11-20"]))
    }
}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let what = "An exact amount in the deployment's currency, with at most two decimals. Read it from its digits.";
        finished(object(Type::Number, "decimal", what).examples([129.9]))
    }
}

impl PartialSchema for Rate {
    fn schema() -> RefOr<Schema> {
        let what = "An exact interest rate in percent per year. Read it from its digits.";
        finished(object(Type::Number, "decimal", what).examples([14.25]))
    }
}

impl ToSchema for Id {
    fn name() -> Cow<'static, str> {
        "Id".into()
    }
}

impl ToSchema for Instant {
    fn name() -> Cow<'static, str> {
        "Instant".into()
    }
}

impl ToSchema for Zip {
    fn name() -> Cow<'static, str> {
        "Zip".into()
    }
}

impl ToSchema for Day {
    fn name() -> Cow<'static, str> {
        "Day".into()
    }
}

impl ToSchema for Money {
    fn name() -> Cow<'static, str> {
        "Money".into()
    }
}

impl ToSchema for Rate {
    fn name() -> Cow<'static, str> {
        "Rate".into()
    }
}
