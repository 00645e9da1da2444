use proptest::prelude::*;

use super::*;
use crate::jwk::Jwk;
use crate::signing::SigningKey;

const ALL: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

fn token(header: &str, payload: &str) -> String {
    format!("{}.{}.AAAA", base64url::encode(header), base64url::encode(payload))
}

#[test]
fn what_is_refused_before_any_key_is_touched() {
    let check = |text: &str, expect: JwsError| {
        assert_eq!(Compact::parse(text, 1_000, &ALL).err(), Some(expect), "{text}");
    };
    let malformed = |name, header: &str| {
        let refusal = Compact::parse(&token(header, "{}"), 1_000, &ALL).err();
        assert!(matches!(refusal, Some(JwsError::HeaderMalformed { name: n, .. }) if n == name), "{header}");
    };
    check(&"a".repeat(1_001), JwsError::TooLong { bytes: 1_001, bytes_max: 1_000 });
    for text in ["", "a", "a.b", "a.b.c.d", "a.b.c."] {
        check(text, JwsError::NotThreeParts);
    }
    let good = token(r#"{"alg":"ES256"}"#, "{}");
    check(&good.replace('.', "=."), JwsError::Encoding { part: "header" });
    check(&good.replace(".e30.", ".e31."), JwsError::Encoding { part: "payload" });
    check(&good.replace(".AAAA", ".AAA+"), JwsError::Encoding { part: "signature" });
    check(&format!(" {good}"), JwsError::Encoding { part: "header" });
    check(&format!("{good}\n"), JwsError::Encoding { part: "signature" });
    check(&token("{}", "{}"), JwsError::AlgorithmMissing);
    for none in ["none", "None", "NONE", "nOnE"] {
        check(&token(&format!(r#"{{"alg":"{none}"}}"#), "{}"), JwsError::AlgorithmNone);
    }
    for name in ["crit", "b64", "jku", "x5u", "zip", "enc"] {
        check(&token(&format!(r#"{{"alg":"ES256","{name}":null}}"#), "{}"), JwsError::HeaderRefused { name });
    }
    malformed("alg", r#"{"alg":["ES256"]}"#);
    malformed("typ", r#"{"alg":"ES256","typ":1}"#);
    malformed("kid", r#"{"alg":"ES256","kid":null}"#);
    malformed("jwk", r#"{"alg":"ES256","jwk":"{}"}"#);
    for header in
        ["", "[]", "{", r#"{"alg":"ES256","alg":"ES256"}"#, r#"{"alg":"ES256","jwk":{"x":1,"x":2}}"#]
    {
        let refusal = Compact::parse(&token(header, "{}"), 1_000, &ALL).err();
        assert!(matches!(refusal, Some(JwsError::Json { part: "header", .. })), "{header} {refusal:?}");
    }
    assert!(Compact::parse(&good, 1_000, &ALL).is_ok());
}

#[test]
fn only_the_callers_algorithms_are_taken() {
    let check = |name: &str, permitted: &[Algorithm], expect: Option<Algorithm>| {
        let text = token(&format!(r#"{{"alg":"{name}"}}"#), "{}");
        let read = Compact::parse(&text, 1_000, permitted);
        assert_eq!(read.as_ref().ok().map(|compact| compact.header.algorithm), expect, "{name}");
        if expect.is_none() {
            let refusal = read.err().unwrap();
            assert!(matches!(refusal, JwsError::AlgorithmNotPermitted { .. }), "{name} {refusal}");
        }
    };
    check("ES256", &ALL, Some(Algorithm::ES256));
    check("EdDSA", &ALL, Some(Algorithm::EdDSA));
    check("Ed25519", &ALL, Some(Algorithm::EdDSA));
    check("ES256", &[Algorithm::EdDSA], None);
    check("RS256", &[], None);
    for unknown in ["HS256", "es256", "ES384", "ES256K", "Ed448", "RS1", "", "dir", "PS256 "] {
        check(unknown, &ALL, None);
    }
}

#[test]
fn claims_are_one_object_without_duplicates() {
    let check = |payload: &str, is_good: bool| {
        let text = token(r#"{"alg":"ES256"}"#, payload);
        let read = Compact::parse(&text, 1_000, &ALL).unwrap().claims();
        assert_eq!(read.is_ok(), is_good, "{payload}");
    };
    check("{}", true);
    check(r#"{"a":[{}]}"#, true);
    check("", false);
    check("null", false);
    check(r#"{"exp":1,"exp":2}"#, false);
    check(r#"{"a":{"b":1,"b":1}}"#, false);
}

/// RFC 8037, appendix A.4.
#[test]
fn the_rfcs_ed25519_example() {
    let key =
        Jwk::parse(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    let key = VerifyingKey::new(&key.unwrap()).unwrap();
    let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let compact = Compact::parse(text, 1_000, &ALL).unwrap();
    assert_eq!(compact.payload, b"Example of Ed25519 signing");
    assert_eq!(compact.verify(&key), Ok(()));
}

#[test]
fn each_changed_character_of_a_token_is_noticed() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        let verifying = key.verifying_key().unwrap();
        let text = key.sign(&Map::new(), b"{\"a\":1}").unwrap();
        let is_good = |text: &str| {
            Compact::parse(text, 1_000, &ALL).is_ok_and(|compact| compact.verify(&verifying).is_ok())
        };
        assert!(is_good(&text));
        for at in 0..text.len() {
            let replacement = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{replacement}{}", &text[..at], &text[at + 1..]);
            assert!(!is_good(&changed), "{changed}");
            assert!(!is_good(&text[..at]), "cut at {at}");
        }
    }
}

#[test]
fn signatures_have_one_length_and_form() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let verifying = key.verifying_key().unwrap();
    let check = |signature: &[u8]| {
        let outcome = verifying.verify(Algorithm::ES256, b"x", signature);
        assert_eq!(outcome, Err(SignatureError::Invalid), "{signature:?}");
    };
    for bytes in [0, 1, 63, 65, 70, 71, 72, 128] {
        check(&vec![1; bytes]);
    }
    check(&[0; 64]);
    check(&[0xff; 64]);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*|[A-Za-z0-9_.-]*") {
        let _ = Compact::parse(&text, 500, &ALL);
    }

    #[test]
    fn arbitrary_headers_never_panic(header in "\\{(\"(alg|kid|typ|jwk|crit)\":(\"ES256\"|1|\\{\\}|null),?){0,3}\\}", payload: Vec<u8>) {
        let text = format!("{}.{}.", base64url::encode(header), base64url::encode(payload));
        if let Ok(compact) = Compact::parse(&text, 4_096, &ALL) {
            let _ = compact.claims();
        }
    }
}
