//! A token of a stranger's issuer, a JWT-SVID, and what issuers publish: read and refused, never a panic;
//! what is read is bounded.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_tokens::external_keys::{Form, PUBLISHED_KEYS_MAX, read};
use portcullis_tokens::external_token::{Expected, ExternalKeys, SCOPES_MAX, peek, verify};
use portcullis_tokens::jwk::Jwk;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

const ALL: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

/// An issuer's key, so that claims are reached: what is signed is whatever comes.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::EdDSA).unwrap());

fuzz_target!(|text: &str| {
    let keys = ExternalKeys::new([KEY.public_jwk()]);
    let words = ["JWT".to_owned(), "at+jwt".to_owned()];
    let audiences = ["a".to_owned()];
    let expected = Expected {
        issuer: Some("https://i"),
        algorithms: &ALL,
        types: &words,
        audiences: &audiences,
        lifetime_seconds_max: 3_600,
        now_seconds: 1_800_000_000,
    };
    let _ = peek(text);
    assert!(verify(text, &keys, &expected).is_err(), "nobody has signed it");
    let header = serde_json::Map::from_iter([("kid".to_owned(), KEY.kid().into())]);
    if let Ok(token) = KEY.sign(&header, text.as_bytes())
        && let Ok(claims) = verify(&token, &keys, &expected)
    {
        assert!(claims.expires_at > expected.now_seconds && !claims.audience.is_empty());
        assert!(claims.words("scope").len() <= SCOPES_MAX);
    }
    for form in [Form::KeySet, Form::Bundle] {
        if let Ok(published) = read(text.as_bytes(), form) {
            assert!(published.keys.len() + published.roots.len() + published.left_out.len() <= PUBLISHED_KEYS_MAX);
            for key in &published.keys {
                let again = serde_json::to_string(key).unwrap();
                assert_eq!(Jwk::parse(&again).as_ref(), Ok(key), "what is put on record is read the same");
            }
        }
    }
});
