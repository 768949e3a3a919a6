//! From bytes to values, and from serde's errors to what a client may hear.

use std::borrow::Cow;
use std::ops::Deref;

use ecs_domain::{Violation, Violations};
use serde::Deserialize;
use serde_json::error::Category;

use super::Object;
use crate::Problem;

/// Why bytes are not the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonError {
    /// They are not JSON: where, never what.
    Malformed {
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of a line.
        column: usize,
    },
    /// They are JSON of another shape.
    Invalid(Violations),
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed { line, column } => {
                Self::malformed(format!("the body is not valid JSON: see line {line}, column {column}"))
            }
            JsonError::Invalid(violations) => Self::invalid(violations),
        }
    }
}

/// Reads an object. Only what doesn't fit is read a second time, to find the path of the field.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    match serde_json::from_slice::<Object<T>>(bytes) {
        Ok(Object(value)) => Ok(value),
        Err(error) => Err(explain::<T>(bytes, &error)),
    }
}

/// Text that is borrowed from the body unless it holds escapes. In an `Option`, serde's own `Cow` would always copy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cold]
fn explain<'a, T: Deserialize<'a>>(bytes: &'a [u8], error: &serde_json::Error) -> JsonError {
    let place = JsonError::Malformed { line: error.line(), column: error.column() };
    match error.classify() {
        Category::Data => violation_of::<T>(bytes).unwrap_or(place),
        // It is valid JSON, only no number that a machine holds: that is a matter of the field's value.
        Category::Syntax if error.to_string().starts_with(OUT_OF_RANGE) => {
            violation_of::<T>(bytes).unwrap_or(place)
        }
        Category::Syntax | Category::Eof | Category::Io => place,
    }
}

/// Reads the bytes once more, now keeping the path. The same bytes fail in the same way.
fn violation_of<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<JsonError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let error = serde_path_to_error::deserialize::<_, Object<T>>(&mut json).err()?;
    let text = error.inner().to_string();
    // serde calls the document itself ".".
    let path = Some(error.path().to_string()).filter(|path| path != ".");
    let field = match (path, named_field(&text)) {
        (Some(path), Some(name)) => format!("{path}.{name}"),
        (None, Some(name)) => name.to_owned(),
        (Some(path), None) => path,
        (None, None) => "body".to_owned(),
    };
    let message = message(&text);
    Some(JsonError::Invalid(Violation::new(field, message).into()))
}

/// The field that is missing or stands twice, which serde's path doesn't say. The name is one of ours.
fn named_field(text: &str) -> Option<&str> {
    let rest = [MISSING, DUPLICATE].into_iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let (name, _) = rest.strip_prefix('`')?.split_once('`')?;
    Some(name)
}

const MISSING: &str = "missing field ";
const DUPLICATE: &str = "duplicate field ";
const OUT_OF_RANGE: &str = "number out of range";

/// Says what was expected. serde's own text quotes the value it met, so only its last words are looked at, and only
/// phrases of ours come out.
fn message(text: &str) -> Cow<'static, str> {
    if text.starts_with(OUT_OF_RANGE) {
        return "must be a number of a size that can be held".into();
    }
    if text.starts_with(MISSING) {
        return "is required".into();
    }
    if text.starts_with(DUPLICATE) {
        return "must not stand twice".into();
    }
    if text.starts_with("UUID parsing failed") {
        return "must be a UUID".into();
    }
    if text.starts_with("unknown field ") {
        return "is not a field of this call".into();
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
