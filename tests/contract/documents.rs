//! The committed documents are what the program says, and the OpenAPI document says all that it should.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::list;

/// The committed documents are compared as JSON, so that only their content counts.
fn committed(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn openapi() -> Value {
    serde_json::from_str(&consilium::http::openapi::document().unwrap()).unwrap()
}

#[test]
fn the_committed_documents_are_up_to_date() {
    let asyncapi: Value = serde_json::from_str(&consilium::live::asyncapi::document()).unwrap();
    for (name, fresh) in [("openapi.json", openapi()), ("asyncapi.json", asyncapi)] {
        let old = committed(name);
        for key in ["info", "paths", "components", "channels", "operations"] {
            assert_eq!(old[key], fresh[key], "docs/{name}: {key} has drifted: run make contract");
        }
        assert_eq!(old, fresh, "docs/{name} has drifted: run make contract");
    }
}

#[tokio::test]
async fn a_running_server_serves_the_same_documents() {
    let app = crate::support::app::TestApp::start().await;
    for name in ["openapi.json", "asyncapi.json"] {
        let served = app.nobody().get(&format!("/{name}")).await;
        assert_eq!(served.headers["content-type"], "application/json");
        assert_eq!(served.expect(200), committed(name), "{name}");
    }
}

/// `(method, path)` of each operation, with the operation.
fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.insert((method.to_uppercase(), path.clone()), operation.clone());
        }
    }
    found
}

#[test]
fn the_document_has_every_served_row_and_nothing_else() {
    let key = |row: &list::Row| (row.method.to_string(), row.path.trim_end_matches('/').to_owned());
    let expected: BTreeMap<_, _> =
        list::served().iter().filter(|row| row.is_documented()).map(|row| (key(row), row.id)).collect();
    let found: BTreeMap<_, _> = operations(&openapi())
        .into_iter()
        .map(|(key, operation)| (key, operation["operationId"].as_str().unwrap_or("none").to_owned()))
        .collect();
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(key, id)| (key, id.to_owned())).collect();
    assert_eq!(found, expected, "routes and SERVED of tests/contract/list.rs say the same");
}

#[test]
fn every_operation_is_described() {
    let document = openapi();
    let rows: BTreeMap<_, _> = list::served().into_iter().map(|row| (row.id, row)).collect();
    let mut ids = HashSet::new();
    for ((method, path), operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{at}: no operationId"));
        assert!(ids.insert(id.to_owned()), "{at}: {id} twice");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{at}: no summary");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{at}: one tag");
        let row = &rows[id];
        let responses = operation["responses"].as_object().unwrap();
        for status in &row.ok {
            assert!(responses.contains_key(&status.to_string()), "{at}: {status} is not documented");
        }
        let default = &responses["default"]["content"]["application/json"]["schema"]["$ref"];
        assert_eq!(default, "#/components/schemas/ErrorBody", "{at}");
        let needs_token =
            operation["security"].as_array().is_some_and(|all| all.iter().any(|one| one["bearer"].is_array()));
        assert_eq!(needs_token, row.roles().is_some() || row.who == "optional auth", "{at}: security");
        let declared: HashSet<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let in_path: HashSet<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')))
            .collect();
        assert_eq!(declared, in_path, "{at}: path parameters");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(!parameter["schema"]["type"].is_array(), "{at}: a query cannot carry null: {parameter}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = openapi();
    let mut references = HashSet::new();
    collect(&document, &mut references);
    for reference in &references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(references.contains(&format!("#/components/schemas/{name}")), "{name} is used nowhere");
        for property in schema["properties"].as_object().into_iter().flatten().map(|(property, _)| property) {
            assert!(is_snake_case(property), "{name}.{property}");
        }
    }
}

fn collect(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.insert(reference.clone());
            }
            members.values().for_each(|member| collect(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Lower-case letters, digits and single underscores.
pub(crate) fn is_snake_case(key: &str) -> bool {
    key.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !key.contains("__")
        && !key.starts_with('_')
}
