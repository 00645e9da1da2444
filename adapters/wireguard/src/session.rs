//! Packets between two peers that have shaken hands.

use aws_lc_rs::aead::{Aad, LessSafeKey};

use crate::noise::nonce;

const DATA: [u8; 4] = [4, 0, 0, 0];
/// Contents are filled up to a multiple of it.
const PADDING: usize = 16;
/// A counter that is so far behind the newest is too old.
const WINDOW: u64 = 64;

pub struct Session {
    ours: u32,
    theirs: u32,
    sending: LessSafeKey,
    receiving: LessSafeKey,
    sent: u64,
    seen: Seen,
}

impl Session {
    pub fn new(ours: u32, theirs: u32, sending: LessSafeKey, receiving: LessSafeKey) -> Self {
        Self { ours, theirs, sending, receiving, sent: 0, seen: Seen::default() }
    }

    /// A message with this packet; an empty one says that we are there.
    pub fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = packet.to_vec();
        sealed.resize(packet.len().next_multiple_of(PADDING), 0);
        let counter = self.sent;
        self.sent = counter.checked_add(1)?;
        self.sending.seal_in_place_append_tag(nonce(counter), Aad::empty(), &mut sealed).ok()?;
        Some([&DATA[..], &self.theirs.to_le_bytes(), &counter.to_le_bytes(), &sealed].concat())
    }

    /// The packet in a message, if it is the other side's and wasn't here before.
    pub fn open(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let (kind, rest) = message.split_first_chunk::<4>()?;
        let (ours, rest) = rest.split_first_chunk::<4>()?;
        let (counter, sealed) = rest.split_first_chunk::<8>()?;
        let counter = u64::from_le_bytes(*counter);
        if *kind != DATA || u32::from_le_bytes(*ours) != self.ours || !self.seen.is_new(counter) {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let packet = self.receiving.open_in_place(nonce(counter), Aad::empty(), &mut sealed).ok()?;
        let packet = packet.to_vec();
        self.seen.take(counter);
        Some(packet)
    }
}

/// Counters that were there, as RFC 6479 keeps them.
#[derive(Default)]
struct Seen {
    /// One more than the newest.
    next: u64,
    /// The newest has the lowest bit.
    bits: u64,
}

impl Seen {
    fn is_new(&self, counter: u64) -> bool {
        match self.next.checked_sub(counter) {
            None | Some(0) => true,
            Some(behind) => behind <= WINDOW && self.bits & bit(behind - 1) == 0,
        }
    }

    fn take(&mut self, counter: u64) {
        if counter >= self.next {
            let moved = (counter - self.next).saturating_add(1);
            self.bits = u32::try_from(moved).ok().and_then(|moved| self.bits.checked_shl(moved)).unwrap_or(0);
            self.next = counter.saturating_add(1);
        }
        self.bits |= bit(self.next - 1 - counter);
    }
}

fn bit(place: u64) -> u64 {
    u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::aead::{CHACHA20_POLY1305, UnboundKey};

    #[test]
    fn a_counter_is_taken_once_and_none_that_is_too_old() {
        let mut seen = Seen::default();
        let mut take = |counter| {
            let new = seen.is_new(counter);
            if new {
                seen.take(counter);
            }
            new
        };
        for (counter, new) in [
            (0, true),
            (0, false),
            (3, true),
            (1, true),
            (1, false),
            (3, false),
            (66, true),
            (3, false),
            (2, false),
            (4, true),
            (1_000_000, true),
            (66, false),
            (999_999, true),
        ] {
            assert_eq!(take(counter), new, "{counter}");
        }
    }

    #[test]
    fn a_message_opens_at_the_other_side_once_and_a_changed_one_nowhere() {
        let key = || LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[3; 32]).unwrap());
        let (mut one, mut other) = (Session::new(1, 2, key(), key()), Session::new(2, 1, key(), key()));
        let message = one.seal(&[5; 17]).unwrap();
        assert_eq!(message.len(), 16 + 32 + 16);
        let mut changed = message.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(other.open(&changed), None);
        assert_eq!(one.open(&message), None, "its own");
        assert_eq!(other.open(&message).unwrap()[..17], [5; 17]);
        assert_eq!(other.open(&message), None, "again");
        let empty = one.seal(&[]).unwrap();
        assert_eq!(other.open(&empty).unwrap(), []);
    }
}
