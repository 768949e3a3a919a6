//! Answers against the document.
//!
//! The document is taken more strictly here than its readers should take it: a field that it doesn't name is an error,
//! so that no field stays undocumented.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use crate::support::http::Answer;

/// What says when to come back.
const RETRIED: [StatusCode; 2] = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];

/// The document, with a validator of each shape that was asked for.
pub(crate) struct Contract {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    /// The platform's.
    pub(crate) fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(|| {
            let mut document = serde_json::to_value(ecs::openapi::document()).unwrap();
            close(&mut document);
            Self { document, validators: Mutex::default() }
        })
    }

    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The thing itself, where a reference may stand.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            None => value,
            Some(reference) => {
                self.document.pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference}"))
            }
        }
    }

    /// What the schema finds wrong with a value.
    pub(crate) fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let validator = self.validator(schema);
        let faults = validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path()));
        faults.collect()
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let build = || {
            let mut root = schema.clone();
            root["components"] = self.document["components"].clone();
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&root).unwrap_or_else(|error| panic!("{schema}: {error}")))
        };
        Arc::clone(validators.entry(schema.to_string()).or_insert_with(build))
    }

    /// The operation that a request goes to, with its path in the document.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let path = path.split('?').next().unwrap_or_default();
        let paths = self.document["paths"].as_object().unwrap();
        let (template, item) = paths.iter().find(|(template, _)| leads_to(template, path))?;
        let method = if method == "HEAD" { "GET" } else { method };
        Some((template, item.get(method.to_ascii_lowercase())?))
    }

    /// Fails when the document doesn't speak of such an answer to this request.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, answer: &Answer) {
        let Some((template, operation)) = self.operation(method, path) else { return };
        // The document is the platform's. A process without the role doesn't have the path.
        if answer.status == StatusCode::NOT_FOUND
            && !answer.body.is_empty()
            && answer.json()["detail"] == "there is no such path"
        {
            return;
        }
        let (status, call) = (answer.status, format!("{method} {template}"));
        let response = &operation["responses"][status.as_str()];
        assert!(!response.is_null(), "{call}: {status} is not documented: {answer:?}");
        let response = self.resolve(response);
        assert!(answer.headers.contains_key("x-request-id"), "{call} {status}");
        assert!(!RETRIED.contains(&status) || answer.headers.contains_key(RETRY_AFTER), "{call}");
        let Some(content) = response.get("content") else {
            assert!(answer.body.is_empty(), "{call} {status} has a body that is not documented");
            return;
        };
        if method != "HEAD" {
            self.check_body(&format!("{call} {status}"), content, answer);
        }
    }

    #[track_caller]
    fn check_body(&self, call: &str, content: &Value, answer: &Answer) {
        let media_type = answer.headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
        let media_type = media_type.split(';').next().unwrap_or_default();
        let documented = &content[media_type];
        assert!(!documented.is_null(), "{call}: the content type {media_type:?} is not documented");
        if media_type == "application/json" || media_type.ends_with("+json") {
            let faults = self.faults(&documented["schema"], &answer.json());
            assert!(faults.is_empty(), "{call}: {faults:#?} in {}", String::from_utf8_lossy(&answer.body));
        }
    }
}

fn leads_to(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(segment), Some(given)) if segment.starts_with('{') && !given.is_empty() => {}
            (Some(segment), Some(given)) if segment == given => {}
            _ => return false,
        }
    }
}

/// Lets no shape have other fields than it names.
fn close(document: &mut Value) {
    // What is a part of another shape has that shape's fields beside it.
    let mut parts = HashSet::new();
    visit(document, &mut |object| {
        let items = object.get("allOf").and_then(Value::as_array).into_iter().flatten();
        parts.extend(items.filter_map(|item| item["$ref"].as_str().map(str::to_owned)));
    });
    let shapes = document["components"]["schemas"].as_object_mut().unwrap();
    for (name, shape) in shapes {
        if parts.contains(&format!("#/components/schemas/{name}")) {
            continue;
        }
        if shape.get("allOf").is_some() {
            shape["unevaluatedProperties"] = json!(false);
            continue;
        }
        visit(shape, &mut |object| {
            if object.get("properties").is_some_and(Value::is_object) {
                object.entry("additionalProperties").or_insert(json!(false));
            }
        });
    }
}

fn visit(value: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            change(fields);
            fields.values_mut().for_each(|value| visit(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| visit(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_wrong_answer_is_found_out() {
    let contract = Contract::get();
    let score = json!({"$ref": "#/components/schemas/Prediction"});
    let faults = |change: &dyn Fn(&mut Value)| {
        let mut value = json!({
            "risk_score": 0.5, "model_version": "1", "model_digest": "", "base_log_odds": 0.1,
            "contributions": [{"feature": "f", "log_odds": 0.2}]
        });
        change(&mut value);
        contract.faults(&score, &value).len()
    };
    assert_eq!(faults(&|_| {}), 0);
    assert_eq!(faults(&|value| value["risk_score"] = json!(1.5)), 1);
    assert_eq!(faults(&|value| value["model_version"] = json!(null)), 1);
    assert_eq!(faults(&|value| value["surprise"] = json!(1)), 1);
    assert_eq!(faults(&|value| value["contributions"][0]["surprise"] = json!(1)), 1);
    let no_id = json!("not a UUID");
    assert_eq!(contract.faults(&json!({"type": "string", "format": "uuid"}), &no_id).len(), 1);
}
