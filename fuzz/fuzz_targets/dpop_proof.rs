//! A proof as a stranger sends it, and an assertion: read, compared, verified, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_tokens::access_token::{TokenKeys, verify};
use portcullis_tokens::assertion::peek_subject;
use portcullis_tokens::dpop::{self, ExpectedProof};
use portcullis_tokens::jwk::JwkSet;

fuzz_target!(|text: &str| {
    let urls = ["https://gate.example/parcels".to_owned()];
    let expected = ExpectedProof {
        method: "GET",
        urls: &urls,
        access_token: Some("token"),
        now: 1_800_000_000,
        leeway_seconds: 300,
    };
    let _ = dpop::verify(text, &expected);
    let _ = dpop::canonical_url(text);
    let _ = peek_subject(text);
    let _ = JwkSet::parse(text);
    assert!(verify(text, &TokenKeys::new(), "https://gate.example", 1_800_000_000).is_err());
});
