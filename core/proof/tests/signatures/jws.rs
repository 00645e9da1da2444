//! Detached signatures that jwcrypto has made, and what must not pass for one.

use crate::common::{expected, fixture, key, roots, trust};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_assurance::evidence::ProofOutcome;
use portcullis_proof::jws::{JwsError, SIGNATURE_BYTES_MAX, verify};
use portcullis_proof::{AuditorKey, Roots, Verdict};

const KEYS: [&str; 5] = ["es256", "es384", "eddsa", "ps256", "rs256"];

fn outcome(verified: &Result<Verdict, JwsError>) -> &'static str {
    match verified.as_ref().map(Verdict::outcome) {
        Ok(ProofOutcome::Valid) => "valid",
        Ok(ProofOutcome::UnknownSigner) => "unknown_signer",
        Ok(ProofOutcome::Invalid) => "invalid",
        Err(_) => "error",
    }
}

fn key_of(name: &str) -> Vec<AuditorKey> {
    let kind = name.split(['_', '.']).next().unwrap();
    if KEYS.contains(&kind) { vec![key(&format!("{kind}.jwk"))] } else { Vec::new() }
}

#[test]
fn each_signature_is_judged_as_it_should_be_and_never_over_another_document() {
    let roots = roots("root.pem");
    let document = fixture("summary.txt");
    let signatures = expected(".jws");
    assert!(signatures.len() > 20);
    for (name, wanted) in signatures {
        let keys = key_of(&name);
        let text = fixture(&name);
        let verified = verify(&text, &document, &trust(&keys, &roots));
        assert_eq!(outcome(&verified), wanted, "{name}: {verified:?}");
        for place in 0..document.len() {
            let mut changed = document.clone();
            changed[place] ^= 1 << (place % 8);
            let verified = verify(&text, &changed, &trust(&keys, &roots));
            assert_eq!(outcome(&verified), "invalid", "{name}, byte {place}: {verified:?}");
        }
        for changed in [&document[..document.len() - 1], &[&document[..], b" "].concat(), b""] {
            assert_eq!(outcome(&verify(&text, changed, &trust(&keys, &roots))), "invalid", "{name}");
        }
    }
}

#[test]
fn no_byte_of_a_signature_can_be_changed() {
    let roots = roots("root.pem");
    let document = fixture("summary.txt");
    for name in
        ["es256.jws", "es384_json.jws", "eddsa_unencoded.jws", "ps256.jws", "rs256.jws", "x5c_p256.jws"]
    {
        let keys = key_of(name);
        let text = fixture(name);
        // Members that nobody knows are ignored: before `protected` there is but an empty `payload`.
        let from = memchr::memmem::find(&text, b"\"protected").unwrap_or(0);
        for place in from..text.len() - 1 {
            let mut changed = text.clone();
            changed[place] ^= 1 << (place % 7);
            let verified = verify(&changed, &document, &trust(&keys, &roots));
            assert_ne!(outcome(&verified), "valid", "{name}, byte {place}: {verified:?}");
        }
    }
}

#[test]
fn a_key_verifies_its_own_signatures_only() {
    let none = Roots::default();
    let document = fixture("summary.txt");
    for signed in KEYS {
        for other in KEYS {
            let keys = [key(&format!("{other}.jwk"))];
            let verified = verify(&fixture(&format!("{signed}.jws")), &document, &trust(&keys, &none));
            assert_eq!(outcome(&verified) == "valid", signed == other, "{signed} by {other}: {verified:?}");
        }
        let all: Vec<_> = KEYS.iter().map(|name| key(&format!("{name}.jwk"))).collect();
        let verified = verify(&fixture(&format!("{signed}.jws")), &document, &trust(&all, &none));
        assert_eq!(outcome(&verified), "valid");
        let verified = verify(&fixture(&format!("{signed}.jws")), &document, &trust(&[], &none));
        assert_eq!(outcome(&verified), "unknown_signer");
    }
}

