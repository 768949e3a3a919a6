//! From bytes to values, and from serde's errors to what a client may hear.

use std::borrow::Cow;

use ecs_domain::{Violation, Violations};
use serde::Deserialize;
use serde_json::error::Category;

use crate::Problem;

/// Why bytes are not the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonError {
    /// They are not JSON: where, never what.
    Malformed(String),
    /// They are JSON of another shape.
    Invalid(Violations),
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed(detail) => Self::malformed(detail),
            JsonError::Invalid(violations) => Self::invalid(violations),
        }
    }
}

/// Reads a value. Only what doesn't fit is read a second time, to find the path of the field.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    serde_json::from_slice(bytes).map_err(|error| explain::<T>(bytes, &error))
}

#[cold]
fn explain<'a, T: Deserialize<'a>>(bytes: &'a [u8], error: &serde_json::Error) -> JsonError {
    match error.classify() {
        Category::Data => invalid::<T>(bytes),
        // It is valid JSON, only no number that a machine holds: that is a matter of the field's value.
        Category::Syntax if error.to_string().starts_with(OUT_OF_RANGE) => invalid::<T>(bytes),
        Category::Syntax | Category::Eof | Category::Io => JsonError::Malformed(format!(
            "the body is not valid JSON: see line {}, column {}",
            error.line(),
            error.column()
        )),
    }
}

fn invalid<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> JsonError {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => JsonError::Malformed("the body holds more than one value".to_owned()),
        Err(error) => {
            let path = error.path().to_string();
            // serde calls the document itself ".".
            let field = if path == "." { "body".to_owned() } else { path };
            let message = message(&error.inner().to_string());
            JsonError::Invalid(Violation::new(field, message).into())
        }
    }
}

const OUT_OF_RANGE: &str = "number out of range";

/// Says what was expected. serde's own text quotes the value it met, so only its last words are looked at, and only
/// phrases of ours come out.
fn message(text: &str) -> Cow<'static, str> {
    if text.starts_with(OUT_OF_RANGE) {
        return "must be a number of a size that can be held".into();
    }
    if text.starts_with("duplicate field") {
        return "must not hold a field twice".into();
    }
    if text.starts_with("UUID parsing failed") {
        return "must be a UUID".into();
    }
    let expected = text.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let expected = expected.split_once(" at line ").map_or(expected, |(expected, _)| expected);
    match expected.split(' ').next().unwrap_or_default() {
        "f64" | "f32" => "must be a number".into(),
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => {
            "must be a whole number".into()
        }
        "a" if expected == "a boolean" => "must be true or false".into(),
        "a" if expected == "a map" => "must be an object".into(),
        "a" if expected.starts_with("a sequence") => "must be an array".into(),
        "a" | "string" if expected.ends_with("string") => "must be a string".into(),
        "UUID" => "must be a UUID".into(),
        "struct" => "must be an object".into(),
        _ => "is not valid".into(),
    }
}
