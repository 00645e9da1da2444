use proptest::prelude::*;
use serde_json::{Map, json};
use uuid::Uuid;

use super::*;
use crate::base64url;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://gate.example.com";

fn claims() -> AccessClaims {
    AccessClaims {
        issuer: ISSUER.to_owned(),
        subject: "acme-batch".to_owned(),
        audience: vec!["https://gate.example.com/v1".to_owned()],
        client_id: "acme-batch".to_owned(),
        issued_at: NOW,
        expires_at: NOW + 300,
        token_id: "t-1".to_owned(),
        scope: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        confirmation: Confirmation { jkt: Some(Thumbprint([1; 32])), x5t_s256: Some(Thumbprint([2; 32])) },
        lineage: Lineage {
            vendor: VendorId(Uuid::from_u128(1)),
            integration: IntegrationId(Uuid::from_u128(2)),
            client: ClientId(Uuid::from_u128(3)),
            epochs: Epochs { vendor: 4, integration: 5, client: u64::MAX },
            client_key: Thumbprint([3; 32]),
            context: Some("t13d_x@AS64500".to_owned()),
        },
    }
}

fn key() -> (SigningKey, TokenKeys) {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let mut keys = TokenKeys::new();
    keys.insert_signing_key(&key).unwrap();
    (key, keys)
}

/// A well signed token with these changes to a good one; `null` takes a member away.
fn token(key: &SigningKey, header: Value, changes: Value) -> String {
    let change = |members: &mut Map<String, Value>, changes: Value| {
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
    };
    let minted = mint(key, &claims()).unwrap();
    let mut payload = Compact::parse(&minted, 8_192, &[key.algorithm()]).unwrap().claims().unwrap();
    let mut members = json!({"typ": "at+jwt", "kid": key.kid()}).as_object().unwrap().clone();
    change(&mut members, header);
    change(&mut payload, changes);
    key.sign(&members, Value::Object(payload).to_string().as_bytes()).unwrap()
}

