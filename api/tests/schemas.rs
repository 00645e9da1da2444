//! Schemas and the parser say the same: what one takes, the other takes. The validator here is a
//! naive one, for the words that our schemas use; a word that it doesn't know fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use portcullis_api::dossiers::changes;
use portcullis_api::manifest::parse;
use portcullis_api::schema::schema;
use portcullis_api::template::{TEMPLATES, integration_template};
use portcullis_domain::ids::OperatorId;
use portcullis_domain::spec::{Kind, is_name};
use serde_json::{Value, json};

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("type `{other}` is not known to this test"),
    }
}

/// Whether `value` is valid by `rules`.
fn holds(value: &Value, rules: &Value, root: &Value) -> bool {
    let rules = match rules {
        Value::Bool(all) => return *all,
        Value::Object(rules) => rules,
        other => panic!("not a schema: {other}"),
    };
    rules.iter().all(|(word, rule)| match word.as_str() {
        "title" | "description" | "default" | "examples" | "format" | "$schema" | "$id" | "$defs" => true,
        "$ref" => holds(value, root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(), root),
        "type" => match rule {
            Value::Array(names) => names.iter().any(|name| is_of_type(value, name.as_str().unwrap())),
            name => is_of_type(value, name.as_str().unwrap()),
        },
        "const" => value == rule,
        "enum" => rule.as_array().unwrap().contains(value),
        "anyOf" => rule.as_array().unwrap().iter().any(|one| holds(value, one, root)),
        "oneOf" => rule.as_array().unwrap().iter().filter(|one| holds(value, one, root)).count() == 1,
        "required" => value.as_object().is_none_or(|members| {
            rule.as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|members| {
            members.iter().all(|(name, value)| rule.get(name).is_none_or(|rule| holds(value, rule, root)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|members| {
            let named = rules.get("properties");
            let others =
                members.iter().filter(|(name, _)| named.is_none_or(|named| named.get(name).is_none()));
            others.into_iter().all(|(_, value)| holds(value, rule, root))
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| holds(item, rule, root))),
        "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => value.as_u64().is_none_or(|number| number <= rule.as_u64().unwrap()),
        "maxLength" => value.as_str().is_none_or(|text| text.len() as u64 <= rule.as_u64().unwrap()),
        "pattern" => {
            assert_eq!(rule, portcullis_api::schema::NAME_PATTERN);
            value.as_str().is_none_or(is_name)
        }
        other => panic!("word `{other}` is not known to this test"),
    })
}

/// What a manifest says, by the parser: with its defaults, as the schema of its kind describes it.
fn check_all(text: &str) {
    let documents = parse("f", text).unwrap_or_else(|errors| panic!("{}", errors[0]));
    assert!(!documents.is_empty());
    for document in documents {
        let whole = serde_json::to_value(&document.declaration).unwrap();
        let schema = schema(document.declaration.spec.kind());
        assert!(holds(&whole, &schema, &schema), "{whole}\n{schema}");
    }
}

/// What is put in when an example is loaded, which counts from that day.
fn dated(text: &str) -> String {
    let mut text = text.replace("CONTRACT_END", "2099-12-31");
    while let Some((before, rest)) = text.split_once("{{") {
        let (inside, after) = rest.split_once("}}").unwrap();
        let date = if inside.starts_with("today") { "2026-01-01" } else { "2026-01-01T00:00:00Z" };
        text = format!("{before}{date}{after}");
    }
    text
}

/// What is said of a vendor can be said.
fn check_changes(text: &str) {
    let written = changes::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let read = changes::read(written, OperatorId(uuid::Uuid::nil()), now);
    assert!(!read.unwrap_or_else(|faults| panic!("{}", faults[0])).is_empty());
}

#[test]
fn every_example_and_every_template_is_valid() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    let mut read = 0;
    for folder in [folder.to_owned(), folder.join("dossiers")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "yaml" || ending == "json") {
                let text = dated(&std::fs::read_to_string(&path).unwrap());
                let is_changes = text.lines().any(|line| line.starts_with("- "));
                if is_changes {
                    check_changes(&text)
                } else {
                    check_all(&text)
                }
                read += 1;
            }
        }
    }
    assert!(read >= 15, "{read} examples");
    for which in TEMPLATES {
        check_all(&integration_template(which, "acme", jiff::civil::date(2026, 1, 1)).unwrap());
    }
}

#[test]
fn parser_and_schema_take_and_refuse_the_same() {
    let client = |members: Value| {
        let mut spec = json!({ "integration": "i" });
        spec.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({ "kind": "Client", "name": "c", "spec": spec })
    };
    let route = |name: &str, value: Value| {
        let mut spec = json!({ "upstream": "u", "methods": ["GET"], "path": "/", "scope": "s" });
        spec[name] = value;
        json!({ "kind": "Route", "name": "r", "spec": spec })
    };
    let contract = |levels: Value| {
        let mut spec =
            json!({ "vendor": "v", "starts": "2026-01-01", "ends": "2026-12-31", "time_zone": "UTC" });
        spec["service_levels"] = levels;
        json!({ "kind": "Contract", "name": "c", "spec": spec })
    };
    let vendor = |name: &str| json!({ "kind": "Vendor", "name": name, "spec": { "legal_name": "V" } });
    for (manifest, expect) in [
        (vendor("a"), true),
        (json!({ "kind": "Vendor", "name": "a" }), false),
        (json!({ "kind": "Vendor", "name": "a", "spec": {} }), false),
        (json!({ "kind": "Vendor", "name": "a", "spec": { "legal_name": "V", "x": 1 } }), false),
        (json!({ "kind": "Vendor", "name": "a", "spec": { "legal_name": "V" }, "x": 1 }), false),
        (json!({ "kind": "Vendor", "name": "a", "labels": [], "spec": { "legal_name": "V" } }), false),
        (client(json!({ "jwks": { "keys": [] }, "certificates": ["x"] })), true),
        (client(json!({ "subject": { "certificate_authority": "x", "san_dns": "y" } })), true),
        (client(json!({ "subject": { "san_dns": "y" } })), false),
        (client(json!({ "certificates": "x" })), false),
        (client(json!({ "client_secret": "x" })), false),
        (contract(json!({ "availability_percent": 99.9, "latency_p99_ms": 300 })), true),
        (contract(json!({ "availability_percent": 99 })), true),
        (contract(json!({ "availability_percent": "99" })), false),
        (contract(json!({ "latency_p99_ms": 0.5 })), false),
        (contract(json!({ "uptime": 99.9 })), false),
        (client(json!({ "assertion_audience": "token_endpoint" })), true),
        (client(json!({ "assertion_audience": "anything" })), false),
        (route("impact", json!("high")), true),
        (route("impact", json!("huge")), false),
        (route("page_max", json!(5)), true),
        (route("page_max", json!(-5)), false),
        (route("page_max", Value::Null), true),
        (route("metered", json!("no")), false),
        (route("methods", json!([["GET"]])), false),
    ] {
        let kind = Kind::from_word(manifest["kind"].as_str().unwrap()).unwrap();
        let schema = schema(kind);
        assert_eq!(holds(&manifest, &schema, &schema), expect, "schema: {manifest}");
        assert_eq!(parse("f", &manifest.to_string()).is_ok(), expect, "parser: {manifest}");
    }
    // Names are checked by `decide`, which sees all faults of a batch at once.
    let schema = schema(Kind::Vendor);
    for name in ["A", "-a", "a_b", "", &"a".repeat(64)] {
        assert!(!holds(&vendor(name), &schema, &schema), "{name}");
    }
}