/// What would have to be refused whoever has signed it.
#[test]
fn headers_that_lie_are_refused() {
    let none = Roots::default();
    let keys = [key("es256.jwk")];
    let compact = |header: &str| format!("{}..AAAA", URL_SAFE_NO_PAD.encode(header));
    let check = |text: &str, expect: &str| {
        let verified = verify(text.as_bytes(), b"document", &trust(&keys, &none));
        let Err(error) = verified else { panic!("{text}: {verified:?}") };
        assert!(error.to_string().contains(expect), "{text}: {error}");
    };
    for (header, expect) in [
        (r#"{"alg":"none"}"#, "nobody has signed this"),
        (r#"{"alg":"NoNe"}"#, "nobody has signed this"),
        (r#"{"alg":"HS256"}"#, "`HS256` isn't accepted"),
        (r#"{"alg":"es256"}"#, "`es256` isn't accepted"),
        (r#"{"alg":1}"#, "`alg` is malformed"),
        ("{}", "`alg` is missing"),
        (r#"{"alg":"ES256","alg":"ES256"}"#, "is there twice"),
        (r#"{"alg":"ES256","x":{"a":1,"a":2}}"#, "is there twice"),
        (r#"{"alg":"ES256","jwk":{}}"#, "`jwk` isn't accepted"),
        (r#"{"alg":"ES256","jku":"https://a"}"#, "`jku` isn't accepted"),
        (r#"{"alg":"ES256","x5u":"https://a"}"#, "`x5u` isn't accepted"),
        (r#"{"alg":"ES256","zip":"DEF"}"#, "`zip` isn't accepted"),
        (r#"{"alg":"ES256","crit":[]}"#, "`crit` is malformed"),
        (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, "names `exp`"),
        (r#"{"alg":"ES256","crit":["b64","b64"],"b64":true}"#, "names `b64`"),
        (r#"{"alg":"ES256","crit":["b64"]}"#, "`b64` is malformed"),
        (r#"{"alg":"ES256","b64":false}"#, "`b64` is malformed"),
        (r#"{"alg":"ES256","crit":["b64"],"b64":"false"}"#, "`b64` is malformed"),
        (r#"{"alg":"ES256","kid":7}"#, "`kid` is malformed"),
        (r#"{"alg":"ES256","x5c":[]}"#, "`x5c` is malformed"),
        (r#"{"alg":"ES256","x5c":["*"]}"#, "`x5c` is malformed"),
        (r#"["alg"]"#, "can't be read in one way only"),
        ("{", "can't be read in one way only"),
    ] {
        check(&compact(header), expect);
    }
    let protected = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"a"}"#);
    for (text, expect) in [
        (format!("{protected}.AAAA.AAAA"), "its own payload"),
        (format!("{protected}."), "no detached JWS"),
        (format!("{protected}..AAAA."), "no detached JWS"),
        ("..".to_owned(), "its own payload"),
        (format!("{protected}==..AAAA"), "isn't base64url"),
        (format!("{protected}..AAA*"), "isn't base64url"),
        (format!("{protected}..AAAAA"), "isn't base64url"),
        (format!(r#"{{"protected":"{protected}","signature":"AAAA","payload":"AA"}}"#), "its own payload"),
        (
            format!(r#"{{"signatures":[{{"protected":"{protected}","signature":"AAAA"}}]}}"#),
            "many signatures",
        ),
        (format!(r#"{{"protected":"{protected}"}}"#), "no detached JWS"),
        (format!(r#"{{"protected":"{protected}","signature":"A","signature":"A"}}"#), "is there twice"),
        (
            format!(r#"{{"protected":"{protected}","signature":"AAAA","header":{{"alg":"none"}}}}"#),
            "outside of",
        ),
        (
            format!(r#"{{"protected":"{protected}","signature":"AAAA","header":{{"kid":"b"}}}}"#),
            "`kid` isn't",
        ),
    ] {
        check(&text, expect);
    }
    let long = verify(&vec![b'a'; SIGNATURE_BYTES_MAX + 1], b"", &trust(&keys, &none));
    assert!(matches!(long, Err(JwsError::TooLong { .. })));
}

#[test]
fn keys_are_read_strictly() {
    let p384 = String::from_utf8(fixture("es384.jwk")).unwrap();
    let check = |text: &str, expect: Result<(), &str>| {
        let read = AuditorKey::parse("a", text);
        match (read, expect) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    };
    check(&p384, Ok(()));
    check(&p384.replacen('{', r#"{"d":"AA","#, 1), Err("private key"));
    check(&p384.replacen('{', r#"{"use":"enc","#, 1), Err("`use`"));
    check(&p384.replacen('{', r#"{"alg":"ES256","#, 1), Err("`alg`"));
    check(&p384.replacen('{', r#"{"key_ops":["sign"],"#, 1), Err("key_ops"));
    check(&p384.replacen('{', r#"{"kid":"","#, 1), Err("`kid`"));
    check(&p384.replacen('{', r#"{"kty":"EC","#, 1), Err("twice"));
    check(&p384.replacen("\"x\": \"", "\"x\": \"AAAA", 1), Err("48 bytes"));
    let at = p384.find("\"x\": \"").unwrap() + 6;
    let mut off = p384.clone();
    off.replace_range(at..at + 4, "AAAA");
    check(&off, Err("isn't on the curve"));
    check(r#"{"kty":"oct","k":"AA"}"#, Err("shared secrets"));
    check(&" ".repeat(1 << 16), Err("bytes"));
}
