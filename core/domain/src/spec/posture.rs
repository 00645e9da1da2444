//! What an integration wants of its clients' machines.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the machines of its clients must say about themselves, in signed statements.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PostureRules {
    /// Whether a client without any statement counts as one whose machine isn't as it should be.
    pub required: bool,
    /// The age at which a statement is stale.
    #[schemars(range(min = 60, max = 86_400))]
    pub age_seconds_max: u32,
    /// Name of a program → SHA-256 digests, in lower-case hex, of which its statement must give one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub software: BTreeMap<String, Vec<String>>,
    /// Facts that must be true, such as `disk_encrypted`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hardening: Vec<String>,
    /// How many days ago the machine may have been patched last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patched_days_max: Option<u32>,
}

impl Default for PostureRules {
    fn default() -> Self {
        Self {
            required: true,
            age_seconds_max: 86_400,
            software: BTreeMap::new(),
            hardening: Vec::new(),
            patched_days_max: None,
        }
    }
}

/// Programs and facts that rules, and statements, may name.
pub const NAMED_MAX: usize = 128;
/// Digests of one program that rules may allow.
const DIGESTS_MAX: usize = 64;

/// What doesn't hold in the rules: its place below them, and why.
#[must_use]
pub fn faults(rules: &PostureRules) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    if !(60..=86_400).contains(&rules.age_seconds_max) {
        faults.push((
            "age_seconds_max".to_owned(),
            "a statement must be good for 60 to 86400 seconds".to_owned(),
        ));
    }
    if rules.software.len() > NAMED_MAX || rules.hardening.len() > NAMED_MAX {
        faults.push((
            String::new(),
            format!("at most {NAMED_MAX} programs and {NAMED_MAX} facts may be asked for"),
        ));
    }
    for (name, digests) in &rules.software {
        let place = format!("software/{}", name.replace('~', "~0").replace('/', "~1"));
        if !is_software_name(name) {
            faults.push((place, format!("`{name}` is not the name of a program")));
        } else if digests.is_empty() || digests.len() > DIGESTS_MAX {
            faults.push((place, format!("it needs 1 to {DIGESTS_MAX} digests")));
        } else if let Some(bad) = digests.iter().find(|digest| !is_digest(digest)) {
            faults.push((place, format!("`{bad}` is not a SHA-256 digest in lower-case hex")));
        }
    }
    for (place, name) in rules.hardening.iter().enumerate() {
        if !is_fact_name(name) {
            faults.push((format!("hardening/{place}"), format!("`{name}` is not the name of a fact")));
        }
    }
    faults
}

/// Visible ASCII, at most 128 bytes.
#[must_use]
pub fn is_software_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `lower_snake`, at most 64 bytes.
#[must_use]
pub fn is_fact_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

#[must_use]
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
