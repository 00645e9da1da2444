//! Personal texts inside payloads: sealed before hashing, opened on reading.
//!
//! # In payloads
//!
//! A caller writes `{"$personal": {"subject": UUID, "text": STRING}}` anywhere
//! in a payload and reads the same back, or, once the subject's key is gone,
//! `{"$personal": {"subject": UUID, "erased": true}}`. The latter may be
//! appended too, when what was erased is copied into a later event.
//!
//! # In the store — final
//!
//! `{"$sealed": {"box": B64URL, "key": UUID, "nonce": B64URL, "subject": UUID}}`,
//! base64url without padding (RFC 4648 §5). `box` is AES-256-GCM (NIST SP
//! 800-38D) under the subject's random key, with a random 12-byte `nonce` and,
//! as associated data, the subject's 16 bytes and the event's number as 8
//! big-endian bytes: a box can't move to another event or person. What is
//! encrypted is the text, a byte `0x80` and zero bytes up to a multiple of 32,
//! so that not even the length of a name outlives its key. `key` names the
//! key: a text under a destroyed key stays erased when the subject gets a new
//! one, and a box that doesn't open under its own key was tampered with.

use std::collections::BTreeSet;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use portcullis_ledger::canonical::DEPTH_MAX;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Marks a personal text.
pub const PERSONAL: &str = "$personal";

/// Marks a sealed text, in the store only.
pub const SEALED: &str = "$sealed";

const PADDING_BYTES: usize = 32;

/// Why a payload's personal parts can't be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonalError {
    #[error("it is nested deeper than `{DEPTH_MAX}` levels")]
    Depth,
    #[error("`{SEALED}` is reserved for the store")]
    Reserved,
    #[error(
        "`{PERSONAL}` must stand alone and hold `subject`, a UUID, with either `text` or `\"erased\": true`"
    )]
    Shape,
    #[error("the key of subject `{subject}` is missing")]
    KeyMissing { subject: Uuid },
    #[error("a sealed text is malformed")]
    Malformed,
    #[error("a sealed text of subject `{subject}` was tampered with")]
    Tampered { subject: Uuid },
    #[error("the system gives no random bytes")]
    Entropy,
}

/// The key of one subject. Prints nothing secret, and is overwritten when dropped.
pub(crate) struct SubjectKey {
    /// Names the key in sealed texts.
    pub id: Uuid,
    bytes: [u8; 32],
}

impl SubjectKey {
    pub fn new(id: Uuid, bytes: [u8; 32]) -> Self {
        Self { id, bytes }
    }

    pub fn random() -> Result<Self, PersonalError> {
        let (mut id, mut bytes) = ([0; 16], [0; 32]);
        let random = SystemRandom::new();
        random.fill(&mut id).map_err(|_| PersonalError::Entropy)?;
        random.fill(&mut bytes).map_err(|_| PersonalError::Entropy)?;
        Ok(Self { id: uuid::Builder::from_random_bytes(id).into_uuid(), bytes })
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.bytes).ok().map(LessSafeKey::new)
    }
}

impl Drop for SubjectKey {
    fn drop(&mut self) {
        self.bytes.fill(0);
        // Keeps the optimiser from dropping a write that nobody reads.
        std::hint::black_box(&self.bytes);
    }
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SubjectKey").field("id", &self.id).field("bytes", &"****").finish()
    }
}

/// The subjects whose texts `payload` holds, after checking every marker in it.
pub(crate) fn subjects(payload: &Value) -> Result<BTreeSet<Uuid>, PersonalError> {
    let mut found = BTreeSet::new();
    collect(payload, DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn collect(value: &Value, depth_left: usize, found: &mut BTreeSet<Uuid>) -> Result<(), PersonalError> {
    let deeper = || depth_left.checked_sub(1).ok_or(PersonalError::Depth);
    match value {
        Value::Array(items) => {
            let depth_left = deeper()?;
            items.iter().try_for_each(|item| collect(item, depth_left, found))
        }
        Value::Object(members) => {
            let depth_left = deeper()?;
            match Marker::of(members)? {
                Some(Marker::Text { subject, .. }) => {
                    found.insert(subject);
                    Ok(())
                }
                Some(Marker::Erased) => Ok(()),
                None => members.values().try_for_each(|member| collect(member, depth_left, found)),
            }
        }
        _ => Ok(()),
    }
}

/// Replaces each personal text of a payload that [`subjects`] has checked.
pub(crate) fn seal<K: AsRef<SubjectKey>>(
    value: &mut Value,
    sequence: u64,
    key_of: &dyn Fn(Uuid) -> Option<K>,
) -> Result<(), PersonalError> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| seal(item, sequence, key_of)),
        Value::Object(members) => match Marker::of(members)? {
            Some(Marker::Text { subject, text }) => {
                let key = key_of(subject).ok_or(PersonalError::KeyMissing { subject })?;
                *value = seal_text(text, subject, sequence, key.as_ref())?;
                Ok(())
            }
            Some(Marker::Erased) => Ok(()),
            None => members.values_mut().try_for_each(|member| seal(member, sequence, key_of)),
        },
        _ => Ok(()),
    }
}

