//! DPoP nonces without memory (RFC 9449, section 8): `slot ‖ MAC(process key, slot ‖ jkt)`.
//!
//! A nonce is good for one client key, in the 10-second slot in which it was issued and in the next.
//! A new process has a new key, so nothing replays over a restart; and another gate's nonces are
//! simply wrong here.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};

use crate::base64url;
use crate::thumbprint::Thumbprint;

/// How long one slot lasts. A nonce lives for at least one and at most two of them.
pub const SLOT_SECONDS: u64 = 10;

const SLOT_BYTES: usize = 8;
/// 128 bits: a forger gets one guess for each request, and twenty seconds.
const MAC_BYTES: usize = 16;
const NONCE_BYTES: usize = SLOT_BYTES + MAC_BYTES;

/// A 10-second slot, counted from the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NonceSlot(pub u64);

impl NonceSlot {
    /// The slot of a second. Times before 1970 fall into the first.
    pub fn at(now_seconds: i64) -> Self {
        Self(u64::try_from(now_seconds).unwrap_or(0) / SLOT_SECONDS)
    }
}

/// The key that a process makes nonces with, for as long as it lives.
pub struct NonceKey(hmac::Key);

impl NonceKey {
    /// `secret` must be fresh random bytes for each process.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// A nonce for the key `jkt`: 32 characters of base64url.
    pub fn issue(&self, jkt: &Thumbprint, now_seconds: i64) -> String {
        let slot = NonceSlot::at(now_seconds);
        let mut nonce = Vec::with_capacity(NONCE_BYTES);
        nonce.extend_from_slice(&slot.0.to_be_bytes());
        nonce.extend_from_slice(&self.mac(slot, jkt));
        base64url::encode(nonce)
    }

    /// The slot in which `nonce` was issued, if it was issued here, for `jkt`, and is still good.
    pub fn check(&self, nonce: &str, jkt: &Thumbprint, now_seconds: i64) -> Option<NonceSlot> {
        let bytes: [u8; NONCE_BYTES] = base64url::decode_array(nonce)?;
        let (slot, mac) = bytes.split_first_chunk::<SLOT_BYTES>()?;
        let slot = NonceSlot(u64::from_be_bytes(*slot));
        // Before the MAC: old nonces are the usual case, and the slot isn't secret.
        let age_slots = NonceSlot::at(now_seconds).0.checked_sub(slot.0)?;
        if age_slots > 1 {
            return None;
        }
        constant_time::verify_slices_are_equal(&self.mac(slot, jkt), mac).ok()?;
        Some(slot)
    }

    fn mac(&self, slot: NonceSlot, jkt: &Thumbprint) -> [u8; MAC_BYTES] {
        let mut message = [0; SLOT_BYTES + 32];
        let (slot_bytes, jkt_bytes) = message.split_at_mut(SLOT_BYTES);
        slot_bytes.copy_from_slice(&slot.0.to_be_bytes());
        jkt_bytes.copy_from_slice(&jkt.0);
        let tag = hmac::sign(&self.0, &message);
        let mut mac = [0; MAC_BYTES];
        mac.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        mac
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(****)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JKT: Thumbprint = Thumbprint([7; 32]);

    #[test]
    fn good_in_its_slot_and_the_next() {
        let key = NonceKey::new([1; 32]);
        let check = |issued: i64, now: i64, expect: Option<u64>| {
            let nonce = key.issue(&JKT, issued);
            assert_eq!(nonce.len(), 32);
            assert_eq!(key.check(&nonce, &JKT, now), expect.map(NonceSlot), "{issued} {now}");
        };
        check(1_000, 1_000, Some(100));
        check(1_000, 1_009, Some(100));
        check(1_000, 1_019, Some(100));
        check(1_009, 1_019, Some(100));
        check(1_000, 1_020, None);
        check(1_009, 1_020, None);
        check(1_010, 1_009, None); // from the future
        check(0, 5, Some(0));
        check(-5, 5, Some(0));
    }

    #[test]
    fn good_for_its_key_and_process_only() {
        let key = NonceKey::new([1; 32]);
        let nonce = key.issue(&JKT, 1_000);
        assert_eq!(key.check(&nonce, &Thumbprint([8; 32]), 1_000), None);
        assert_eq!(NonceKey::new([2; 32]).check(&nonce, &JKT, 1_000), None);
        assert_eq!(format!("{key:?}"), "NonceKey(****)");
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let key = NonceKey::new([1; 32]);
        let nonce: [u8; NONCE_BYTES] = base64url::decode_array(&key.issue(&JKT, 1_000)).unwrap();
        for bit in 0..NONCE_BYTES * 8 {
            let mut flipped = nonce;
            flipped[bit / 8] ^= 1 << (bit % 8);
            for now in [990, 1_000, 1_010] {
                assert_eq!(key.check(&base64url::encode(flipped), &JKT, now), None, "bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_nonce_by_chance(text in "\\PC{0,40}|[A-Za-z0-9_-]{32}", now: i64) {
            prop_assert_eq!(NonceKey::new([1; 32]).check(&text, &JKT, now), None);
        }
    }
}
