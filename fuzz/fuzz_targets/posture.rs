//! A machine's statement, as a stranger sends it: read and verified, never a panic, and never good with anything changed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_domain::posture::{KeyStorage, Program, Statement};
use portcullis_tokens::assertion::RegisteredKey;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::posture::{self, ExpectedPosture, NewPosture, SignedPosture};
use portcullis_tokens::signing::SigningKey;

const ISSUER: &str = "https://gate.example";
const NOW: i64 = 1_800_000_000;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::EdDSA).unwrap());
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let statement = Statement {
        software: vec![Program { name: "agent".into(), version: Some("1".into()), sha256: Some("a".repeat(64)) }],
        hardening: [("disk_encrypted".into(), Some(true)), ("secure_boot".into(), None)].into(),
        patched_days: Some(3),
        key: Some(KeyStorage { exportable: true, how: Some("file".into()) }),
    };
    let new = NewPosture {
        client_id: "robot",
        audience: ISSUER,
        token_id: "1",
        issued_at: NOW,
        expires_at: NOW + 60,
        statement: &statement,
    };
    let good = posture::create(&KEY, &new).unwrap();
    assert!(is_good(&good));
    good
});

fuzz_target!(|text: &str| {
    assert!(!is_good(text) || text == *GOOD);
    let (header, rest) = GOOD.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    for changed in [
        format!("{text}.{rest}"),
        format!("{header}.{text}.{signature}"),
        format!("{header}.{payload}.{text}"),
    ] {
        assert!(changed == *GOOD || !is_good(&changed));
    }
    // What a registered key signs is read as carefully.
    if let Ok(serde_json::Value::Object(claims)) = serde_json::from_str(text)
        && let Ok(statement) = posture::read(&claims)
    {
        assert!(statement.software.len() <= 128 && statement.hardening.len() <= 128);
    }
});

fn is_good(text: &str) -> bool {
    let Ok(signed) = SignedPosture::parse(text) else { return false };
    let _ = signed.subject();
    let key = RegisteredKey {
        key: KEY.verifying_key().unwrap(),
        kid: None,
        thumbprint: KEY.public_jwk().thumbprint(),
    };
    let expected = ExpectedPosture { client_id: "robot", audience: ISSUER, now: NOW, leeway_seconds: 5 };
    signed.verify(&[key], &expected).is_ok()
}
