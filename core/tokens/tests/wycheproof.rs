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

/// Why a case that is marked valid is refused here. Each is checked against the case itself, so that
/// no case stands under a reason that isn't its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    /// The key is a shared secret, which we don't take.
    SharedSecret,
    /// SHA-384 or SHA-512, which we don't offer.
    OtherHash,
    /// A curve other than P-256, which we don't offer.
    OtherCurve,
    /// The key names another algorithm than the token: stricter than the vectors, as RFC 8725 wants.
    OtherAlgorithmInKey,
    /// Marked valid in spite of a `?` inside the base64url.
    StrayCharacter,
}

impl Reason {
    fn holds(self, key: &Value, token: &str) -> bool {
        let algorithm = Compact::parse(token, 8_192, &[]).err().map(|error| error.to_string());
        let is = |names: &[&str]| {
            let found = algorithm.as_deref().unwrap_or_default();
            names.iter().any(|name| found.contains(&format!("`alg` is `{name}`")))
        };
        match self {
            Self::SharedSecret => key["kty"] == "oct",
            Self::OtherHash => is(&["RS384", "RS512", "PS384", "PS512"]),
            Self::OtherCurve => key["crv"] == "P-521" && is(&["ES512"]),
            Self::OtherAlgorithmInKey => key["alg"] == "PS256" && is(&["PS384"]),
            Self::StrayCharacter => token.contains('?'),
        }
    }
}

type Deviations = BTreeMap<u64, Reason>;

/// Cases marked valid that we refuse. Of 367 and 370, which are one well-formed JWS marked invalid,
/// nothing needs saying: they are made with a shared secret.
fn jws_deviations() -> Deviations {
    let mut reasons = BTreeMap::new();
    let mut add = |cases: &[u64], reason| {
        for case in cases {
            assert_eq!(reasons.insert(*case, reason), None, "{case} stands there twice");
        }
    };
    add(&[1, 348, 352, 357, 358, 359, 376, 377], Reason::SharedSecret);
    add(&[264, 265, 266, 267, 268, 269, 270, 271], Reason::OtherHash);
    add(&[320, 321, 322, 323, 325, 326, 327, 328], Reason::OtherHash);
    add(&[346, 350], Reason::OtherAlgorithmInKey);
    add(&[347, 351], Reason::OtherCurve);
    add(&[372, 373], Reason::StrayCharacter);
    reasons
}

fn jwk_deviations() -> Deviations {
    [2, 13, 14, 15].into_iter().map(|case| (case, Reason::SharedSecret)).collect()
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

/// Each case as it is marked, but for the deviations: an unlisted one fails, and so does one that is
/// listed without need, under a wrong reason, or not in the file at all.
fn check(file: &str, cases_expected: usize, deviations: &Deviations, is_good: impl Fn(&Value, &str) -> bool) {
    let Some(groups) = groups(file) else { return };
    let (mut cases, mut taken) = (0, 0);
    let mut unseen = deviations.clone();
    for group in &groups {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        for case in group["tests"].as_array().unwrap() {
            cases += 1;
            let id = case["tcId"].as_u64().unwrap();
            let token = case["jws"].as_str().unwrap();
            let marked_good = case["result"] == "valid";
            assert!(marked_good || case["result"] == "invalid", "{id} is marked {}", case["result"]);
            let deviation = unseen.remove(&id);
            if let Some(reason) = deviation {
                assert!(marked_good, "{id} is no deviation");
                let key = key["keys"].get(0).unwrap_or(key);
                assert!(reason.holds(key, token), "{id} isn't refused for {reason:?}");
            }
            let found = is_good(key, token);
            taken += usize::from(found);
            assert_eq!(found, marked_good && deviation.is_none(), "{id} {} {deviation:?}", case["comment"]);
        }
    }
    assert_eq!(cases, cases_expected);
    assert!(unseen.is_empty(), "not in the file: {unseen:?}");
    println!("{file}: {cases} cases, {taken} taken, {} deviations", deviations.len());
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
