use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use serde_json::json;

use super::*;
use crate::base64url::encode;
use crate::jwk::Jwk;
use crate::signing::SigningKey;

const ISSUER: &str = "https://idp.vendor.example/realms/machines";
const NOW: i64 = 1_800_000_000;
const ALL: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

/// An issuer with an RSA key, as most have, and a key on a curve.
struct Issuer {
    rsa: RsaKeyPair,
    curve: SigningKey,
    keys: ExternalKeys,
}

impl Issuer {
    fn new() -> Self {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let curve = SigningKey::generate(Algorithm::ES256).unwrap();
        let public = Self::rsa_jwk(&rsa);
        let keys = ExternalKeys::new([&Jwk::parse(&public.to_string()).unwrap(), curve.public_jwk()]);
        Self { rsa, curve, keys }
    }

    fn rsa_jwk(rsa: &RsaKeyPair) -> Value {
        json!({ "kty": "RSA", "kid": "rsa-1", "use": "sig", "n": encode(Self::modulus(rsa)), "e": "AQAB" })
    }

    /// RFC 8017, A.1.1: two bytes of headers each, their lengths, and a zero before the number.
    fn modulus(rsa: &RsaKeyPair) -> &[u8] {
        &rsa.public_key().as_ref()[9..265]
    }

    fn sign(&self, header: &Value, claims: &str) -> String {
        let input = format!("{}.{}", encode(header.to_string()), encode(claims));
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        let algorithm = if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        self.rsa.sign(algorithm, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", encode(signature))
    }
}

fn header() -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": "rsa-1" })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "service-account", "aud": ["https://gate.example", "account"], "azp": "exports",
        "iat": NOW - 10, "exp": NOW + 290, "jti": "t-1", "scope": "parcels:read profile",
        "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }
    })
}

fn with(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            change => value[name] = change.clone(),
        }
    }
    value
}

fn ask(issuer: &Issuer, token: &str, algorithms: &[Algorithm]) -> Result<ExternalClaims, ExternalError> {
    let types = ["at+jwt".to_owned(), "JWT".to_owned()];
    let audiences = ["https://gate.example".to_owned()];
    let expected = Expected {
        issuer: Some(ISSUER),
        algorithms,
        types: &types,
        audiences: &audiences,
        lifetime_seconds_max: 600,
        now_seconds: NOW,
    };
    verify(token, &issuer.keys, &expected)
}

#[test]
fn a_good_token_says_what_it_says() {
    let issuer = Issuer::new();
    let read = ask(&issuer, &issuer.sign(&header(), &claims().to_string()), &ALL).unwrap();
    assert_eq!(
        (read.subject.as_str(), read.issued_at, read.expires_at),
        ("service-account", NOW - 10, NOW + 290)
    );
    assert_eq!(read.audience, ["https://gate.example"]);
    assert_eq!(read.words("scope"), ["parcels:read", "profile"]);
    assert_eq!(read.text("azp"), Some("exports"));
    assert!(read.confirmation.jkt.is_some() && read.confirmation.x5t_s256.is_none());
    // Okta gives no `typ` and a list of scopes; RFC 9068 may write its type in full; PSS is another algorithm.
    let okta = with(claims(), json!({ "scp": ["a", "b"], "cnf": null, "jti": null }));
    let read = ask(&issuer, &issuer.sign(&with(header(), json!({ "typ": null })), &okta.to_string()), &ALL);
    let read = read.unwrap();
    assert_eq!(read.words("scp"), ["a", "b"]);
    assert_eq!((read.token_id, read.confirmation), (None, Confirmation::default()));
    for changes in [json!({ "typ": "application/at+JWT" }), json!({ "alg": "PS256" })] {
        let header = with(header(), changes);
        assert!(ask(&issuer, &issuer.sign(&header, &claims().to_string()), &ALL).is_ok(), "{header}");
    }
    let own = Map::from_iter([("kid".to_owned(), issuer.curve.kid().into())]);
    let token = issuer.curve.sign(&own, claims().to_string().as_bytes()).unwrap();
    assert!(ask(&issuer, &token, &[Algorithm::ES256]).is_ok());
}