/// Replaces each sealed text of a stored payload by the text, or by the mark
/// of erasure when `key_of` doesn't know its key.
pub(crate) fn open<K: AsRef<SubjectKey>>(
    value: &mut Value,
    sequence: u64,
    key_of: &dyn Fn(Uuid) -> Option<K>,
) -> Result<(), PersonalError> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| open(item, sequence, key_of)),
        Value::Object(members) => {
            let Some(sealed) = members.get(SEALED) else {
                return members.values_mut().try_for_each(|member| open(member, sequence, key_of));
            };
            let sealed = Sealed::parse(sealed).ok_or(PersonalError::Malformed)?;
            let subject = sealed.subject;
            // A key of another name is the subject's newer one: this text's own is gone.
            let inner = match key_of(subject).filter(|key| key.as_ref().id == sealed.key) {
                Some(key) => {
                    let text = sealed.open(sequence, key.as_ref());
                    let text = text.ok_or(PersonalError::Tampered { subject })?;
                    json!({ "subject": subject, "text": text })
                }
                None => json!({ "subject": subject, "erased": true }),
            };
            *value = json!({ PERSONAL: inner });
            Ok(())
        }
        _ => Ok(()),
    }
}

enum Marker<'value> {
    Text { subject: Uuid, text: &'value str },
    Erased,
}

impl<'value> Marker<'value> {
    fn of(members: &'value Map<String, Value>) -> Result<Option<Self>, PersonalError> {
        if members.contains_key(SEALED) {
            return Err(PersonalError::Reserved);
        }
        let Some(inner) = members.get(PERSONAL) else { return Ok(None) };
        let marker = || {
            let inner = inner.as_object().filter(|inner| members.len() == 1 && inner.len() == 2)?;
            let subject = inner.get("subject")?.as_str()?.parse().ok()?;
            match (inner.get("text"), inner.get("erased")) {
                (Some(Value::String(text)), None) => Some(Self::Text { subject, text }),
                (None, Some(Value::Bool(true))) => Some(Self::Erased),
                _ => None,
            }
        };
        marker().map(Some).ok_or(PersonalError::Shape)
    }
}

fn seal_text(text: &str, subject: Uuid, sequence: u64, key: &SubjectKey) -> Result<Value, PersonalError> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| PersonalError::Entropy)?;
    let mut sealed = pad(text);
    // Encryption fails for lengths only that a payload can't have.
    key.cipher()
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher.seal_in_place_append_tag(nonce, associated_data(subject, sequence), &mut sealed).ok()
        })
        .ok_or(PersonalError::Malformed)?;
    Ok(json!({ SEALED: {
        "subject": subject,
        "key": key.id,
        "nonce": BASE64_URL_SAFE_NO_PAD.encode(nonce),
        "box": BASE64_URL_SAFE_NO_PAD.encode(sealed),
    } }))
}

fn associated_data(subject: Uuid, sequence: u64) -> Aad<[u8; 24]> {
    let mut bytes = [0; 24];
    let (first, last) = bytes.split_at_mut(16);
    first.copy_from_slice(subject.as_bytes());
    last.copy_from_slice(&sequence.to_be_bytes());
    Aad::from(bytes)
}

/// ISO/IEC 7816-4 padding.
fn pad(text: &str) -> Vec<u8> {
    let mut padded = text.as_bytes().to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(PADDING_BYTES), 0);
    padded
}

fn unpad(padded: &[u8]) -> Option<&str> {
    let end = padded.iter().rposition(|&byte| byte != 0)?;
    match padded.split_at_checked(end)? {
        (text, [0x80, ..]) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

struct Sealed {
    subject: Uuid,
    key: Uuid,
    nonce: [u8; NONCE_LEN],
    sealed: Vec<u8>,
}

impl Sealed {
    fn parse(value: &Value) -> Option<Self> {
        let members = value.as_object().filter(|members| members.len() == 4)?;
        let text = |name| members.get(name)?.as_str();
        let bytes = |name| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        Some(Self {
            subject: text("subject")?.parse().ok()?,
            key: text("key")?.parse().ok()?,
            nonce: bytes("nonce")?.try_into().ok()?,
            sealed: bytes("box")?,
        })
    }

    fn open(mut self, sequence: u64, key: &SubjectKey) -> Option<String> {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let data = associated_data(self.subject, sequence);
        let padded = key.cipher()?.open_in_place(nonce, data, &mut self.sealed).ok()?;
        unpad(padded).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
