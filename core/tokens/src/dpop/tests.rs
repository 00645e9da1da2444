use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::signing::SigningKey;

/// RFC 9449, section 4.1 and section 7.1.
const TOKEN_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
const RESOURCE_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const ACCESS_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const RFC_JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const NOW: i64 = 1_700_000_000;
const URL: &str = "https://gate.example.com/v1/orders";

fn urls() -> Vec<String> {
    vec!["https://other.example.com/v1/orders".to_owned(), URL.to_owned()]
}

fn expected<'a>(urls: &'a [String], access_token: Option<&'a str>) -> ExpectedProof<'a> {
    ExpectedProof { method: "POST", urls, access_token, now: NOW, leeway_seconds: 300 }
}

/// A proof of `key` with these changes to a good one; `null` takes a member away.
fn proof(key: &SigningKey, header: Value, claims: Value) -> String {
    let changed = |mut members: Map<String, Value>, changes: Value| {
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        members
    };
    let good_header = json!({"typ": "dpop+jwt", "jwk": key.public_jwk().bare()});
    let good_claims = json!({"jti": "j", "htm": "POST", "htu": URL, "iat": NOW, "nonce": "n"});
    let header = changed(good_header.as_object().unwrap().clone(), header);
    let claims = Value::Object(changed(good_claims.as_object().unwrap().clone(), claims));
    key.sign(&header, claims.to_string().as_bytes()).unwrap()
}

#[test]
fn the_rfcs_examples() {
    let check = |proof: &str, method, url: &str, access_token, now, jti: &str| {
        let urls = [url.to_owned()];
        let expected = ExpectedProof { method, urls: &urls, access_token, now, leeway_seconds: 300 };
        let verified = verify(proof, &expected).unwrap();
        assert_eq!(verified.jkt.to_string(), RFC_JKT);
        assert_eq!(verified.jti, jti);
        assert_eq!(verified.nonce, None);
    };
    let url = "https://server.example.com/token";
    check(TOKEN_REQUEST, "POST", url, None, 1_562_262_616, "-BwC3ESc6acc2lTc");
    let url = "https://resource.example.org/protectedresource";
    check(RESOURCE_REQUEST, "GET", url, Some(ACCESS_TOKEN), 1_562_262_618, "e1j3V_bKic8-LAEB");
}

