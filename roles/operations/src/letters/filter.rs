//! Which letters are meant, as queries and bodies say it.

use std::borrow::Cow;
use std::str::FromStr;

use ecs_domain::Violations;
use ecs_store::LetterFilter;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{kinds, states};

/// The letters that are meant: all that match every field; without a field, all.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterFilter, examples(json!({"subject": "user.emotions.topic", "kind": "unknown-user"})))]
pub(crate) struct RawFilter {
    /// Of this subject.
    pub(super) subject: Option<String>,
    /// Of this group.
    pub(super) group: Option<String>,
    /// In this state. What is to be replayed or dropped waits anyway.
    #[schema(schema_with = states)]
    pub(super) state: Option<String>,
    /// With trouble of this kind.
    #[schema(schema_with = kinds)]
    pub(super) kind: Option<String>,
    /// With this text in the reason, upper or lower case.
    pub(super) reason: Option<String>,
    /// Of this user.
    #[schema(value_type = Option<ecs_web::openapi::Id>)]
    pub(super) user: Option<String>,
    /// Of this event.
    #[schema(value_type = Option<ecs_web::openapi::Id>)]
    pub(super) event: Option<String>,
    /// Given up at or after this time.
    #[schema(value_type = Option<ecs_web::openapi::Instant>)]
    pub(super) since: Option<String>,
    /// Given up before this time.
    #[schema(value_type = Option<ecs_web::openapi::Instant>)]
    pub(super) until: Option<String>,
}

impl RawFilter {
    /// The filter, after noting what is wrong with it. `prefix` stands before the names of the fields.
    pub(super) fn read(self, prefix: &'static str, violations: &mut Violations) -> LetterFilter {
        let mut field = Fields { prefix, violations };
        LetterFilter {
            state: field.words("state", self.state),
            kind: field.words("kind", self.kind),
            key: field.parsed("user", self.user, "must be a UUID"),
            event: field.parsed("event", self.event, "must be a UUID"),
            since: field.parsed("since", self.since, "must be a time such as 2026-11-20T14:30:00Z"),
            until: field.parsed("until", self.until, "must be a time such as 2026-11-20T14:30:00Z"),
            subject: self.subject,
            group: self.group,
            reason: self.reason,
        }
    }
}

struct Fields<'a> {
    prefix: &'static str,
    violations: &'a mut Violations,
}

impl Fields<'_> {
    fn parsed<T: FromStr>(&mut self, name: &str, text: Option<String>, expected: &'static str) -> Option<T> {
        let parsed = text?.parse().ok();
        if parsed.is_none() {
            self.push(name, expected.into());
        }
        parsed
    }

    /// A word out of a few; its own error names them.
    fn words<T: FromStr<Err = String>>(&mut self, name: &str, text: Option<String>) -> Option<T> {
        text?.parse().map_err(|expected: String| self.push(name, expected.into())).ok()
    }

    fn push(&mut self, name: &str, message: Cow<'static, str>) {
        self.violations.push(format!("{}{name}", self.prefix), message);
    }
}
