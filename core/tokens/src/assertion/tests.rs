use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://gate.example.com";
const ENDPOINT: &str = "https://gate.example.com/oauth/token";
const CLIENT: &str = "acme-batch";

const EXPECTED: ExpectedAssertion<'static> = ExpectedAssertion {
    client_id: CLIENT,
    audiences: &[ISSUER, ENDPOINT],
    now: NOW,
    lifetime_seconds_max: 300,
    leeway_seconds: 30,
};

fn registered(key: &SigningKey, kid: Option<&str>) -> RegisteredKey {
    RegisteredKey {
        key: key.verifying_key().unwrap(),
        kid: kid.map(str::to_owned),
        thumbprint: key.public_jwk().thumbprint(),
    }
}

/// An assertion of `key` with these changes to a good one; `null` takes a member away.
fn assertion(key: &SigningKey, header: Value, changes: Value) -> String {
    let members = |good: Value, changes: &Value| {
        let mut members = good.as_object().unwrap().clone();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        members
    };
    let header = members(json!({"typ": "JWT"}), &header);
    let good =
        json!({"iss": CLIENT, "sub": CLIENT, "aud": ENDPOINT, "jti": "a-1", "iat": NOW, "exp": NOW + 60});
    key.sign(&header, Value::Object(members(good, &changes)).to_string().as_bytes()).unwrap()
}

fn subject_of(jwt: &str) -> Result<String, AssertionError> {
    Ok(Assertion::parse(jwt)?.subject()?.to_owned())
}

#[test]
fn the_audience_is_told_and_can_be_narrowed() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let text = assertion(&key, json!({}), json!({"aud": [ENDPOINT]}));
    let verified = verify(&text, &[registered(&key, None)], &EXPECTED).unwrap();
    assert_eq!(verified.audience, ENDPOINT);
    assert_eq!(verified.check_audience(&[ENDPOINT]), Ok(()));
    let (found, expected) = (ENDPOINT.to_owned(), ISSUER.to_owned());
    assert_eq!(verified.check_audience(&[ISSUER]), Err(AssertionError::Audience { found, expected }));
}

#[test]
fn good_assertions() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = [registered(&key, Some("k"))];
        let check = |header: Value, claims: Value| {
            let text = assertion(&key, header.clone(), claims.clone());
            let verified =
                verify(&text, &keys, &EXPECTED).unwrap_or_else(|e| panic!("{header} {claims} {e}"));
            assert_eq!(verified.key, keys[0].thumbprint);
            assert_eq!(verified.token_id, "a-1");
            assert_eq!(subject_of(&text), Ok(CLIENT.to_owned()));
        };
        check(json!({}), json!({}));
        for typ in [json!(null), json!("jwt"), json!("client-authentication+jwt")] {
            check(json!({"typ": typ}), json!({}));
        }
        check(json!({"kid": "k"}), json!({}));
        check(json!({"kid": key.kid()}), json!({}));
        check(json!({}), json!({"aud": ISSUER}));
        check(json!({}), json!({"aud": [ISSUER]}));
        check(json!({}), json!({"iat": null}));
        check(json!({}), json!({"iat": NOW + 30, "nbf": NOW + 30}));
        check(json!({}), json!({"exp": NOW + 1}));
        check(json!({}), json!({"exp": NOW + 330}));
    }
}

#[test]
fn refused_for_what_they_say() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let keys = [registered(&key, Some("k"))];
    let refusal = |header: Value, claims: Value| {
        verify(&assertion(&key, header, claims), &keys, &EXPECTED).unwrap_err()
    };
    let check = |claims: Value, expect: AssertionError| {
        assert_eq!(refusal(json!({}), claims.clone()), expect, "{claims}");
    };
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        check(json!({name: null}), AssertionError::Claim(ClaimError::Missing { name }));
    }
    for name in ["iss", "sub", "aud", "exp", "jti", "nbf", "iat"] {
        let malformed = refusal(json!({}), json!({name: {}}));
        let is_right =
            matches!(malformed, AssertionError::Claim(ClaimError::Malformed { name: n, .. }) if n == name);
        assert!(is_right, "{name} {malformed}");
    }
    let (found, client_id, expected) = ("x".to_owned(), CLIENT.to_owned(), ISSUER.to_owned());
    check(json!({"iss": "x"}), AssertionError::Issuer { found: found.clone(), client_id: client_id.clone() });
    check(json!({"sub": "x"}), AssertionError::Subject { found: found.clone(), client_id });
    check(json!({"aud": "x"}), AssertionError::Audience { found: found.clone(), expected: expected.clone() });
    check(json!({"aud": ["x"]}), AssertionError::Audience { found, expected: expected.clone() });
    let several = |count| AssertionError::AudienceCount { count, expected: expected.clone() };
    check(json!({"aud": []}), several(0));
    check(json!({"aud": [ISSUER, ENDPOINT]}), several(2));
    check(json!({"aud": [ENDPOINT, "https://evil.example"]}), several(2));
    assert!(matches!(
        refusal(json!({}), json!({"aud": [1]})),
        AssertionError::Claim(ClaimError::Malformed { name: "aud", .. })
    ));
    check(json!({"exp": NOW}), AssertionError::Expired { seconds: 0 });
    check(json!({"exp": i64::MIN}), AssertionError::Expired { seconds: i64::MAX });
    check(json!({"exp": NOW + 331}), AssertionError::LivesTooLong { seconds: 331, seconds_max: 330 });
    check(
        json!({"exp": i64::MAX}),
        AssertionError::LivesTooLong { seconds: i64::MAX - NOW, seconds_max: 330 },
    );
    check(json!({"nbf": NOW + 31}), AssertionError::NotYetValid { seconds: 31 });
    check(json!({"iat": NOW + 31}), AssertionError::IssuedInFuture { seconds: 31 });
    let found = "at+jwt".to_owned();
    assert_eq!(refusal(json!({"typ": found}), json!({})), AssertionError::Type { found });
    assert_eq!(refusal(json!({"jwk": {}}), json!({})), AssertionError::EmbeddedKey);
    let kid = "other".to_owned();
    assert_eq!(refusal(json!({"kid": kid}), json!({})), AssertionError::KeyUnknown { kid });
    let jws = refusal(json!({"x5u": "https://x"}), json!({}));
    assert_eq!(jws, AssertionError::Jws(JwsError::HeaderRefused { name: "x5u" }));
}

