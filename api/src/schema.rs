//! JSON Schema (2020-12) of manifests: what editors complete from, served at `/schemas/KIND.json`.

use portcullis_domain::spec::{
    ClientSpec, ContractSpec, ExerciseSpec, FeedSpec, IntegrationSpec, IssuerSpec, Kind, PolicySpec,
    RouteSpec, TrustDomainSpec, TunnelSpec, UpstreamSpec, VendorSpec,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

/// The regular expression of [`portcullis_domain::spec::is_name`].
pub const NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

/// The schema of a whole manifest of one kind.
#[must_use]
pub fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Vendor => manifest::<VendorSpec>(kind),
        Kind::Contract => manifest::<ContractSpec>(kind),
        Kind::Upstream => manifest::<UpstreamSpec>(kind),
        Kind::Route => manifest::<RouteSpec>(kind),
        Kind::Integration => manifest::<IntegrationSpec>(kind),
        Kind::Client => manifest::<ClientSpec>(kind),
        Kind::Issuer => manifest::<IssuerSpec>(kind),
        Kind::TrustDomain => manifest::<TrustDomainSpec>(kind),
        Kind::Policy => manifest::<PolicySpec>(kind),
        Kind::Feed => manifest::<FeedSpec>(kind),
        Kind::Tunnel => manifest::<TunnelSpec>(kind),
        Kind::Exercise => manifest::<ExerciseSpec>(kind),
    }
}

fn manifest<T: JsonSchema>(kind: Kind) -> Value {
    let mut generator = SchemaGenerator::default();
    let spec = generator.subschema_for::<T>();
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("/schemas/{kind}.json"),
        "title": format!("Manifest of kind {kind}"),
        "type": "object",
        "properties": {
            "kind": { "const": kind },
            "name": {
                "type": "string",
                "description": "Unique among resources of the kind: lower-case letters, digits and hyphens.",
                "maxLength": 63,
                "pattern": NAME_PATTERN,
            },
            "labels": {
                "type": "object",
                "description": "Free words about the resource.",
                "additionalProperties": { "type": "string" },
            },
            "spec": spec,
        },
        "required": ["kind", "name", "spec"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every `$ref` leads somewhere, and every group of fields refuses others.
    fn check(value: &Value, root: &Value, seen: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect(reference);
                    assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
                    seen.insert(reference.to_owned());
                }
                if members.contains_key("properties") {
                    assert_eq!(members.get("additionalProperties"), Some(&json!(false)), "{value}");
                    let required = members.get("required").and_then(Value::as_array).cloned();
                    for name in required.unwrap_or_default() {
                        assert!(value["properties"].get(name.as_str().unwrap()).is_some(), "{name}");
                    }
                }
                members.values().for_each(|inner| check(inner, root, seen));
            }
            Value::Array(items) => items.iter().for_each(|inner| check(inner, root, seen)),
            _ => {}
        }
    }

    #[test]
    fn every_kind_has_a_closed_schema() {
        for kind in Kind::ALL {
            let schema = schema(kind);
            let mut seen = BTreeSet::new();
            check(&schema, &schema, &mut seen);
            assert!(seen.contains(&format!("#/$defs/{kind}Spec")), "{schema}");
            assert_eq!(schema["properties"]["kind"]["const"], kind.as_str());
            for definition in schema["$defs"].as_object().unwrap().keys() {
                assert!(seen.contains(&format!("#/$defs/{definition}")), "{definition} is not used");
            }
        }
    }

    #[test]
    fn the_fields_are_those_that_the_parser_takes() {
        let schema = schema(Kind::Client);
        let fields: Vec<&String> =
            schema["$defs"]["ClientSpec"]["properties"].as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            ["integration", "jwks", "certificates", "subject", "assertion_audience", "tls", "key_exportable"]
        );
        assert_eq!(schema["$defs"]["ClientSpec"]["required"], json!(["integration"]));
    }
}