#[test]
fn headers_that_would_bring_a_key_or_an_algorithm_are_refused() {
    let issuer = Issuer::new();
    let check = |changes: Value, expect: &str| {
        let header = with(header(), changes);
        let error = ask(&issuer, &issuer.sign(&header, &claims().to_string()), &ALL).unwrap_err().to_string();
        assert!(error.contains(expect), "{header}: {error}");
    };
    check(json!({ "jku": "https://evil.example/jwks" }), "`jku` isn't accepted");
    check(json!({ "x5u": "https://evil.example/x5" }), "`x5u` isn't accepted");
    check(json!({ "jwk": Issuer::rsa_jwk(&issuer.rsa) }), "`jwk` isn't accepted");
    check(json!({ "x5c": ["AAAA"] }), "`x5c` isn't accepted");
    check(json!({ "crit": ["exp"] }), "`crit` isn't accepted");
    check(json!({ "b64": false }), "`b64` isn't accepted");
    check(json!({ "zip": "DEF" }), "`zip` isn't accepted");
    check(json!({ "alg": "none" }), "`alg` is `none`");
    check(json!({ "alg": "nOnE" }), "`alg` is `none`");
    check(json!({ "alg": "HS256" }), "`alg` is `HS256`");
    check(json!({ "alg": "RS512" }), "`alg` is `RS512`");
    check(json!({ "alg": "ES256" }), "isn't for `ES256`");
    check(json!({ "kid": "foreign" }), "`foreign` isn't among");
    check(json!({ "kid": null }), "doesn't name its key");
    check(json!({ "kid": issuer.curve.kid() }), "isn't for `RS256`");
    check(json!({ "typ": "dpop+jwt" }), "`typ` is `dpop+jwt`");
    check(json!({ "typ": "logout+jwt" }), "`typ` is `logout+jwt`");
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    let issuer = Issuer::new();
    let header = with(header(), json!({ "alg": "HS256" }));
    let input = format!("{}.{}", encode(header.to_string()), encode(claims().to_string()));
    for secret in [
        Issuer::rsa_jwk(&issuer.rsa).to_string().into_bytes(),
        issuer.rsa.public_key().as_ref().to_vec(),
        Issuer::modulus(&issuer.rsa).to_vec(),
    ] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let token = format!("{input}.{}", encode(aws_lc_rs::hmac::sign(&key, input.as_bytes())));
        assert!(matches!(
            ask(&issuer, &token, &ALL),
            Err(ExternalError::Jws(JwsError::AlgorithmNotPermitted { .. }))
        ));
    }
}

#[test]
fn what_is_pinned_is_all_that_is_tried() {
    let issuer = Issuer::new();
    let token = issuer.sign(&header(), &claims().to_string());
    let error = ask(&issuer, &token, &[Algorithm::PS256]).unwrap_err().to_string();
    assert!(error.contains("`alg` is `RS256`, hint: sign with `PS256`"), "{error}");
}

#[test]
fn claims_that_do_not_hold_are_named() {
    let issuer = Issuer::new();
    let check = |changes: Value, expect: &str| {
        let claims = with(claims(), changes);
        let error = ask(&issuer, &issuer.sign(&header(), &claims.to_string()), &ALL).unwrap_err().to_string();
        assert!(error.contains(expect), "{claims}: {error}");
    };
    check(json!({ "iss": format!("{ISSUER}/") }), "get a token from");
    check(json!({ "iss": null }), "`iss` is missing");
    check(json!({ "iss": [ISSUER] }), "`iss` is malformed");
    check(json!({ "sub": null }), "`sub` is missing");
    check(json!({ "aud": "https://gate.example/" }), "get one for");
    check(json!({ "aud": null }), "`aud` is missing");
    check(json!({ "aud": ["https://gate.example", 7] }), "`aud` is malformed");
    check(json!({ "aud": vec!["https://gate.example"; 33] }), "`aud` is malformed");
    check(json!({ "iat": null }), "`iat` is missing");
    check(json!({ "exp": null }), "`exp` is missing");
    check(json!({ "exp": NOW }), "expired 0 s ago");
    check(json!({ "exp": "tomorrow" }), "`exp` is malformed");
    check(json!({ "iat": NOW + 61, "exp": NOW + 100 }), "61 s in the future");
    check(json!({ "nbf": NOW + 61 }), "isn't good before");
    check(json!({ "exp": NOW + 591 }), "lives for 601 s");
    check(json!({ "iat": i64::MIN }), "lives for");
    check(json!({ "cnf": {} }), "`cnf` binds");
    check(json!({ "cnf": "x" }), "`cnf` binds");
    check(json!({ "cnf": { "jkt": "short" } }), "`cnf` binds");
    check(json!({ "cnf": { "kid": "k" } }), "`cnf` binds");
    check(
        json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "jwk": {} } }),
        "`cnf` binds",
    );
    check(json!({ "jti": "" }), "`jti` is malformed");
    let twice = claims().to_string().replacen('{', "{\"sub\":\"other\",", 1);
    assert!(matches!(
        ask(&issuer, &issuer.sign(&header(), &twice), &ALL),
        Err(ExternalError::Jws(JwsError::Json { .. }))
    ));
}

#[test]
fn a_changed_token_is_refused_and_only_its_names_are_read_before() {
    let issuer = Issuer::new();
    let token = issuer.sign(&header(), &claims().to_string());
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = rest.split_once('.').unwrap();
    let other = encode(with(claims(), json!({ "azp": "admin" })).to_string());
    let changed = format!("{head}.{other}.{signature}");
    assert_eq!(peek(&changed).unwrap().issuer.as_deref(), Some(ISSUER));
    assert_eq!(ask(&issuer, &changed, &ALL), Err(ExternalError::Signature(SignatureError::Invalid)));
    assert!(matches!(peek(&"x".repeat(EXTERNAL_BYTES_MAX + 1)), Err(JwsError::TooLong { .. })));
    assert_eq!(peek("a.e30.c"), Ok(Peeked { issuer: None, subject: None }));
    assert!(peek("a.b").is_err() && peek("a.W10.c").is_err());
}

#[test]
fn words_are_bounded() {
    let issuer = Issuer::new();
    let many = vec!["s"; 1_000].join(" ");
    let token = issuer.sign(&header(), &with(claims(), json!({ "scope": many })).to_string());
    assert_eq!(ask(&issuer, &token, &ALL).unwrap().words("scope").len(), SCOPES_MAX);
}