#[test]
fn the_names_on_the_wire() {
    let (key, _) = key();
    let minted = mint(&key, &claims()).unwrap();
    let part = |at: usize| {
        String::from_utf8(base64url::decode(minted.split('.').nth(at).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(part(0), format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, key.kid()));
    let (one, two) = (Thumbprint([1; 32]), Thumbprint([2; 32]));
    let read: Value = serde_json::from_str(&part(1)).unwrap();
    let expect = json!({
        "iss": ISSUER, "sub": "acme-batch", "aud": "https://gate.example.com/v1", "client_id": "acme-batch",
        "iat": NOW, "exp": NOW + 300, "jti": "t-1", "scope": "orders:read orders:write",
        "cnf": {"jkt": one, "x5t#S256": two},
        "portcullis": {
            "vendor": Uuid::from_u128(1), "integration": Uuid::from_u128(2), "client": Uuid::from_u128(3),
            "epochs": {"vendor": 4, "integration": 5, "client": u64::MAX},
            "client_key": Thumbprint([3; 32]), "context": "t13d_x@AS64500",
        },
    });
    assert_eq!(read, expect);
}

#[test]
fn time_has_leeway_for_iat_only() {
    let (key, keys) = key();
    let minted = mint(&key, &claims()).unwrap();
    let check = |now: i64, expect: Option<TokenError>| {
        assert_eq!(verify(&minted, &keys, ISSUER, now).err(), expect, "{now}");
    };
    check(NOW, None);
    check(NOW - 60, None);
    check(NOW - 61, Some(TokenError::IssuedInFuture { seconds: 61 }));
    check(NOW + 299, None);
    check(NOW + 300, Some(TokenError::Expired { seconds: 0 }));
    check(NOW + 301, Some(TokenError::Expired { seconds: 1 }));
    check(i64::MIN, Some(TokenError::IssuedInFuture { seconds: i64::MAX }));
    check(i64::MAX, Some(TokenError::Expired { seconds: i64::MAX - NOW - 300 }));
}

#[test]
fn well_signed_tokens_that_are_refused() {
    let (key, keys) = key();
    let check = |header: Value, changes: Value, expect: TokenError| {
        let text = token(&key, header.clone(), changes.clone());
        assert_eq!(verify(&text, &keys, ISSUER, NOW).err(), Some(expect), "{header} {changes}");
    };
    let malformed = |changes: Value| {
        let refusal = verify(&token(&key, json!({}), changes.clone()), &keys, ISSUER, NOW).err();
        assert!(matches!(refusal, Some(TokenError::Claims { .. })), "{changes} {refusal:?}");
    };
    assert_eq!(verify(&token(&key, json!({}), json!({})), &keys, ISSUER, NOW), Ok(claims()));
    for typ in ["", "JWT", "AT+JWT", "application/at+jwt", "dpop+jwt"] {
        check(json!({"typ": typ}), json!({}), TokenError::Type { found: typ.to_owned() });
    }
    check(json!({"typ": null}), json!({}), TokenError::Type { found: String::new() });
    check(json!({"kid": null}), json!({}), TokenError::KidMissing);
    check(json!({"kid": "x"}), json!({}), TokenError::KeyUnknown { kid: "x".to_owned() });
    let (found, expected) = ("https://gate.example.com/".to_owned(), ISSUER.to_owned());
    check(json!({}), json!({"iss": found}), TokenError::Issuer { found: found.clone(), expected });
    check(json!({}), json!({"nbf": NOW + 1}), TokenError::NotYetValid { not_before: NOW + 1 });
    check(json!({}), json!({"cnf": null}), TokenError::Unbound);
    check(json!({}), json!({"cnf": {}}), TokenError::Unbound);
    for name in ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "portcullis"] {
        malformed(json!({name: null}));
        malformed(json!({name: {"x": 1}}));
    }
    malformed(json!({"cnf": {"jkt": "short"}}));
    malformed(json!({"cnf": {"jkt": Thumbprint([1; 32]), "jku": "https://x"}}));
    malformed(json!({"exp": 1.5}));
    malformed(json!({"scope": ""}));
    malformed(json!({"scope": "a  b"}));
    malformed(json!({"portcullis": {"vendor": "x"}}));
}

#[test]
fn a_token_of_another_key_or_algorithm_is_refused() {
    let (key, _) = key();
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let minted = mint(&key, &claims()).unwrap();
    let check = |algorithm: Algorithm, verifying: VerifyingKey, expect: SignatureError| {
        let mut keys = TokenKeys::new();
        keys.insert(key.kid().to_owned(), algorithm, verifying);
        assert_eq!(verify(&minted, &keys, ISSUER, NOW), Err(TokenError::Signature(expect)));
        keys.remove(key.kid());
        assert!(matches!(verify(&minted, &keys, ISSUER, NOW), Err(TokenError::KeyUnknown { .. })));
    };
    let mismatch = SignatureError::AlgorithmMismatch { algorithm: Algorithm::EdDSA };
    // The pin counts, even where the key itself would fit.
    check(Algorithm::ES256, key.verifying_key().unwrap(), mismatch);
    check(Algorithm::EdDSA, other.verifying_key().unwrap(), mismatch);
    let third = SigningKey::generate(Algorithm::EdDSA).unwrap();
    check(Algorithm::EdDSA, third.verifying_key().unwrap(), SignatureError::Invalid);
    let forged = format!("{}.{}", minted.rsplit_once('.').unwrap().0, base64url::encode([0; 64]));
    let keys = TokenKeys::of_set(&JwkSet::new(vec![key.public_jwk().clone()]).unwrap()).unwrap();
    assert_eq!(verify(&forged, &keys, ISSUER, NOW), Err(TokenError::Signature(SignatureError::Invalid)));
    assert_eq!(verify(&minted, &keys, ISSUER, NOW), Ok(claims()));
    let long = "a".repeat(TOKEN_BYTES_MAX + 1);
    let refusal = verify(&long, &keys, ISSUER, NOW);
    assert!(matches!(refusal, Err(TokenError::Jws(JwsError::TooLong { .. }))), "{refusal:?}");
}

#[test]
fn what_isnt_minted() {
    let (key, _) = key();
    let check = |change: fn(&mut AccessClaims), name: &str| {
        let mut claims = claims();
        change(&mut claims);
        let refusal = mint(&key, &claims).unwrap_err();
        assert!(matches!(refusal, TokenError::Mint { name: n, .. } if n == name), "{refusal}");
    };
    check(|claims| claims.issuer.clear(), "issuer");
    check(|claims| claims.subject.clear(), "subject");
    check(|claims| claims.client_id.clear(), "client_id");
    check(|claims| claims.token_id.clear(), "token_id");
    check(|claims| claims.audience.clear(), "audience");
    check(|claims| claims.audience.push(String::new()), "audience");
    check(|claims| claims.scope.push("a b".to_owned()), "scope");
    check(|claims| claims.scope.push(String::new()), "scope");
    check(|claims| claims.expires_at = claims.issued_at, "expires_at");
    check(|claims| claims.subject = "x".repeat(TOKEN_BYTES_MAX), "token");
    let unbound = AccessClaims { confirmation: Confirmation::default(), ..claims() };
    assert_eq!(mint(&key, &unbound), Err(TokenError::Unbound));
}

#[test]
fn audiences() {
    let check = |audience: &[&str], accepted: &[&str], expect: bool| {
        let audience = audience.iter().map(|text| (*text).to_owned()).collect();
        let claims = AccessClaims { audience, ..claims() };
        assert_eq!(check_audience(&claims, accepted).is_ok(), expect, "{accepted:?}");
    };
    check(&["a"], &["a"], true);
    check(&["a", "b"], &["c", "b"], true);
    check(&["a"], &["A"], false);
    check(&["a"], &["a/"], false);
    check(&["a"], &[], false);
    check(&[], &["a"], false);
}

proptest! {
    #[test]
    fn whatever_is_minted_is_read_back(
        texts in proptest::array::uniform4("\\PC{1,40}"),
        audience in proptest::collection::vec("\\PC{1,20}", 1..4),
        scope in proptest::collection::vec("[!#-\\[\\]-~]{1,12}", 0..5),
        bindings in (any::<Option<[u8; 32]>>(), any::<Option<[u8; 32]>>()),
        ids: [u128; 3],
        epochs: [u64; 3],
        context in proptest::option::of("\\PC{0,40}"),
        issued_at in 0..4_000_000_000_i64,
        lifetime in 1..100_000_i64,
    ) {
        let [issuer, subject, client_id, token_id] = texts;
        let (jkt, x5t_s256) = bindings;
        let confirmation = Confirmation { jkt: jkt.map(Thumbprint), x5t_s256: x5t_s256.map(Thumbprint) };
        let claims = AccessClaims {
            issuer, subject, audience, client_id, issued_at, expires_at: issued_at + lifetime, token_id, scope,
            confirmation,
            lineage: Lineage {
                vendor: VendorId(Uuid::from_u128(ids[0])),
                integration: IntegrationId(Uuid::from_u128(ids[1])),
                client: ClientId(Uuid::from_u128(ids[2])),
                epochs: Epochs { vendor: epochs[0], integration: epochs[1], client: epochs[2] },
                client_key: Thumbprint([9; 32]),
                context,
            },
        };
        let (key, keys) = key();
        match mint(&key, &claims) {
            Ok(minted) => prop_assert_eq!(verify(&minted, &keys, &claims.issuer, issued_at), Ok(claims)),
            Err(refusal) => {
                prop_assert_eq!(refusal, TokenError::Unbound);
                prop_assert!(!claims.confirmation.binds());
            }
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*|[A-Za-z0-9_.-]*", now: i64) {
        prop_assert!(verify(&text, &TokenKeys::new(), ISSUER, now).is_err());
    }

    #[test]
    fn arbitrary_payloads_of_our_own_key_never_panic(payload in "\\{(\"(iss|aud|exp|cnf|iat)\":(\"a\"|[0-9]{1,20}|\\[\\]|\\{\\}),?){0,5}\\}") {
        let (key, keys) = key();
        let header = json!({"typ": "at+jwt", "kid": key.kid()});
        let text = key.sign(header.as_object().unwrap(), payload.as_bytes()).unwrap();
        prop_assert!(verify(&text, &keys, "a", NOW).is_err());
    }
}
