//! A proof as a stranger sends it, and an assertion: read, compared, verified, never a panic; and with
//! its header remembered no other outcome than without.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_tokens::access_token::{TokenKeys, verify};
use portcullis_tokens::assertion::Assertion;
use portcullis_tokens::dpop::{self, ExpectedProof, NewProof, Proof, ProofError, ProofHeaders};
use portcullis_tokens::jwk::JwkSet;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

const URL: &str = "https://gate.example/parcels";
const NOW: i64 = 1_800_000_000;

/// Good proofs of both algorithms, with their headers remembered.
static KNOWN: LazyLock<(Vec<String>, ProofHeaders)> = LazyLock::new(|| {
    let mut headers = ProofHeaders::new();
    let proofs = [Algorithm::ES256, Algorithm::EdDSA].map(|algorithm| {
        let key = SigningKey::generate(algorithm).unwrap();
        let (access_token, nonce) = (Some("token"), Some("nonce"));
        let new = NewProof { method: "GET", url: URL, issued_at: NOW, token_id: "1", access_token, nonce };
        let proof = dpop::create(&key, &new).unwrap();
        let header = outcome(Proof::parse(&proof)).unwrap().new_header.unwrap();
        let client = serde_json::from_str("\"00000000-0000-0000-0000-000000000001\"").unwrap();
        headers.remember(client, header);
        assert!(outcome(headers.read(&proof)).unwrap().new_header.is_none());
        proof
    });
    (proofs.into(), headers)
});

fuzz_target!(|text: &str| {
    let (proofs, headers) = &*KNOWN;
    same(headers, text);
    for good in proofs {
        let (header, rest) = good.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        // A header that is known, with whatever behind it.
        same(headers, &format!("{header}.{text}"));
        same(headers, &format!("{header}.{text}.{signature}"));
        same(headers, &format!("{header}.{payload}.{text}"));
        // And one that is nearly known.
        let at = text.len() % header.len();
        same(headers, &format!("{}{text}{}.{rest}", &header[..at], &header[at..]));
    }
    let _ = dpop::canonical_url(text);
    if let Ok(assertion) = Assertion::parse(text) {
        let _ = assertion.subject();
    }
    let _ = JwkSet::parse(text);
    assert!(verify(text, &TokenKeys::new(), "https://gate.example", NOW).is_err());
});

fn same(headers: &ProofHeaders, proof: &str) {
    let said = |proof| outcome(proof).map(|good| (good.jkt, good.jti, good.nonce, good.issued_at));
    assert_eq!(said(headers.read(proof)), said(Proof::parse(proof)));
}

fn outcome(proof: Result<Proof<'_>, ProofError>) -> Result<dpop::VerifiedProof, ProofError> {
    let urls = [URL.to_owned()];
    let access_token = Some("token");
    let expected = ExpectedProof { method: "GET", urls: &urls, access_token, now: NOW, leeway_seconds: 300 };
    proof?.matching(&expected)?.verify_signature()
}
