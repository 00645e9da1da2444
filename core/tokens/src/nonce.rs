//! DPoP nonces without memory (RFC 9449, section 8): `slot ‖ MAC(process key, slot ‖ jkt)`.
//!
//! A nonce is good for one client key, in the 10-second slot in which it was issued and in the next.
//! A new process has a new key, so nothing replays over a restart; and another gate's nonces are
//! simply wrong here.
//!
//! A nonce that was given for one purpose is of another kind: `time ‖ MAC(process key, time ‖ jkt ‖ place)`, where the time is that of
//! a question, or of one request, and the place is where it was given. It is as good as any other, and says what it answers.

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

/// A nonce that is good now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GoodNonce {
    pub slot: NonceSlot,
    /// For which moment it was given, in microseconds since the Unix epoch, if it was given for one purpose.
    pub purpose_us: Option<i64>,
}

/// Slots are counted in tens of seconds, and other times in microseconds: this is the year 2005 of these, and no slot will ever come to it.
const PURPOSES_FROM: u64 = 1 << 50;

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

    /// A nonce for the key `jkt` in the context `place`, for the question or the request of `purpose_us`: 32 characters of
    /// base64url, the same ones whenever it is asked for.
    pub fn issue_for(&self, jkt: &Thumbprint, place: u64, purpose_us: i64) -> String {
        let time = u64::try_from(purpose_us).unwrap_or(0).max(PURPOSES_FROM);
        let mut nonce = Vec::with_capacity(NONCE_BYTES);
        nonce.extend_from_slice(&time.to_be_bytes());
        nonce.extend_from_slice(&self.mac_for(time, jkt, place));
        base64url::encode(nonce)
    }

    /// As [`Self::check`], also of nonces that were given for one purpose in `place`.
    pub fn check_in(&self, nonce: &str, jkt: &Thumbprint, place: u64, now_seconds: i64) -> Option<GoodNonce> {
        let bytes: [u8; NONCE_BYTES] = base64url::decode_array(nonce)?;
        let (time, mac) = bytes.split_first_chunk::<SLOT_BYTES>()?;
        let time = u64::from_be_bytes(*time);
        if time < PURPOSES_FROM {
            return self.check(nonce, jkt, now_seconds).map(|slot| GoodNonce { slot, purpose_us: None });
        }
        let purpose_us = i64::try_from(time).ok()?;
        let slot = NonceSlot::at(purpose_us / 1_000_000);
        let age_slots = NonceSlot::at(now_seconds).0.checked_sub(slot.0)?;
        if age_slots > 1 {
            return None;
        }
        constant_time::verify_slices_are_equal(&self.mac_for(time, jkt, place), mac).ok()?;
        Some(GoodNonce { slot, purpose_us: Some(purpose_us) })
    }

    fn mac_for(&self, time: u64, jkt: &Thumbprint, place: u64) -> [u8; MAC_BYTES] {
        // Longer than what the MAC of a slot is over: neither is ever taken for the other.
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&time.to_be_bytes());
        context.update(&jkt.0);
        context.update(&place.to_be_bytes());
        let mut mac = [0; MAC_BYTES];
        mac.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        mac
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
    fn what_is_given_for_a_purpose_is_good_for_its_key_and_place_only_and_says_for_what() {
        const ASKED_US: i64 = 1_800_000_003_000_007;
        let key = NonceKey::new([1; 32]);
        let nonce = key.issue_for(&JKT, 5, ASKED_US);
        assert_eq!((nonce.len(), &nonce), (32, &key.issue_for(&JKT, 5, ASKED_US)));
        let good = GoodNonce { slot: NonceSlot(180_000_000), purpose_us: Some(ASKED_US) };
        let check = |jkt: &Thumbprint, place, now, expect| {
            assert_eq!(key.check_in(&nonce, jkt, place, now), expect, "{place} {now}");
        };
        for now in [1_800_000_003, 1_800_000_009, 1_800_000_019] {
            check(&JKT, 5, now, Some(good));
        }
        check(&JKT, 5, 1_800_000_020, None);
        check(&JKT, 5, 1_799_999_999, None);
        check(&JKT, 6, 1_800_000_003, None);
        check(&Thumbprint([8; 32]), 5, 1_800_000_003, None);
        // Nor are the kinds taken for each other.
        assert_eq!(key.check(&nonce, &JKT, 1_800_000_003), None);
        let ordinary = key.issue(&JKT, 1_800_000_003);
        let plain = GoodNonce { slot: NonceSlot(180_000_000), purpose_us: None };
        assert_eq!(key.check_in(&ordinary, &JKT, 6, 1_800_000_003), Some(plain));
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
            let mut flipped: [u8; NONCE_BYTES] =
                base64url::decode_array(&key.issue_for(&JKT, 5, 1_800_000_003_000_000)).unwrap();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.check_in(&base64url::encode(flipped), &JKT, 5, 1_800_000_003), None, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_nonce_by_chance(text in "\\PC{0,40}|[A-Za-z0-9_-]{32}", now: i64) {
            prop_assert_eq!(NonceKey::new([1; 32]).check(&text, &JKT, now), None);
        }
    }
}
