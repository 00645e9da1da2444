//! The JWS and JWK vectors of C2SP/wycheproof. Each deviation is listed with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use portcullis_tokens::jwk::{Jwk, JwkError, JwkSet, VerifyingKey};
use portcullis_tokens::jws::{Algorithm, Compact};
use serde_json::Value;

const SHARED_SECRET: &str = "valid with a shared secret, which we don't take";
const OTHER_HASH: &str = "valid with SHA-384 or SHA-512, which we don't offer";
const OTHER_CURVE: &str = "valid over P-521, which we don't offer";
const OTHER_ALGORITHM_IN_KEY: &str = "the key says `PS256`, the token `PS384`: rightly refused";
const STRAY_CHARACTER: &str = "marked valid in spite of a `?` inside the base64url, and a shared secret";

/// Cases marked valid that we refuse. Of 367 and 370, which are one well-formed JWS marked invalid,
/// nothing needs saying: they are made with a shared secret.
fn jws_deviations() -> BTreeMap<u64, &'static str> {
    let mut reasons = BTreeMap::new();
    let mut add = |cases: &[u64], reason| reasons.extend(cases.iter().map(|case| (*case, reason)));
    add(&[1, 348, 352, 357, 358, 359, 376, 377], SHARED_SECRET);
    add(&[264, 265, 266, 267, 268, 269, 270, 271], OTHER_HASH);
    add(&[320, 321, 322, 323, 325, 326, 327, 328], OTHER_HASH);
    add(&[346, 350], OTHER_ALGORITHM_IN_KEY);
    add(&[347, 351], OTHER_CURVE);
    add(&[372, 373], STRAY_CHARACTER);
    reasons
}

fn jwk_deviations() -> BTreeMap<u64, &'static str> {
    [2, 13, 14, 15].into_iter().map(|case| (case, SHARED_SECRET)).collect()
}

#[test]
fn signatures() {
    check("json_web_signature_test.json", 401, &jws_deviations(), |key, token| {
        let key = Jwk::parse(&key.to_string()).ok();
        key.is_some_and(|key| is_good(token, &key))
    });
}

#[test]
fn keys() {
    check("json_web_key_test.json", 26, &jwk_deviations(), |set, token| {
        let Ok(set) = JwkSet::parse(&set.to_string()) else { return false };
        let Ok(compact) = Compact::parse(token, 8_192, &ALL) else { return false };
        let named = set.keys().iter().find(|key| key.kid() == compact.header.kid.as_deref());
        named.is_some_and(|key| is_good(token, key))
    });
}

#[test]
fn private_keys_are_refused_as_such() {
    let Some(groups) = groups("json_web_signature_test.json") else { return };
    let mut private_keys = 0;
    for group in groups.iter().filter(|group| group["public"].is_object() && group["private"].is_object()) {
        private_keys += 1;
        let refusal = Jwk::parse(&group["private"].to_string()).unwrap_err();
        assert!(matches!(refusal, JwkError::PrivateKey { member: "d" }), "{refusal}");
        let secret = group["private"]["d"].as_str().unwrap();
        assert!(!format!("{refusal} {refusal:?}").contains(secret), "the refusal shows the key");
    }
    assert!(private_keys >= 5, "{private_keys}");
}

const ALL: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

fn is_good(token: &str, key: &Jwk) -> bool {
    let Ok(compact) = Compact::parse(token, 8_192, &ALL) else { return false };
    compact.verify(&VerifyingKey::new(key).unwrap()).is_ok()
}

fn check(
    file: &str,
    cases_expected: usize,
    deviations: &BTreeMap<u64, &'static str>,
    is_good: impl Fn(&Value, &str) -> bool,
) {
    let Some(groups) = groups(file) else { return };
    let mut cases = 0;
    for group in &groups {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        for case in group["tests"].as_array().unwrap() {
            cases += 1;
            let id = case["tcId"].as_u64().unwrap();
            let marked_good = case["result"] == "valid";
            let expect = marked_good && !deviations.contains_key(&id);
            assert!(marked_good || !deviations.contains_key(&id), "{id} is no deviation");
            let found = is_good(key, case["jws"].as_str().unwrap());
            assert_eq!(found, expect, "{id} {} {:?}", case["comment"], deviations.get(&id));
        }
    }
    assert_eq!(cases, cases_expected);
}

fn groups(file: &str) -> Option<Vec<Value>> {
    let shared = std::env::var_os("PORTCULLIS_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("vectors/wycheproof").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is absent", path.display());
        return None;
    };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    Some(vectors["testGroups"].as_array().unwrap().clone())
}
