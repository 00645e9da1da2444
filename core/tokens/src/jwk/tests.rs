use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jws::SignatureError;
use crate::signing::SigningKey;

/// RFC 7638, section 3.1.
const RSA_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
/// RFC 9449, section 4.1.
const X: &str = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs";
const Y: &str = "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA";
/// RFC 8037, appendix A.2.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn ec() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y})
}

fn okp() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X})
}

fn rsa() -> Value {
    json!({"kty": "RSA", "n": RSA_MODULUS, "e": "AQAB"})
}

/// `base` with `changes` put into it; `null` takes a member away.
fn with(base: Value, changes: Value) -> String {
    let mut members = base.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(members).to_string()
}

#[test]
fn thumbprints_of_the_rfcs() {
    let check = |key: Value, expect: &str| {
        assert_eq!(Jwk::parse(&key.to_string()).unwrap().thumbprint().to_string(), expect);
    };
    // RFC 7638, section 3.1: `alg` and `kid` don't count.
    check(
        json!({"kty": "RSA", "n": RSA_MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    );
    // RFC 8037, appendix A.3.
    check(okp(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // RFC 9449, section 6.1.
    check(ec(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

#[test]
fn keys_that_are_taken() {
    let check = |text: String, algorithm: Option<Algorithm>| {
        assert_eq!(Jwk::parse(&text).unwrap().algorithm(), algorithm, "{text}");
    };
    check(ec().to_string(), Some(Algorithm::ES256));
    check(with(ec(), json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]})), Some(Algorithm::ES256));
    check(okp().to_string(), Some(Algorithm::EdDSA));
    check(with(okp(), json!({"alg": "Ed25519"})), Some(Algorithm::EdDSA));
    check(rsa().to_string(), None);
    check(with(rsa(), json!({"alg": "PS256"})), Some(Algorithm::PS256));
    check(with(rsa(), json!({"x5c": ["…"], "future": 1})), None);
}

#[test]
fn keys_that_are_refused() {
    let check = |text: String, expect: JwkError| assert_eq!(Jwk::parse(&text), Err(expect), "{text}");
    let malformed = |name, text: String| match Jwk::parse(&text) {
        Err(JwkError::MemberMalformed { name: found, .. }) => assert_eq!(found, name, "{text}"),
        other => panic!("{text}: {other:?}"),
    };
    assert!(matches!(Jwk::parse("[]"), Err(JwkError::Json(_))));
    assert!(matches!(Jwk::parse(r#"{"kty":"EC","kty":"EC"}"#), Err(JwkError::Json(_))));
    check(
        format!("{{\"kid\":\"{}\"}}", "x".repeat(KEY_BYTES_MAX)),
        JwkError::TooLong { bytes: KEY_BYTES_MAX + 10, bytes_max: KEY_BYTES_MAX },
    );
    check("{}".to_owned(), JwkError::MemberMissing { name: "kty" });
    check(with(ec(), json!({"y": null})), JwkError::MemberMissing { name: "y" });
    malformed("kty", with(ec(), json!({"kty": 1})));
    malformed("x", with(ec(), json!({"x": "AQ"})));
    malformed("x", with(ec(), json!({"x": format!("{X}=")})));
    malformed("x", with(okp(), json!({"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"})));
    malformed("kid", with(ec(), json!({"kid": ""})));
    malformed("kid", with(ec(), json!({"kid": "x".repeat(257)})));
    malformed("n", with(rsa(), json!({"n": format!("AAAA{RSA_MODULUS}")})));
    malformed("e", with(rsa(), json!({"e": ""})));
    check(with(ec(), json!({"d": X})), JwkError::PrivateKey { member: "d" });
    check(with(rsa(), json!({"qi": 1})), JwkError::PrivateKey { member: "qi" });
    check(with(okp(), json!({"k": "AA"})), JwkError::PrivateKey { member: "k" });
    check(json!({"kty": "oct", "k": "AA"}).to_string(), JwkError::SharedSecret);
    check(with(ec(), json!({"kty": "ec"})), JwkError::KeyTypeUnknown { kty: "ec".to_owned() });
    check(with(ec(), json!({"crv": "secp256k1"})), JwkError::CurveUnknown { crv: "secp256k1".to_owned() });
    check(with(okp(), json!({"crv": "X25519"})), JwkError::CurveUnknown { crv: "X25519".to_owned() });
    check(with(ec(), json!({"x": Y, "y": X})), JwkError::PointNotOnCurve);
    check(with(rsa(), json!({"e": "AQ"})), JwkError::RsaExponent);
    check(with(rsa(), json!({"n": "AQAB"})), JwkError::RsaSize { bits: 17 });
    check(with(rsa(), json!({"n": RSA_MODULUS.replace("DKgw", "DKgg")})), JwkError::RsaWeak);
    check(with(ec(), json!({"use": "enc"})), JwkError::Use { found: "enc".to_owned() });
    check(with(ec(), json!({"key_ops": ["sign"]})), JwkError::KeyOperations);
    check(with(ec(), json!({"key_ops": "verify"})), JwkError::KeyOperations);
    for (base, algorithm) in [(ec(), "EdDSA"), (ec(), "ES384"), (okp(), "ES256"), (rsa(), "HS256")] {
        let refusal = Jwk::parse(&with(base, json!({"alg": algorithm})));
        assert!(matches!(refusal, Err(JwkError::AlgorithmMisfit { .. })), "{algorithm} {refusal:?}");
    }
}

#[test]
fn weak_ed25519_points_are_refused() {
    let check = |x: [u8; 32], expect: JwkError| {
        for sign in [0, 0x80] {
            let mut x = x;
            x[31] |= sign;
            let text = with(okp(), json!({"x": base64url::encode(x)}));
            assert_eq!(Jwk::parse(&text), Err(expect.clone()), "{x:?}");
        }
    };
    let y = |low: u8, rest: u8, high: u8| {
        let mut y = [rest; 32];
        (y[0], y[31]) = (low, high);
        y
    };
    check(y(0, 0, 0), JwkError::PointOfSmallOrder);
    check(y(1, 0, 0), JwkError::PointOfSmallOrder);
    check(y(0xec, 0xff, 0x7f), JwkError::PointOfSmallOrder);
    check(y(0xed, 0xff, 0x7f), JwkError::PointNotOnCurve);
    check(y(0xff, 0xff, 0x7f), JwkError::PointNotOnCurve);
    let order_8 = base64url::decode_array("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o").unwrap();
    check(order_8, JwkError::PointOfSmallOrder);
}

#[test]
fn sets() {
    let set = |keys: Value| json!({"keys": keys, "extra": 1}).to_string();
    let named =
        |key: Value, kid: &str| serde_json::from_str::<Value>(&with(key, json!({"kid": kid}))).unwrap();
    let check = |text: String, expect: Result<usize, JwkError>| {
        assert_eq!(JwkSet::parse(&text).map(|set| set.keys().len()), expect, "{text}");
    };
    check(set(json!([ec()])), Ok(1));
    check(set(json!([named(ec(), "a"), named(okp(), "b"), rsa(), rsa()])), Ok(4));
    check(
        set(json!([named(ec(), "a"), named(okp(), "a")])),
        Err(JwkError::DuplicateKid { kid: "a".to_owned() }),
    );
    check(set(json!([])), Err(JwkError::SetSize { keys: 0, keys_max: 16 }));
    check(set(json!(vec![ec(); 16])), Ok(16));
    check(set(json!(vec![ec(); 17])), Err(JwkError::SetSize { keys: 17, keys_max: 16 }));
    check("{}".to_owned(), Err(JwkError::MemberMissing { name: "keys" }));
    let in_set = JwkError::InSet { position: 2, source: Box::new(JwkError::SharedSecret) };
    check(set(json!([ec(), {"kty": "oct", "k": "AA"}])), Err(in_set));
    assert!(matches!(JwkSet::parse(&set(json!({}))), Err(JwkError::MemberMalformed { name: "keys", .. })));
    assert!(matches!(JwkSet::parse(&set(json!([1]))), Err(JwkError::InSet { position: 1, .. })));
    assert!(matches!(JwkSet::parse(&" ".repeat(SET_BYTES_MAX + 1)), Err(JwkError::TooLong { .. })));
}

#[test]
fn a_key_is_written_as_it_is_read() {
    let check = |text: String, expect: &str| {
        let key = Jwk::parse(&text).unwrap();
        let written = serde_json::to_string(&key).unwrap();
        assert_eq!(written, expect);
        assert_eq!(serde_json::from_str::<Jwk>(&written).unwrap(), key);
    };
    check(
        with(ec(), json!({"kid": "a\"b", "alg": "ES256"})),
        &format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}","use":"sig","alg":"ES256","kid":"a\"b"}}"#
        ),
    );
    check(okp().to_string(), &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ED25519_X}","use":"sig"}}"#));
    check(rsa().to_string(), &format!(r#"{{"kty":"RSA","n":"{RSA_MODULUS}","e":"AQAB","use":"sig"}}"#));
    assert!(serde_json::from_str::<Jwk>(r#"{"kty":"oct","k":"AA"}"#).is_err());
}

#[test]
fn a_key_verifies_its_own_algorithm_only() {
    let check = |key: String, accepted: &[Algorithm]| {
        let key = Jwk::parse(&key).unwrap();
        let verifying = VerifyingKey::new(&key).unwrap();
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256] {
            let expect = if accepted.contains(&algorithm) {
                SignatureError::Invalid
            } else {
                SignatureError::AlgorithmMismatch { algorithm }
            };
            assert_eq!(verifying.verify(algorithm, b"", &[0; 64]), Err(expect));
            assert_eq!(key.accepts(algorithm), accepted.contains(&algorithm));
            assert_eq!(verifying.accepts(algorithm), accepted.contains(&algorithm));
        }
    };
    check(ec().to_string(), &[Algorithm::ES256]);
    check(okp().to_string(), &[Algorithm::EdDSA]);
    check(rsa().to_string(), &[Algorithm::PS256, Algorithm::RS256]);
    check(with(rsa(), json!({"alg": "PS256"})), &[Algorithm::PS256]);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        let _ = Jwk::parse(&text);
        let _ = JwkSet::parse(&text);
    }

    #[test]
    fn arbitrary_members_never_panic(
        kty in "EC|OKP|RSA|oct",
        crv in "P-256|Ed25519",
        x in proptest::collection::vec(any::<u8>(), 30..34),
        y: [u8; 32],
        n in proptest::collection::vec(any::<u8>(), 0..600),
        e in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let encode = |bytes: &[u8]| base64url::encode(bytes);
        let text = json!({"kty": kty, "crv": crv, "x": encode(&x), "y": encode(&y), "n": encode(&n), "e": encode(&e)});
        if let Ok(key) = Jwk::parse(&text.to_string()) {
            prop_assert!(VerifyingKey::new(&key).is_ok());
        }
    }
}

#[test]
fn the_bare_form_has_the_same_thumbprint() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        let bare = Jwk::of_members(&key.public_jwk().bare()).unwrap();
        assert_eq!(bare.thumbprint(), key.public_jwk().thumbprint());
        assert_eq!(bare.kid(), None);
    }
}
