//! An update with its signature: what the vendor made, and what somebody changed on the way.

use bytes::Bytes;
use jiff::Timestamp;
use portcullis_proof::{AuditorKey, Roots, Trust, Verdict, jws};
use portcullis_tokens::signing::SigningKey;
use serde_json::{Map, json};

const CONTENT: &str = "agent 4.2: honest";

/// An update as it is delivered: content and detached signature (RFC 7797's form of a JWS).
pub fn made(key: &SigningKey, tampered: bool) -> Option<Bytes> {
    let whole = key.sign(&Map::new(), CONTENT.as_bytes()).ok()?;
    let mut parts = whole.split('.');
    let (header, _, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let content = if tampered { "agent 4.2: calls home" } else { CONTENT };
    let update = json!({ "content": content, "signature": format!("{header}..{signature}") });
    Some(Bytes::from(update.to_string()))
}

/// Whether what was fetched is what the vendor's key has signed.
pub fn is_genuine(update: &[u8], key: &SigningKey, at: Timestamp) -> bool {
    let Ok(update) = serde_json::from_slice::<serde_json::Value>(update) else { return false };
    let text =
        |name: &str| update.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let Ok(public) = serde_json::to_string(key.public_jwk()) else { return false };
    let Ok(signer) = AuditorKey::parse("canary", &public) else { return false };
    let (keys, roots) = ([signer], Roots::default());
    let trust = Trust { keys: &keys, roots: &roots, at };
    let verdict = jws::verify(text("signature").as_bytes(), text("content").as_bytes(), &trust);
    matches!(verdict, Ok(Verdict::Valid(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_tokens::jws::Algorithm;

    #[test]
    fn a_changed_update_and_one_of_another_key_are_not_genuine() {
        let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let other = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let check = |update: &Bytes, key: &SigningKey| is_genuine(update, key, Timestamp::UNIX_EPOCH);
        let honest = made(&key, false).unwrap();
        assert!(check(&honest, &key));
        assert!(!check(&honest, &other));
        assert!(!check(&made(&key, true).unwrap(), &key));
        assert!(!check(&Bytes::from_static(b"{}"), &key));
    }
}
