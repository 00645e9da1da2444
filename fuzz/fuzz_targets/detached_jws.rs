//! A stranger's detached signature and an auditor's key: judged or refused, never a panic, and never valid.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_proof::jws::verify;
use portcullis_proof::{AuditorKey, Roots, Trust, Verdict};

static ROOTS: LazyLock<Roots> = LazyLock::new(|| {
    Roots::parse(include_bytes!("../../core/proof/tests/signatures/fixtures/root.pem")).unwrap()
});
static KEYS: LazyLock<Vec<AuditorKey>> = LazyLock::new(|| {
    [
        include_str!("../../core/proof/tests/signatures/fixtures/es256.jwk"),
        include_str!("../../core/proof/tests/signatures/fixtures/es384.jwk"),
        include_str!("../../core/proof/tests/signatures/fixtures/eddsa.jwk"),
        include_str!("../../core/proof/tests/signatures/fixtures/ps256.jwk"),
    ]
    .map(|text| AuditorKey::parse("auditor", text).unwrap())
    .to_vec()
});

fuzz_target!(|input: (&[u8], &[u8])| {
    let (text, document) = input;
    let trust = Trust { keys: &KEYS, roots: &ROOTS, at: "2027-01-01T00:00:00Z".parse().unwrap() };
    // Nobody has the private halves.
    assert!(!matches!(verify(text, document, &trust), Ok(Verdict::Valid(_))));
    let text = String::from_utf8_lossy(text);
    if let Ok(key) = AuditorKey::parse("other", &text) {
        assert!(!key.kid().is_empty());
    }
    let _ = Roots::parse(text.as_bytes());
});
