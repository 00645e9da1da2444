//! A vendor's notice of its breach, as a stranger sends it: read and verified, never a panic, bounded, and never good with
//! anything changed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_incident::notice::{BODY_BYTES_MAX, read};
use portcullis_tokens::assertion::RegisteredKey;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::notice::{self, ExpectedNotice, NewNotice, SignedNotice};
use portcullis_tokens::signing::SigningKey;

const ISSUER: &str = "https://gate.example";
const NOW: i64 = 1_800_000_000;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::EdDSA).unwrap());
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let said = serde_json::json!({ "reference": "NG-7", "aware": "2026-11-22T02:00:00Z", "what": "a mailbox was read" });
    let new = NewNotice {
        client_id: "robot",
        audience: ISSUER,
        token_id: "1",
        issued_at: NOW,
        expires_at: NOW + 60,
        said: said.as_object().unwrap(),
    };
    let good = notice::create(&KEY, &new).unwrap();
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
    // What a registered key signs, or an authenticated client sends, is read as carefully.
    if let Ok(said) = read(text.as_bytes()) {
        assert!(text.len() <= BODY_BYTES_MAX);
        assert!(said.what.chars().count() <= 2_000 && said.reference.chars().count() <= 100);
        assert!(said.data.len() <= 20 && !said.reference.chars().any(char::is_control));
        let again = serde_json::to_vec(&said).unwrap();
        assert_eq!(read(&again).unwrap(), said, "what is kept is read back");
    }
});

fn is_good(text: &str) -> bool {
    let Ok(signed) = SignedNotice::parse(text) else { return false };
    let _ = signed.subject();
    let key = RegisteredKey {
        key: KEY.verifying_key().unwrap(),
        kid: None,
        thumbprint: KEY.public_jwk().thumbprint(),
    };
    let expected = ExpectedNotice { client_id: "robot", audience: ISSUER, now: NOW, leeway_seconds: 5 };
    signed.verify(&[key], &expected).is_ok()
}
