//! A resource as it is shown.

use std::collections::BTreeMap;

use portcullis_domain::ids::SubjectId;
use portcullis_domain::personal::{MARKER, reveal};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::access::AccessView;

/// A resource with its status.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResourceView {
    pub kind: Kind,
    pub name: String,
    pub id: Uuid,
    /// Size of the ledger when it was last changed; also its `ETag`.
    pub version: u64,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The spec as a manifest would say it, with every default, and with the texts about people.
    pub spec: Value,
    /// Whose data the spec holds: what `erase` takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<PersonalView>,
    pub status: StatusView,
}

/// A text about a person, by its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonalView {
    /// RFC 6901 pointer into the resource, such as `/spec/contacts/0/name`.
    pub pointer: String,
    pub subject: SubjectId,
    pub erased: bool,
}

/// What holds for a resource beyond its spec.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// Whether every path of it, or of what it belongs to, is closed.
    pub severed: bool,
    /// By which open severances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severances: Vec<Uuid>,
    /// Of vendors, integrations and clients: what the vendor may have, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessView>,
    /// Of vendors, integrations and clients: tokens of an older epoch are dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Of contracts: `[starts, ends)` as instants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<TermView>,
    /// Of clients: the registered keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyView>,
    /// Of clients: what vouches for it besides its keys, as `issuer/NAME` or `trustdomain/NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped_by: Vec<String>,
    /// Of issuers and trust domains: the keys that are known, and how they are had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceView>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TermView {
    #[schemars(with = "String")]
    pub starts: jiff::Timestamp,
    #[schemars(with = "String")]
    pub ends: jiff::Timestamp,
}

/// The keys of an issuer or a trust domain.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// `kid` and algorithm or type of each key.
    pub keys: Vec<String>,
    /// Root certificates of a trust domain.
    pub roots: u64,
    /// Since when the keys are these; none for keys of a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub changed: Option<jiff::Timestamp>,
    /// When they were fetched last, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub fetched: Option<jiff::Timestamp>,
    /// When they are fetched next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub next: Option<jiff::Timestamp>,
    /// From when on tokens are refused if nothing can be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub good_until: Option<jiff::Timestamp>,
    /// Why the last fetch failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was published and can't be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A registered public key or certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeyView {
    /// Base64url of the RFC 7638 or RFC 8705 SHA-256 thumbprint.
    pub thumbprint: String,
    /// `jwk` or `certificate`.
    pub form: String,
    /// Closed by a severance: refused wherever it turns up.
    pub refused: bool,
}

impl ResourceView {
    /// Shows `resource`; what lies outside of it is told in `status`.
    #[must_use]
    pub fn new(name: &str, resource: &Resource, status: StatusView) -> Self {
        let whole = serde_json::to_value(&resource.declaration).unwrap_or_default();
        let spec = whole.get("spec").cloned().unwrap_or_default();
        let mut personal = Vec::new();
        find_personal(&spec, "/spec", &mut personal);
        Self {
            kind: resource.declaration.spec.kind(),
            name: name.to_owned(),
            id: resource.id,
            version: resource.version,
            labels: resource.declaration.labels.clone(),
            spec: reveal(spec),
            personal,
            status,
        }
    }
}

fn find_personal(value: &Value, pointer: &str, found: &mut Vec<PersonalView>) {
    match value {
        Value::Object(members) => {
            if let Some(inner) = members.get(MARKER) {
                let subject = inner.get("subject").and_then(Value::as_str).and_then(|text| text.parse().ok());
                if let Some(subject) = subject {
                    let erased = inner.get("text").is_none();
                    found.push(PersonalView { pointer: pointer.to_owned(), subject, erased });
                }
                return;
            }
            for (name, inner) in members {
                find_personal(inner, &format!("{pointer}/{}", escape(name)), found);
            }
        }
        Value::Array(items) => {
            for (place, inner) in items.iter().enumerate() {
                find_personal(inner, &format!("{pointer}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// RFC 6901 §3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
