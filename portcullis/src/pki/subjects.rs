//! What wraps the keys of people's texts: a key of its own, sealed in `keys/subjects.key`.

use aws_lc_rs::hmac;
use portcullis_store::SubjectKeyWrapper;
use uuid::Uuid;

/// Each key is added to HMAC-SHA-256(own key, subject ‖ key id), which no other key shares, so that
/// it has the same 32 bytes on the disk and is overwritten in place at an erasure.
pub struct SubjectKeysWrapper(hmac::Key);

impl SubjectKeysWrapper {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    fn added(&self, subject: Uuid, key_id: Uuid, key: &[u8; 32]) -> [u8; 32] {
        let message =
            [b"portcullis subject key\n".as_slice(), subject.as_bytes(), key_id.as_bytes()].concat();
        let pad = hmac::sign(&self.0, &message);
        let mut wrapped = *key;
        for (byte, pad) in wrapped.iter_mut().zip(pad.as_ref()) {
            *byte ^= pad;
        }
        wrapped
    }
}

impl SubjectKeyWrapper for SubjectKeysWrapper {
    fn wrap(&self, subject: Uuid, key_id: Uuid, key: &[u8; 32]) -> [u8; 32] {
        self.added(subject, key_id, key)
    }

    fn unwrap(&self, subject: Uuid, key_id: Uuid, wrapped: &[u8; 32]) -> [u8; 32] {
        self.added(subject, key_id, wrapped)
    }
}