#[test]
fn the_longest_life_is_the_callers() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let keys = [registered(&key, None)];
    let text = assertion(&key, json!({}), json!({"exp": NOW + 3_600}));
    let hour = ExpectedAssertion { lifetime_seconds_max: 3_600, ..EXPECTED };
    assert!(verify(&text, &keys, &EXPECTED).is_err());
    assert_eq!(verify(&text, &keys, &hour).map(|verified| verified.expires_at), Ok(NOW + 3_600));
}

#[test]
fn keys_are_chosen_by_kid_and_algorithm() {
    let [first, second, third] = [Algorithm::ES256, Algorithm::ES256, Algorithm::EdDSA]
        .map(|algorithm| SigningKey::generate(algorithm).unwrap());
    let both = [registered(&first, Some("1")), registered(&second, Some("2"))];
    let unnamed = [registered(&first, None), registered(&second, None)];
    let check = |key: &SigningKey, header: Value, keys: &[RegisteredKey], expect: Option<AssertionError>| {
        let outcome = verify(&assertion(key, header.clone(), json!({})), keys, &EXPECTED);
        match (outcome, expect) {
            (Ok(verified), None) => assert_eq!(verified.key, key.public_jwk().thumbprint()),
            (outcome, expect) => assert_eq!(outcome.err(), expect, "{header}"),
        }
    };
    check(&first, json!({}), &both, None);
    check(&second, json!({}), &both, None);
    check(&second, json!({"kid": "2"}), &both, None);
    check(&second, json!({"kid": "1"}), &both, Some(AssertionError::Signature));
    check(&second, json!({"kid": second.kid()}), &both, None);
    check(&second, json!({"kid": "anything"}), &unnamed, None);
    let mismatch = AssertionError::AlgorithmMismatch { algorithm: Algorithm::EdDSA };
    check(&third, json!({}), &both, Some(mismatch.clone()));
    check(&third, json!({}), &[], Some(mismatch));
    let unknown = AssertionError::KeyUnknown { kid: "1".to_owned() };
    check(&first, json!({"kid": "1"}), &[], Some(unknown));
    check(&first, json!({}), &both[1..], Some(AssertionError::Signature));
    let many: Vec<RegisteredKey> =
        [&second, &second, &second, &second, &first].map(|key| registered(key, None)).to_vec();
    check(&first, json!({}), &many, Some(AssertionError::Signature));
}

#[test]
fn created_assertions_are_good() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let new = NewAssertion {
        client_id: CLIENT,
        audience: ISSUER,
        token_id: "j",
        issued_at: NOW,
        expires_at: NOW + 60,
    };
    let verified = verify(&create(&key, &new).unwrap(), &[registered(&key, None)], &EXPECTED).unwrap();
    let expect = VerifiedAssertion {
        audience: ISSUER.to_owned(),
        key: key.public_jwk().thumbprint(),
        token_id: "j".to_owned(),
        issued_at: Some(NOW),
        expires_at: NOW + 60,
    };
    assert_eq!(verified, expect);
}

#[test]
fn subjects_are_bounded() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let peek = |subject: Value| subject_of(&assertion(&key, json!({}), json!({"sub": subject})));
    assert_eq!(peek(json!("x".repeat(512))), Ok("x".repeat(512)));
    assert!(matches!(peek(json!("x".repeat(513))), Err(AssertionError::Claim(_))));
    assert!(matches!(peek(json!("")), Err(AssertionError::Claim(_))));
    assert!(matches!(subject_of(&"x".repeat(8_193)), Err(AssertionError::Jws(JwsError::TooLong { .. }))));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*|[A-Za-z0-9_.-]*") {
        prop_assert!(subject_of(&text).is_err());
        prop_assert!(verify(&text, &[], &EXPECTED).is_err());
    }

    #[test]
    fn arbitrary_claims_never_panic(payload in "\\{(\"(iss|sub|aud|exp|jti|nbf)\":(\"acme-batch\"|-?[0-9]{1,20}|\\[\\]|1e9),?){0,6}\\}") {
        let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let text = key.sign(&Map::new(), payload.as_bytes()).unwrap();
        prop_assert!(verify(&text, &[registered(&key, None)], &EXPECTED).is_err());
    }
}
