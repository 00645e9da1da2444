//! The proof of a key that a client registers by itself, as a stranger sends it: read and verified, never
//! a panic, and never good with anything changed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::next_key::{self, ExpectedNextKey, NewNextKey, NextKey};
use portcullis_tokens::signing::SigningKey;

const ISSUER: &str = "https://gate.example";
const NOW: i64 = 1_800_000_000;

static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let proofs = [Algorithm::ES256, Algorithm::EdDSA].map(|algorithm| {
        let key = SigningKey::generate(algorithm).unwrap();
        let new = NewNextKey {
            client_id: "robot",
            audience: ISSUER,
            token_id: "1",
            issued_at: NOW,
            expires_at: NOW + 60,
            current: Some("old"),
        };
        let proof = next_key::create(&key, &new).unwrap();
        assert!(is_good(&proof));
        proof
    });
    proofs.into()
});

fuzz_target!(|text: &str| {
    assert!(!is_good(text) || GOOD.iter().any(|good| good == text));
    for good in &*GOOD {
        let (header, rest) = good.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        for changed in [
            format!("{text}.{rest}"),
            format!("{header}.{text}.{signature}"),
            format!("{header}.{payload}.{text}"),
        ] {
            assert!(changed == *good || !is_good(&changed));
        }
    }
});

fn is_good(proof: &str) -> bool {
    let Ok(proof) = NextKey::parse(proof) else { return false };
    let Ok(Some(key)) = proof.verifying_key() else { return false };
    let expected = ExpectedNextKey {
        client_id: "robot",
        audience: ISSUER,
        current: Some("old"),
        now: NOW,
        leeway_seconds: 5,
    };
    proof.verify(&key, &expected).is_ok()
}
