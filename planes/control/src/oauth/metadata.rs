//! What anybody may know of the server: metadata (RFC 8414) and the keys that tokens verify with.

use portcullis_domain::state::State;
use portcullis_domain::state::signing_keys::KeyStage;
use serde_json::{Value, json};

use super::answer::Answer;
use super::{
    ENROLMENT_PATH, INCIDENT_PATH, INTROSPECTION_PATH, JWKS_PATH, KEYS_PATH, POSTURE_PATH, REVOCATION_PATH,
    TOKEN_PATH, url,
};

const AUTHENTICATION_METHODS: [&str; 3] =
    ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"];
/// `Ed25519` is the name that RFC 9864 gives to what `EdDSA` means here.
const ASSERTION_ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"];
const PROOF_ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "Ed25519"];

/// `issuer` is the address by which it was asked for.
pub(super) fn document(issuer: &str) -> Answer {
    let endpoints = json!({
        "token_endpoint": url(issuer, TOKEN_PATH),
        "introspection_endpoint": url(issuer, INTROSPECTION_PATH),
        "revocation_endpoint": url(issuer, REVOCATION_PATH),
        // Our own: a client registers its next key, or its first.
        "portcullis_key_endpoint": url(issuer, KEYS_PATH),
        "portcullis_enrolment_endpoint": url(issuer, ENROLMENT_PATH),
        // What its machine says about itself.
        "portcullis_posture_endpoint": url(issuer, POSTURE_PATH),
        // Where its vendor tells of a breach.
        "portcullis_incident_endpoint": url(issuer, INCIDENT_PATH),
    });
    let mut document = json!({
        "issuer": issuer,
        "jwks_uri": url(issuer, JWKS_PATH),
        "grant_types_supported": ["client_credentials"],
        // RFC 8414 requires it; there is no authorization endpoint.
        "response_types_supported": [],
        "dpop_signing_alg_values_supported": PROOF_ALGORITHMS,
        "tls_client_certificate_bound_access_tokens": true,
        // The listener asks everybody for a certificate, so the addresses are the same.
        "mtls_endpoint_aliases": endpoints,
    });
    if let (Value::Object(members), Value::Object(endpoints)) = (&mut document, endpoints) {
        members.extend(endpoints);
        for endpoint in ["token", "introspection", "revocation"] {
            let methods = format!("{endpoint}_endpoint_auth_methods_supported");
            let algorithms = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
            members.insert(methods, json!(AUTHENTICATION_METHODS));
            members.insert(algorithms, json!(ASSERTION_ALGORITHMS));
        }
    }
    Answer::public(document)
}

/// Every key that tokens verify with, the one that signs now first; and the one that will.
pub(super) fn jwks(state: &State) -> Answer {
    let mut keys: Vec<_> = state.signing_keys.iter().collect();
    keys.sort_by_key(|key| !matches!(key.stage, KeyStage::Active { .. }));
    let keys: Vec<&Value> = keys.into_iter().map(|key| &key.jwk).collect();
    Answer::public(json!({ "keys": keys }))
}
