//! Kind `TrustDomain`: a vendor's SPIFFE trust domain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::issuer::{AllowUnbound, KeysFrom, lifetime_seconds_max, refresh_seconds, stale_seconds};

/// A SPIFFE trust domain of a vendor: its workloads come with X.509-SVIDs or JWT-SVIDs, which are
/// verified by its bundle and mapped to the vendor's clients by SPIFFE ID.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustDomainSpec {
    /// Name of the vendor; only clients of it can be mapped.
    pub vendor: String,
    /// Such as `prod.vendor.example`, without `spiffe://`.
    pub trust_domain: String,
    /// Its bundle as a SPIFFE bundle document (JSON), which changes by `apply` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Value>,
    /// Where its bundle is published, by the `https_web` profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_uri: Option<String>,
    /// PEM of the authority that the bundle's server is trusted by, and no other; without it, those
    /// that the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// What `aud` of a JWT-SVID must name, one of them exactly; without any, the gate's public address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Which workloads are which client's.
    pub clients: Vec<WorkloadMapping>,
    /// The longest life that a JWT-SVID may have, from `iat` to `exp`.
    #[serde(default = "lifetime_seconds_max")]
    #[schemars(range(min = 60, max = 86_400))]
    pub lifetime_seconds_max: u32,
    /// How often the bundle is fetched.
    #[serde(default = "refresh_seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    pub refresh_seconds: u32,
    /// How long the bundle is used after the last time that it could be fetched; then its SVIDs are
    /// refused.
    #[serde(default = "stale_seconds")]
    #[schemars(range(min = 60, max = 604_800))]
    pub stale_seconds: u32,
    /// Whether JWT-SVIDs without an X.509-SVID of the same SPIFFE ID may be used, on routes that allow it.
    #[serde(default)]
    pub allow_unbound: AllowUnbound,
}

/// A client, and the workload that it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadMapping {
    /// Name of the client.
    pub client: String,
    /// Such as `spiffe://prod.vendor.example/exports`, exactly.
    pub spiffe_id: String,
    /// The scopes that it has, since SVIDs carry none; without any, those of its integration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

impl TrustDomainSpec {
    /// Where the bundle comes from; none if the manifest doesn't say, which `apply` rules out.
    #[must_use]
    pub fn source(&self) -> Option<KeysFrom<'_>> {
        match (&self.bundle, &self.bundle_uri) {
            (Some(bundle), _) => Some(KeysFrom::Declared(bundle)),
            (None, uri) => uri.as_deref().map(KeysFrom::At),
        }
    }
}

/// Whether `text` names a trust domain: lower-case letters, digits, `.`, `-` and `_`, at most 255
/// (SPIFFE ID, section 2.1).
#[must_use]
pub fn is_trust_domain(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
        })
}

/// Whether `id` names a workload of `trust_domain`, in the one form that SPIFFE has for it
/// (SPIFFE ID, section 2): a path without empty, `.` and `..` segments, at most 2,048 bytes.
#[must_use]
pub fn is_workload(id: &str, trust_domain: &str) -> bool {
    let path = id.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(trust_domain));
    id.len() <= 2_048
        && path.and_then(|path| path.strip_prefix('/')).is_some_and(|path| {
            path.split('/').all(|segment| {
                !matches!(segment, "" | "." | "..")
                    && segment
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_has_one_name() {
        let check = |id: &str, expect: bool| assert_eq!(is_workload(id, "td.example"), expect, "{id}");
        check("spiffe://td.example/a", true);
        check("spiffe://td.example/ns/Prod/sa/ex_ports-1.2", true);
        check("spiffe://td.example", false);
        check("spiffe://td.example/", false);
        check("spiffe://td.example/a/", false);
        check("spiffe://td.example//a", false);
        check("spiffe://td.example/./a", false);
        check("spiffe://td.example/../a", false);
        check("spiffe://td.example/%61", false);
        check("spiffe://td.example/a?b", false);
        check("spiffe://td.example.org/a", false);
        check("spiffe://TD.example/a", false);
        check("SPIFFE://td.example/a", false);
        check("https://td.example/a", false);
        check(&format!("spiffe://td.example/{}", "a".repeat(2_048)), false);
        assert!(is_trust_domain("td.example") && !is_trust_domain("TD") && !is_trust_domain(""));
        assert!(!is_trust_domain("td/x") && !is_trust_domain(&"a".repeat(256)));
    }
}