#[test]
fn good_proofs() {
    let urls = urls();
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        let check = |claims: Value, access_token: Option<&str>| {
            let text = proof(&key, json!({}), claims);
            let verified = verify(&text, &expected(&urls, access_token)).unwrap();
            assert_eq!(verified.jkt, key.public_jwk().thumbprint());
        };
        check(json!({}), None);
        check(json!({"nonce": null}), None);
        check(json!({"htu": "HTTPS://Gate.Example.com:443/v1/%6frders"}), None);
        check(json!({"iat": NOW - 300}), None);
        check(json!({"iat": NOW + 300}), None);
        check(json!({"iat": NOW as f64 + 0.5}), None);
        check(json!({"jti": "x".repeat(256)}), None);
        check(json!({"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}), Some(ACCESS_TOKEN));
        check(json!({"ath": "whatever"}), None);
    }
}

#[test]
fn refused_for_what_the_header_says() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let other = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let mut private = key.public_jwk().bare();
    private.insert("d".to_owned(), json!("AA"));
    let found = |typ: &str| ProofError::Type { found: typ.to_owned() };
    let check = |header: Value, expect: ProofError| {
        let text = proof(&key, header.clone(), json!({}));
        assert_eq!(Proof::parse(&text).err(), Some(expect), "{header}");
    };
    check(json!({"typ": null}), found(""));
    check(json!({"typ": "JWT"}), found("JWT"));
    check(json!({"typ": "DPoP+JWT"}), found("DPoP+JWT"));
    check(json!({"jwk": null}), ProofError::KeyMissing);
    check(json!({"jwk": private}), ProofError::Key(JwkError::PrivateKey { member: "d" }));
    check(json!({"jwk": {"kty": "oct", "k": "AA"}}), ProofError::Key(JwkError::SharedSecret));
    let misfit = ProofError::KeyMisfit { algorithm: Algorithm::ES256 };
    check(json!({"jwk": other.public_jwk().bare()}), misfit);
    check(json!({"crit": ["x"]}), ProofError::Jws(JwsError::HeaderRefused { name: "crit" }));
    let long = "x".repeat(PROOF_BYTES_MAX + 1);
    assert!(matches!(Proof::parse(&long).err(), Some(ProofError::Jws(JwsError::TooLong { .. }))));
    for name in ["PS256", "RS256", "HS256", "none"] {
        let header = base64url::encode(json!({"typ": "dpop+jwt", "alg": name}).to_string());
        let refusal = Proof::parse(&format!("{header}.e30.AA")).err().unwrap();
        let is_right = matches!(
            refusal,
            ProofError::Jws(JwsError::AlgorithmNotPermitted { .. } | JwsError::AlgorithmNone)
        );
        assert!(is_right, "{name} {refusal}");
    }
}

#[test]
fn refused_for_what_the_claims_say() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let urls = urls();
    let refusal = |claims: Value, access_token: Option<&str>| {
        verify(&proof(&key, json!({}), claims), &expected(&urls, access_token)).unwrap_err()
    };
    for name in ["jti", "htm", "htu", "iat"] {
        let missing = ProofError::Claim(ClaimError::Missing { name });
        assert_eq!(refusal(json!({name: null}), None), missing);
        let malformed = refusal(json!({name: [1]}), None);
        assert!(matches!(malformed, ProofError::Claim(ClaimError::Malformed { name: n, .. }) if n == name));
    }
    for claims in [json!({"jti": ""}), json!({"jti": "x".repeat(257)}), json!({"nonce": 1})] {
        assert!(matches!(refusal(claims, None), ProofError::Claim(ClaimError::Malformed { .. })));
    }
    let check = |claims: Value, access_token, expect: ProofError| {
        assert_eq!(refusal(claims.clone(), access_token), expect, "{claims}");
    };
    for method in ["post", "GET"] {
        let (found, expected) = (method.to_owned(), "POST".to_owned());
        check(json!({"htm": method}), None, ProofError::Method { found, expected });
    }
    for (url, expect) in [
        (format!("{URL}?a=b"), UrlError::QueryOrFragment),
        (format!("{URL}#"), UrlError::QueryOrFragment),
        ("/v1/orders".to_owned(), UrlError::Scheme),
    ] {
        check(json!({"htu": url}), None, ProofError::UrlMalformed(expect));
    }
    for url in
        ["https://gate.example.com/v1/orders/", "http://gate.example.com/v1/orders", "https://h/v1/orders"]
    {
        let wrong = refusal(json!({"htu": url}), None);
        assert!(matches!(wrong, ProofError::Url { found, .. } if found == url));
    }
    check(json!({"iat": NOW - 301}), None, ProofError::TooOld { seconds: 301 });
    check(json!({"iat": NOW + 301}), None, ProofError::InFuture { seconds: 301 });
    check(json!({"iat": i64::MIN}), None, ProofError::TooOld { seconds: i64::MAX });
    check(json!({"iat": i64::MAX}), None, ProofError::InFuture { seconds: i64::MAX - NOW });
    check(json!({}), Some(ACCESS_TOKEN), ProofError::TokenHashMissing);
    let ath = json!({"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"});
    check(ath, Some("another"), ProofError::TokenHashMismatch);
}

#[test]
fn the_signature_comes_last_and_counts() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let urls = urls();
    let good = proof(&key, json!({}), json!({}));
    let (body, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", base64url::encode([1; 64]));
    let read = Proof::parse(&forged).unwrap();
    assert_eq!(read.jkt(), key.public_jwk().thumbprint());
    assert_eq!(read.nonce(), Some("n"));
    let matched = read.matching(&expected(&urls, None)).unwrap();
    let invalid = Some(ProofError::Signature(SignatureError::Invalid));
    assert_eq!(matched.verify_signature().err(), invalid);
    // A point off the curve costs nothing before its turn, and isn't usable then.
    let mut off = key.public_jwk().bare();
    off.insert("y".to_owned(), off["x"].clone());
    let text = proof(&key, json!({"jwk": off}), json!({}));
    let refusal = verify(&text, &expected(&urls, None)).err();
    assert_eq!(refusal, Some(ProofError::Key(JwkError::PointNotOnCurve)));
}

#[test]
fn created_proofs_are_good() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let urls = urls();
    let (access_token, nonce) = (Some(ACCESS_TOKEN), Some("n"));
    let new = NewProof { method: "POST", url: URL, issued_at: NOW, token_id: "j", access_token, nonce };
    let text = create(&key, &new).unwrap();
    let verified = verify(&text, &expected(&urls, access_token)).unwrap();
    assert_eq!(verified.jkt, key.public_jwk().thumbprint());
    assert_eq!((verified.jti.as_str(), verified.nonce.as_deref(), verified.issued_at), ("j", nonce, NOW));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*|[A-Za-z0-9_.-]*") {
        let _ = verify(&text, &expected(&urls(), None));
    }

    #[test]
    fn damaged_proofs_are_refused(at in 0..TOKEN_REQUEST.len(), with in "[A-Za-z0-9_.-]") {
        let mut text = TOKEN_REQUEST.to_owned();
        text.replace_range(at..=at, &with);
        let urls = ["https://server.example.com/token".to_owned()];
        let expected = ExpectedProof {
            method: "POST", urls: &urls, access_token: None, now: 1_562_262_616, leeway_seconds: 300,
        };
        prop_assert_eq!(verify(&text, &expected).is_ok(), text == TOKEN_REQUEST);
    }
}
