//! The key and its answers in the document.

use utoipa::IntoParams;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{OpenApi, RefOr, Required, ResponseBuilder};

use super::{IdempotencyKey, MAX_CHARS, NAME, under_way};

/// The header as a parameter: `params(IdempotencyKey)`.
impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let what = "Your own name for this request, by which it may be repeated: 1 to 128 characters of printable \
                    ASCII, quoted or not.";
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_CHARS))
            .examples(["8e03978e-40d5-43e8-bc93-6894a57f9324"]);
        let place = ParameterBuilder::new().name(NAME).parameter_in(ParameterIn::Header);
        let place = place.required(Required::False).description(Some(what));
        vec![place.schema(Some(RefOr::T(Schema::Object(schema.build())))).build()]
    }
}

/// Adds to each operation with the header what comes of keeping its answers: 409 while a request is under way, and the
/// mark of an answer that was given before.
pub fn describe_replays(document: &mut OpenApi) {
    let posts = document.paths.paths.values_mut().filter_map(|item| item.post.as_mut());
    for operation in posts.filter(|operation| takes_key(operation)) {
        let responses = &mut operation.responses.responses;
        let waiting = || ResponseBuilder::new().description(under_way().detail()).build().into();
        responses.entry("409".to_owned()).or_insert_with(waiting);
        for (status, response) in responses.iter_mut() {
            if let RefOr::T(response) = response
                && !matches!(status.as_str(), "400" | "401" | "403" | "413" | "415" | "422")
            {
                let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"]));
                let what = "There when the answer was given before, to the same request with the same key.";
                let header = HeaderBuilder::new().schema(Some(schema)).description(Some(what)).build();
                response.headers.insert("Idempotency-Replayed".to_owned(), header.into());
            }
        }
    }
}

fn takes_key(operation: &Operation) -> bool {
    let is_key =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == NAME);
    operation.parameters.iter().flatten().any(is_key)
}
