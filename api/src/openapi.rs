//! The OpenAPI 3.1 document of control, from one table of routes.
//!
//! `api/openapi.json` is the committed copy; a test fails when it differs
//! (`UPDATE_OPENAPI=1` writes it anew).

pub mod routes;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::page::LIMIT_MAX;
use crate::problem::{MEDIA_TYPE, Problem};
use routes::{Answer, Route, routes};

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let problem = value(generator.subschema_for::<Problem>());
    let mut paths = Map::new();
    for route in routes() {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_owned(), operation(&route, &mut generator, &problem));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis control",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What operators and their tools ask of control. Vendors never reach it: they talk with the gate.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{ "url": "/" }],
        "security": [{ "operator": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An operator's token: `pcl_` and 43 characters.",
                },
            },
            "schemas": generator.take_definitions(true),
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut parameters: Vec<Value> = path_parameters(route.path);
    parameters.extend(route.query.iter().map(|(name, description, schema)| {
        json!({ "name": name, "in": "query", "description": description, "schema": query_schema(schema) })
    }));
    parameters.extend(route.headers.iter().map(|(name, description)| {
        json!({ "name": name, "in": "header", "description": description, "schema": { "type": "string" } })
    }));
    let mut operation = Map::new();
    operation.insert("operationId".into(), json!(route.id));
    operation.insert("summary".into(), json!(route.summary));
    if !route.description.is_empty() {
        operation.insert("description".into(), json!(route.description));
    }
    if route.public {
        operation.insert("security".into(), json!([]));
    }
    if !parameters.is_empty() {
        operation.insert("parameters".into(), Value::Array(parameters));
    }
    if let Some(request) = route.request {
        let schema = request(generator);
        operation.insert(
            "requestBody".into(),
            json!({ "required": true, "content": { "application/json": { "schema": value(schema) } } }),
        );
    }
    let mut answers = Map::new();
    for answer in &route.answers {
        answers.insert(answer.status.to_string(), answered(answer, generator));
    }
    answers.insert(
        "default".into(),
        json!({ "description": "A refusal, with the next step.", "content": { MEDIA_TYPE: { "schema": problem } } }),
    );
    operation.insert("responses".into(), Value::Object(answers));
    Value::Object(operation)
}

fn answered(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    match answer.schema {
        Some(schema) => json!({
            "description": answer.description,
            "content": { answer.media: { "schema": value(schema(generator)) } },
        }),
        None if answer.media.is_empty() => json!({ "description": answer.description }),
        None => json!({ "description": answer.description, "content": { answer.media: {} } }),
    }
}

/// The `{name}` segments of a path.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

fn query_schema(name: &str) -> Value {
    match name {
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }),
        "number" => json!({ "type": "integer", "minimum": 0 }),
        "boolean" => json!({ "type": "boolean" }),
        "instant" => json!({ "type": "string", "format": "date-time" }),
        "verdict" => json!({ "type": "string", "enum": ["allow", "limit", "challenge", "deny", "sever"] }),
        "would" => json!({ "type": "string", "enum": ["stop"] }),
        _ => json!({ "type": "string" }),
    }
}

fn value(schema: schemars::Schema) -> Value {
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_committed_document_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let mut text = serde_json::to_string_pretty(&document()).unwrap();
        text.push('\n');
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text, "api/openapi.json is stale\nhint: run the test with UPDATE_OPENAPI=1");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_its_own_name() {
        fn check(value: &Value, root: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                        let pointer = reference.strip_prefix('#').expect(reference);
                        assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
                    }
                    members.values().for_each(|inner| check(inner, root));
                }
                Value::Array(items) => items.iter().for_each(|inner| check(inner, root)),
                _ => {}
            }
        }
        let document = document();
        check(&document, &document);
        let table = routes();
        let names: BTreeSet<_> = table.iter().map(|route| route.id).collect();
        let places: BTreeSet<_> = table.iter().map(|route| (route.method, route.path)).collect();
        assert_eq!((names.len(), places.len()), (table.len(), table.len()));
        for route in &table {
            // What is counted names vendors and their volumes.
            let open = !route.path.starts_with("/v1/") && route.path != "/metrics";
            assert_eq!(route.public, open, "{}", route.path);
        }
    }
}
