use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://gate.example";

fn expected(current: Option<&str>) -> ExpectedNextKey<'_> {
    ExpectedNextKey { client_id: "robot", audience: ISSUER, current, now: NOW, leeway_seconds: 5 }
}

fn outcome(proof: &str, current: Option<&str>) -> Result<(), NextKeyError> {
    let proof = NextKey::parse(proof)?;
    let key = proof.verifying_key()?.unwrap();
    proof.verify(&key, &expected(current))
}

fn claims() -> Value {
    json!({ "iss": "robot", "sub": "robot", "aud": ISSUER, "jti": "1", "iat": NOW, "exp": NOW + 60, "cur": "old" })
}

fn signed(key: &SigningKey, header: Value, claims: &Value) -> String {
    key.sign(header.as_object().unwrap(), claims.to_string().as_bytes()).unwrap()
}

fn header(key: &SigningKey) -> Value {
    json!({ "typ": TYPE, "jwk": key.public_jwk().bare() })
}

#[test]
fn what_is_made_here_is_good_here() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        for current in [Some("old"), None] {
            let new = NewNextKey {
                client_id: "robot",
                audience: ISSUER,
                token_id: "1",
                issued_at: NOW,
                expires_at: NOW + 300,
                current,
            };
            let proof = create(&key, &new).unwrap();
            assert_eq!(outcome(&proof, current), Ok(()));
            let Holder::Jwk(jwk) = NextKey::parse(&proof).unwrap().holder().clone() else { panic!() };
            assert_eq!(jwk.thumbprint(), key.public_jwk().thumbprint());
        }
    }
}

#[test]
fn every_claim_counts() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let check = |name: &str, value: Value, expect: &str| {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        let error = outcome(&signed(&key, header(&key), &claims), Some("old")).unwrap_err().to_string();
        assert!(error.contains(expect), "{name}: {error}");
    };
    check("iss", json!("other"), "`iss` of the next key's proof is `other`");
    check("sub", json!("other"), "`sub`");
    check("sub", Value::Null, "`sub` is missing");
    check("aud", json!("https://other.example"), "`aud`");
    check("aud", json!([ISSUER]), "`aud` is malformed");
    check("cur", json!("new"), "`cur`");
    check("cur", Value::Null, "`cur` is missing");
    check("jti", Value::Null, "`jti` is missing");
    check("iat", Value::Null, "`iat` is missing");
    check("iat", json!(NOW + 6), "6 s in the future");
    check("exp", json!(NOW), "expired 0 s ago");
    check("exp", json!(NOW + 306), "306 s ahead");
    assert_eq!(outcome(&signed(&key, header(&key), &claims()), None), Err(NextKeyError::CurrentKey));
}

#[test]
fn the_header_holds_one_public_key_and_the_type() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let other = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let check = |change: Value, expect: &str| {
        let mut header = header(&key);
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
                value => header[name] = value.clone(),
            }
        }
        let error = outcome(&signed(&key, header, &claims()), Some("old")).unwrap_err().to_string();
        assert!(error.contains(expect), "{change}: {error}");
    };
    check(json!({ "typ": "JWT" }), "`typ`");
    check(json!({ "typ": null }), "`typ`");
    check(json!({ "jwk": null }), "carries no key");
    check(json!({ "jwk": { "kty": "oct", "k": "AAAA" } }), "shared secrets");
    check(json!({ "jwk": other.public_jwk().bare() }), "signature doesn't match");
    check(json!({ "x5c": ["AAAA"] }), "two keys");
    check(json!({ "jwk": null, "x5c": [] }), "`x5c`");
    check(json!({ "jwk": null, "x5c": ["!"] }), "`x5c`");
    check(json!({ "jwk": null, "x5c": "AAAA" }), "`x5c`");
    check(json!({ "crit": ["x"] }), "`crit`");
    let long = format!("{}.e30.AA", "A".repeat(NEXT_KEY_BYTES_MAX));
    assert!(matches!(NextKey::parse(&long), Err(NextKeyError::Jws(JwsError::TooLong { .. }))));
    let of_certificate = signed(&key, json!({ "typ": TYPE, "x5c": ["AAEC"] }), &claims());
    let proof = NextKey::parse(&of_certificate).unwrap();
    assert_eq!(proof.holder(), &Holder::Certificate(vec![0, 1, 2]));
    assert!(proof.verifying_key().unwrap().is_none());
    assert_eq!(proof.verify(&key.verifying_key().unwrap(), &expected(Some("old"))), Ok(()));
}

proptest! {
    #[test]
    fn noise_is_no_panic(noise in "\\PC{0,200}", at in 0_usize..200) {
        let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let mut proof = signed(&key, header(&key), &claims());
        let _ = NextKey::parse(&noise);
        proof.insert_str(at.min(proof.len()), &noise);
        prop_assert!(noise.is_empty() || outcome(&proof, Some("old")).is_err());
    }
}
