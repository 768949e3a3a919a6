//! The document by itself: whole, sound, and reviewed.

use std::collections::{BTreeMap, BTreeSet};

use ecs_api_gateway::{Access, ROUTES};
use serde_json::{Value, json};

use super::HEALTH;
use super::contract::Contract;

/// Every operation with its method and its path.
pub(crate) fn operations(document: &Value) -> impl Iterator<Item = (String, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_ascii_uppercase(), path.as_str(), operation))
    })
}

/// Every body, with where it stands and its content type.
fn bodies<'a>(contract: &'a Contract) -> Vec<(String, &'a str, &'a Value)> {
    let mut bodies = Vec::new();
    for (method, path, operation) in operations(contract.document()) {
        let mut add = |place: &str, holder: &'a Value| {
            let content = contract.resolve(holder).get("content").and_then(Value::as_object);
            for (media_type, content) in content.into_iter().flatten() {
                bodies.push((format!("{method} {path} {place}"), media_type.as_str(), content));
            }
        };
        add("request", operation.get("requestBody").unwrap_or(&Value::Null));
        for (status, response) in operation["responses"].as_object().unwrap() {
            add(status, response);
        }
    }
    bodies
}

/// The examples of a body.
pub(crate) fn examples(content: &Value) -> Vec<&Value> {
    let several = content.get("examples").and_then(Value::as_object).into_iter().flatten();
    content.get("example").into_iter().chain(several.map(|(_, example)| &example["value"])).collect()
}

#[test]
fn the_document_has_every_row_of_the_gateway_and_no_other() {
    let document = Contract::get().document();
    let security = |access: Access| match access {
        Access::Public => Value::Null,
        Access::Token | Access::TokenAsLastKnown => json!([{"bearer": []}]),
        Access::Key(_) => json!([{"internalKey": []}]),
    };
    let rows: BTreeMap<_, _> = ROUTES
        .iter()
        .flat_map(|row| {
            row.methods.iter().map(move |method| (format!("{method} {}", row.path), security(row.access)))
        })
        .chain(HEALTH.map(|path| (format!("GET {path}"), Value::Null)))
        .collect();
    let documented: BTreeMap<_, _> = operations(document)
        .map(|(method, path, operation)| {
            (format!("{method} {path}"), operation.get("security").cloned().unwrap_or_default())
        })
        .collect();
    for (call, security) in &rows {
        let described = documented.get(call);
        assert!(
            described.is_some(),
            "{call} is not documented: its handler needs #[utoipa::path] and a place in routes!"
        );
        assert_eq!(described, Some(security), "{call}: other credentials than the gateway asks for");
    }
    for call in documented.keys() {
        assert!(rows.contains_key(call), "{call} is documented, but no row of the gateway leads to it");
    }
}

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json"));
    let (committed, made) = (committed.unwrap_or_default(), ecs::openapi::json());
    let differing = committed.lines().zip(made.lines()).position(|(committed, made)| committed != made);
    let line = differing.unwrap_or_else(|| committed.lines().count().min(made.lines().count()));
    assert!(
        committed == made,
        "docs/openapi.json is not what the code says, from line {} on:\n  committed: {}\n  made:      {}\n\
         When the change is meant, run `cargo run -- openapi > docs/openapi.json` and review the difference.",
        line + 1,
        committed.lines().nth(line).unwrap_or_default(),
        made.lines().nth(line).unwrap_or_default(),
    );
}

#[test]
fn roles_do_not_describe_different_shapes_under_one_name() {
    assert!(ecs::openapi::clashes().is_empty(), "{:?}", ecs::openapi::clashes());
}

#[test]
fn every_operation_can_be_named_found_and_understood() {
    let document = Contract::get().document();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(document) {
        let call = format!("{method} {path}");
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{call}: {name} is taken");
        assert!(
            name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.contains('_'),
            "{call}: {name}"
        );
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(
            !summary.is_empty() && !summary.ends_with('.') && !summary.contains('`'),
            "{call}: {summary:?}"
        );
        let given = operation["tags"].as_array().unwrap();
        assert!(given.len() == 1 && tags.contains(given[0].as_str().unwrap()), "{call}: {given:?}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let in_path: Vec<String> = parameters
            .inspect(|parameter| assert!(parameter["description"].is_string(), "{call}: {parameter}"))
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let wanted: Vec<&str> = path.split('/').filter(|segment| segment.starts_with('{')).collect();
        assert_eq!(in_path, wanted, "{call}");
        let good = |status: &String| status.starts_with('2');
        assert!(operation["responses"].as_object().unwrap().keys().any(good), "{call} promises nothing");
    }
    let used: BTreeSet<&str> =
        operations(document).filter_map(|(_, _, operation)| operation["tags"][0].as_str()).collect();
    assert_eq!(used, tags, "a part of the platform without calls");
}

#[test]
fn every_field_is_described() {
    let document = Contract::get().document();
    let mut bare = Vec::new();
    for (name, shape) in document["components"]["schemas"].as_object().unwrap() {
        let parts = shape["allOf"].as_array().into_iter().flatten().chain([shape]);
        for (field, schema) in parts.filter_map(|part| part["properties"].as_object()).flatten() {
            // A reference is described where it leads.
            if schema.get("description").is_none() && schema.get("$ref").is_none() {
                bare.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(bare.is_empty(), "fields without a doc comment: {bare:#?}");
}

#[test]
fn every_json_body_has_an_example_and_every_example_is_valid() {
    let contract = Contract::get();
    let mut seen = 0;
    for (place, media_type, content) in bodies(contract) {
        let is_json = media_type.ends_with("json") && media_type != "application/x-ndjson";
        let found = examples(content);
        assert!(!found.is_empty() || !is_json || place == "GET /openapi.json 200", "{place} has no example");
        for example in found {
            seen += 1;
            let faults = contract.faults(&content["schema"], example);
            assert!(faults.is_empty(), "{place} {media_type}: {faults:#?} in {example}");
        }
    }
    assert!(seen > 20, "only {seen} examples were looked at");
    for (name, shape) in contract.document()["components"]["schemas"].as_object().unwrap() {
        for example in shape["examples"].as_array().into_iter().flatten() {
            let reference = json!({"$ref": format!("#/components/schemas/{name}")});
            let faults = contract.faults(&reference, example);
            assert!(faults.is_empty(), "{name}: {faults:#?} in {example}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = Contract::get().document();
    let mut references = BTreeSet::new();
    collect_references(document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

fn collect_references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_document_is_what_is_served() {
    let text = ecs::openapi::json();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"], json!([{"url": "/"}]));
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    assert_eq!(schemes["internalKey"]["name"], "X-Internal-Key");
}
