//! The calls of the platform as its document has them, and requests made of them.

use std::collections::BTreeMap;

use ecs_domain::permission::Permission;
use ecs_web::auth::ACCESS;
use serde_json::{Value, json};

use crate::openapi::contract::Contract;
use crate::openapi::document::{examples, operations};

/// The stream refuses this; without it, an answer to whoever may read it would have no end.
pub(super) const NO_STREAM: (&str, &str) = ("last-event-id", "none");

/// What stands in paths and bodies, by its name.
pub(super) type Ids = BTreeMap<&'static str, String>;

/// Who may make a call, as the document says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Token,
    InPerson,
    OwnOr(Permission),
    Permission(Permission),
    ServiceKey(Permission),
}

/// One operation.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) template: &'static str,
    pub(super) who: Who,
    operation: &'static Value,
}

/// Every operation of the document.
pub(super) fn calls() -> Vec<Call> {
    let every = operations(Contract::get().document());
    let mut calls: Vec<Call> =
        every.map(|(method, template, operation)| Call::read(method, template, operation)).collect();
    // What is removed is not there for the others.
    calls.sort_by_key(|call| call.method == "DELETE");
    calls
}

impl Call {
    fn read(method: String, template: &'static str, operation: &'static Value) -> Self {
        let access = &operation[ACCESS];
        let permission = || access["permission"].as_str().unwrap().parse().unwrap();
        let who = match access["who"].as_str() {
            Some("anyone") => Who::Anyone,
            Some("token") => Who::Token,
            Some("in-person") => Who::InPerson,
            Some("own-or-permission") => Who::OwnOr(permission()),
            Some("permission") => Who::Permission(permission()),
            Some("service-key") => Who::ServiceKey(permission()),
            other => panic!("{method} {template} doesn't say who may make it: {other:?}"),
        };
        Self { method, template, who, operation }
    }

    /// Whether its path names something besides a user that belongs to a user.
    pub(super) fn names_an_object(&self) -> bool {
        let mut names = self.template.split('/').filter_map(name);
        names.any(|name| name.ends_with("_id") && name != "user_id")
    }

    pub(super) fn is_stream(&self) -> bool {
        self.operation["responses"]["200"]["content"].get("text/event-stream").is_some()
    }

    /// Its methods: where there is a GET there is a HEAD, which must not be an easier way in.
    pub(super) fn methods(&self) -> Vec<&str> {
        if self.method == "GET" { vec!["GET", "HEAD"] } else { vec![self.method.as_str()] }
    }

    /// The path about these.
    pub(super) fn path(&self, ids: &Ids) -> String {
        let fill = |segment: &str| match name(segment) {
            None => segment.to_owned(),
            Some(name) => {
                ids.get(name).unwrap_or_else(|| panic!("{}: give the victim a {name}", self.template)).clone()
            }
        };
        let path: Vec<String> = self.template.split('/').map(fill).collect();
        let ledger = if self.template.ends_with("/counted") { "?ledger=emotions" } else { "" };
        path.join("/") + ledger
    }

    /// The first example of its body, about these.
    pub(super) fn body(&self, ids: &Ids) -> Option<Value> {
        let content = self.operation["requestBody"]["content"].get("application/json")?;
        let mut body =
            (*examples(content).first().unwrap_or_else(|| panic!("{}: no example", self.template))).clone();
        fill(&mut body, ids);
        Some(body)
    }
}

fn name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn fill(value: &mut Value, ids: &Ids) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "userId" | "user_id" => *value = json!(ids["user_id"]),
                    // Of dead letters.
                    "ids" => *value = json!([ids["letter_id"].parse::<i64>().unwrap()]),
                    // Nobody may grant what they don't hold, which would hide whether they may make the call.
                    "roles" | "permissions" => *value = json!([]),
                    _ => fill(value, ids),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
