use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jws::Algorithm;

const ISSUER: &str = "https://gate.example";
const NOW: i64 = 1_800_000_000;

fn registered(key: &SigningKey) -> RegisteredKey {
    RegisteredKey { key: key.verifying_key().unwrap(), kid: None, thumbprint: key.public_jwk().thumbprint() }
}

fn expected() -> ExpectedPosture<'static> {
    ExpectedPosture { client_id: "robot", audience: ISSUER, now: NOW, leeway_seconds: 5 }
}

fn statement() -> Statement {
    Statement {
        software: vec![
            Program { name: "agent".into(), version: Some("1.2".into()), sha256: Some("a".repeat(64)) },
            Program { name: "linux".into(), version: None, sha256: None },
        ],
        hardening: [("disk_encrypted".to_owned(), Some(true)), ("secure_boot".to_owned(), None)].into(),
        patched_days: Some(3),
        key: Some(KeyStorage { exportable: false, how: Some("tpm2".into()) }),
    }
}

fn claims() -> Value {
    let statement = statement();
    let (issued_at, expires_at) = (NOW - 10, NOW + 3_600);
    let new = NewPosture {
        client_id: "robot",
        audience: ISSUER,
        token_id: "1",
        issued_at,
        expires_at,
        statement: &statement,
    };
    Value::Object(claims_of(&new))
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    key.sign(header.as_object().unwrap(), claims.to_string().as_bytes()).unwrap()
}

fn judged(key: &SigningKey, text: &str) -> Result<VerifiedPosture, PostureError> {
    SignedPosture::parse(text)?.verify(&[registered(key)], &expected())
}

#[test]
fn a_statement_is_read_as_it_was_made() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        let good = judged(&key, &signed(&key, &json!({ "typ": TYPE }), &claims())).unwrap();
        assert_eq!(good.statement, statement());
        assert_eq!((good.issued_at, good.expires_at), (NOW - 10, NOW + 3_600));
        assert_eq!(good.key, key.public_jwk().thumbprint());
    }
}

#[test]
fn what_is_not_the_clients_word_of_now_is_refused_with_its_reason() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let check = |change: &dyn Fn(&mut Value), expect: &str| {
        let mut claims = claims();
        change(&mut claims);
        let error = judged(&key, &signed(&key, &json!({ "typ": TYPE }), &claims)).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(&|claims| claims["iss"] = json!("other"), "`iss` of the statement is `other`");
    check(&|claims| claims["sub"] = json!("other"), "`sub` of the statement is `other`");
    check(&|claims| claims["aud"] = json!("https://other.example"), "`aud` of the statement");
    check(&|claims| claims["aud"] = json!([ISSUER]), "`aud` is malformed");
    check(&|claims| claims["jti"] = json!(""), "`jti` is malformed");
    check(&|claims| claims["iat"] = json!(NOW + 6), "6 s in the future");
    check(&|claims| claims["iat"] = json!(NOW - 301), "301 s old");
    check(&|claims| claims["iat"] = json!(i64::MIN), "s old");
    check(&|claims| claims["exp"] = json!(NOW), "expired 0 s ago");
    check(&|claims| claims["exp"] = json!(NOW + 86_391), "86401 s after `iat`");
    check(&|claims| claims["exp"] = json!(i64::MAX), "after `iat`");
    check(&|claims| claims["software"] = json!("all"), "`software` of the statement");
    check(&|claims| claims["software"] = json!(vec![json!({ "name": "x" }); 129]), "`software` of the");
    check(&|claims| claims["software"] = json!([[]]), "`software/0` of");
    check(&|claims| claims["software"] = json!([{ "name": "a b" }]), "`software/0/name` of");
    check(&|claims| claims["software"] = json!([{ "name": "a", "sha256": "A" }]), "`software/0/sha256` of");
    check(&|claims| claims["software"] = json!([{ "name": "a", "version": 1 }]), "`software/0/version` of");
    check(&|claims| claims["hardening"] = json!([]), "`hardening` of");
    check(&|claims| claims["hardening"]["Disk"] = json!(true), "`hardening/Disk` of");
    check(&|claims| claims["hardening"]["disk"] = json!("yes"), "`hardening/disk` of");
    check(&|claims| claims["hardening"]["disk"] = json!({ "deep": {} }), "`hardening/disk` of");
    check(&|claims| claims["patched_days"] = json!(-1), "`patched_days` of");
    check(&|claims| claims["key"] = json!({ "exportable": "no" }), "`key/exportable` of");
}

#[test]
fn what_is_not_signed_by_a_registered_key_is_refused() {
    let (key, other) =
        (SigningKey::generate(Algorithm::ES256).unwrap(), SigningKey::generate(Algorithm::EdDSA).unwrap());
    let foreign = SigningKey::generate(Algorithm::ES256).unwrap();
    for stranger in [&other, &foreign] {
        let text = signed(stranger, &json!({ "typ": TYPE }), &claims());
        assert_eq!(judged(&key, &text), Err(PostureError::Signature));
    }
    let good = signed(&key, &json!({ "typ": TYPE }), &claims());
    let (rest, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(
        judged(&key, &format!("{rest}.{}", "A".repeat(signature.len()))),
        Err(PostureError::Signature)
    );
    let kid = signed(&key, &json!({ "typ": TYPE, "kid": "nobody" }), &claims());
    assert!(judged(&key, &kid).is_ok(), "a key that was registered without a name answers to any");
}

#[test]
fn another_form_is_refused_before_any_signature() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let check = |header: Value, expect: &str| {
        let error = judged(&key, &signed(&key, &header, &claims())).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(json!({ "typ": "JWT" }), "`typ` of the statement is `JWT`");
    check(json!({}), "`typ` of the statement is ``");
    check(json!({ "typ": TYPE, "jwk": key.public_jwk().bare() }), "carries a key");
    check(json!({ "typ": TYPE, "crit": ["x"] }), "the header `crit`");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoicG9ydGN1bGxpcy1wb3N0dXJlK2p3dCJ9.e30.";
    assert_eq!(SignedPosture::parse(none).err(), Some(PostureError::Jws(JwsError::AlgorithmNone)));
    let long = "x".repeat(STATEMENT_BYTES_MAX + 1);
    assert!(matches!(SignedPosture::parse(&long), Err(PostureError::Jws(JwsError::TooLong { .. }))));
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = key.sign(json!({ "typ": TYPE }).as_object().unwrap(), deep.as_bytes()).unwrap();
    assert!(judged(&key, &deep).is_err());
    let twice = br#"{"sub":"robot","sub":"other"}"#;
    let twice = key.sign(json!({ "typ": TYPE }).as_object().unwrap(), twice).unwrap();
    assert!(SignedPosture::parse(&twice).unwrap().subject().is_err());
}

proptest! {
    #[test]
    fn noise_is_no_panic(text in "[A-Za-z0-9_.-]{0,200}") {
        if let Ok(statement) = SignedPosture::parse(&text) {
            let _ = statement.subject();
            let _ = statement.verify(&[], &expected());
        }
    }
}
