//! A row of a section: a JSON object whose members keep their order and every digit.

use std::fmt;

use ecs_vault::PersonKey;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sealed;

/// How a column stands in a table that shows less than it holds. Engines hand such columns on as text, and they are made readable in
/// one place, [`PersonalRow::reveal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// JSON as a text.
    Json,
    /// Bytes in hexadecimal digits, mostly JSON.
    Bytes,
    /// A text that stands sealed as this column's.
    SealedText(&'static str),
    /// JSON as a text that stands sealed as this column's.
    SealedJson(&'static str),
}

/// A column holds what it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the column {0} holds what it should not")]
pub struct Unreadable(pub &'static str);

/// A row. It shows itself as one line of JSON.
#[derive(Debug, Clone)]
pub struct PersonalRow(Vec<(String, Box<RawValue>)>);

impl PersonalRow {
    /// Reads a JSON object.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The members' names and values as JSON.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }

    /// Shows what is in these columns instead of how it is kept. `key` is the person's.
    pub fn reveal(
        mut self,
        columns: &[(&'static str, Hidden)],
        key: Option<&PersonKey>,
    ) -> Result<Self, Unreadable> {
        for (column, hidden) in columns {
            let value = self.0.iter_mut().find(|(name, _)| name == column);
            let (_, value) = value.ok_or(Unreadable(column))?;
            let Some(kept) = text(value).map_err(|_| Unreadable(column))? else { continue };
            let shown = match hidden {
                Hidden::Json => raw(compact(&kept)),
                Hidden::Bytes => hex::decode(&kept).ok().and_then(of_bytes),
                Hidden::SealedText(sealed_as) => {
                    let opened = sealed::open(key, sealed_as, kept).ok();
                    opened.and_then(|opened| raw(serde_json::to_string(&opened).ok()?))
                }
                Hidden::SealedJson(sealed_as) => {
                    sealed::open(key, sealed_as, kept).ok().and_then(|opened| raw(compact(&opened)))
                }
            };
            *value = shown.ok_or(Unreadable(column))?;
        }
        Ok(self)
    }
}

impl fmt::Display for PersonalRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.members().enumerate() {
            let name = serde_json::to_string(name).map_err(|_| fmt::Error)?;
            write!(f, "{}{name}:{value}", if at == 0 { "{" } else { "," })?;
        }
        f.write_str(if self.0.is_empty() { "{}" } else { "}" })
    }
}

impl<'de> Deserialize<'de> for PersonalRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = PersonalRow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PersonalRow, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(PersonalRow(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The text of a string; `None` for null.
fn text(value: &RawValue) -> Result<Option<String>, serde_json::Error> {
    serde_json::from_str(value.get())
}

fn raw(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}

/// Bytes as what they most probably are: JSON, a text, or nothing that could be shown.
fn of_bytes(bytes: Vec<u8>) -> Option<Box<RawValue>> {
    match String::from_utf8(bytes) {
        Ok(text) if serde_json::from_str::<&RawValue>(&text).is_ok() => raw(compact(&text)),
        Ok(text) => raw(serde_json::to_string(&text).ok()?),
        Err(other) => raw(format!("{{\"hex\":\"{}\"}}", hex::encode(other.as_bytes()))),
    }
}

/// JSON without the spaces and line breaks between its parts, so that a row stays on its line. Numbers keep their digits.
fn compact(json: &str) -> String {
    let (mut compact, mut in_text, mut escaped) = (String::with_capacity(json.len()), false, false);
    for character in json.chars() {
        if in_text || !character.is_ascii_whitespace() {
            compact.push(character);
        }
        in_text ^= character == '"' && !escaped;
        escaped = in_text && character == '\\' && !escaped;
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_order_and_its_digits() {
        for line in ["{}", r#"{"z":12.30,"a":null,"m":{"b":1.0e400,"a":[]}}"#, r#"{"quote \" in it":"é"}"#] {
            assert_eq!(PersonalRow::parse(line).unwrap().to_string(), line);
        }
        let spaced = PersonalRow::parse("{\"id\" : 7, \"at\" : \"now\"}").unwrap();
        assert_eq!(spaced.to_string(), r#"{"id":7,"at":"now"}"#);
        for other in ["", "[]", "7", "{"] {
            assert!(PersonalRow::parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn what_a_column_holds_is_shown() {
        let check = |kept: &str, hidden: Hidden, expect: Option<&str>| {
            let row = PersonalRow::parse(&format!("{{\"column\":{kept}}}")).unwrap();
            let shown = row.reveal(&[("column", hidden)], None).ok().map(|row| row.to_string());
            assert_eq!(shown, expect.map(|value| format!("{{\"column\":{value}}}")), "{kept}");
        };
        check("null", Hidden::Json, Some("null"));
        check(r#""[1.50, {\"a b\": \"c\\\" d\"}]""#, Hidden::Json, Some(r#"[1.50,{"a b":"c\" d"}]"#));
        check(r#""[1""#, Hidden::Json, None);
        check("7", Hidden::Json, None);
        check("null", Hidden::Bytes, Some("null"));
        check(r#""7B0A20226122203A20312E30207D""#, Hidden::Bytes, Some(r#"{"a":1.0}"#));
        check(r#""6f68""#, Hidden::Bytes, Some(r#""oh""#));
        check(r#""ff00""#, Hidden::Bytes, Some(r#"{"hex":"ff00"}"#));
        check(r#""xy""#, Hidden::Bytes, None);
        let row = PersonalRow::parse("{}").unwrap();
        assert_eq!(row.reveal(&[("column", Hidden::Json)], None).unwrap_err(), Unreadable("column"));
    }
}
