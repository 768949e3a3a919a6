//! Where a stream or consumer that exists already differs from what it should be. The server keeps whatever it finds and says
//! nothing, so a stream that somebody made by hand, in memory, would take events for durable that are not.

use ecs_bus::BusError;
use serde_json::Value;

/// What one field of a configuration should be.
pub(crate) struct Rule {
    /// The server's name of the field.
    field: &'static str,
    /// What it should be, in words or digits.
    wanted: String,
    /// Which promise would be broken otherwise; `None` where a difference is only worth a word.
    promise: Option<&'static str>,
    holds: Box<dyn Fn(&Value) -> bool + Send + Sync>,
}

impl Rule {
    /// A field on which a promise of the bus depends.
    pub(crate) fn must(
        field: &'static str,
        wanted: impl Into<String>,
        promise: &'static str,
        holds: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { field, wanted: wanted.into(), promise: Some(promise), holds: Box::new(holds) }
    }

    /// A field that should be so, and may be otherwise.
    pub(crate) fn should(
        field: &'static str,
        wanted: impl Into<String>,
        holds: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { field, wanted: wanted.into(), promise: None, holds: Box::new(holds) }
    }
}

/// The text of a field; empty where the server leaves it out.
pub(crate) fn text<'a>(config: &'a Value, field: &str) -> &'a str {
    config.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The number of a field; 0 where the server leaves it out.
pub(crate) fn number(config: &Value, field: &str) -> i64 {
    config.get(field).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether a field is on; off where the server leaves it out.
pub(crate) fn is_on(config: &Value, field: &str) -> bool {
    config.get(field).and_then(Value::as_bool).unwrap_or_default()
}

/// Holds a configuration against its rules. Differences are logged, each with both values; those that break a promise are
/// refused, all of them at once, so that nobody has to find them one by one.
pub(crate) fn check(what: &str, config: &Value, rules: &[Rule]) -> Result<(), BusError> {
    let mut broken = Vec::new();
    for rule in rules.iter().filter(|rule| !(rule.holds)(config)) {
        let found = config.get(rule.field).map_or_else(|| "not set".to_owned(), Value::to_string);
        let Rule { field, wanted, .. } = rule;
        tracing::warn!(what, field, wanted, found, "differs from what the bus would make");
        if let Some(promise) = rule.promise {
            broken.push(format!("{field} is {found} and must be {wanted}, or {promise}"));
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(BusError::Corrupt(format!("{what} can't be used: {}", broken.join("; "))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_breaks_a_promise_is_refused_with_both_values() {
        let rules = [
            Rule::must("storage", "file", "events would be lost", |config| text(config, "storage") == "file"),
            Rule::must("max_age", "0", "events would go unseen", |config| number(config, "max_age") == 0),
            Rule::should("allow_atomic", "true", |config| is_on(config, "allow_atomic")),
        ];
        let verdict = |config: Value| {
            super::check("the stream s", &config, &rules).err().map(|error| error.to_string())
        };
        assert_eq!(verdict(json!({"storage": "file", "allow_atomic": true})), None);
        assert_eq!(verdict(json!({"storage": "file"})), None, "a difference that breaks nothing");
        assert_eq!(
            verdict(json!({"storage": "memory", "max_age": 5})).as_deref(),
            Some(
                "the bus holds what it should not: the stream s can't be used: \
                 storage is \"memory\" and must be file, or events would be lost; \
                 max_age is 5 and must be 0, or events would go unseen"
            )
        );
        assert!(verdict(json!({})).is_some_and(|text| text.contains("storage is not set")));
    }
}
