//! Finds the next byte of a string that needs a look.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const BLOCK: usize = 32;

/// The place, at or after `at`, of the first quote, backslash or control character; the length of
/// the text if there is none.
pub(super) fn plain_until(text: &[u8], mut at: usize) -> usize {
    // Most strings are short: one word, then blocks that the compiler makes vectors of.
    if let Some(found) = word_at(text, at).map(special) {
        if let Some(place) = found {
            return at + place;
        }
        at += 8;
    }
    while block_at(text, at).is_some_and(is_plain) {
        at += BLOCK;
    }
    while let Some(word) = word_at(text, at) {
        if let Some(place) = special(word) {
            return at + place;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|byte| !is_special(*byte)) {
        at += 1;
    }
    at
}

fn word_at(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn block_at(text: &[u8], at: usize) -> Option<&[u8; BLOCK]> {
    text.get(at..)?.first_chunk()
}

fn is_plain(block: &[u8; BLOCK]) -> bool {
    !block.iter().fold(false, |any, byte| any | is_special(*byte))
}

fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The place of the first special byte of eight. A borrow can mark bytes above a special one, but
/// never below the first (Hacker's Delight, 6-1).
fn special(word: u64) -> Option<usize> {
    let zero = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
    let found = control | zero(word ^ (LOW * u64::from(b'"'))) | zero(word ^ (LOW * u64::from(b'\\')));
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::{is_special, plain_until};

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for follower in [b'a', 0xff, b'!', 0x1f] {
                for place in 0..90 {
                    let mut text = vec![0xc3; 90];
                    text[place] = byte;
                    text[(place + 1).min(89)] = follower;
                    let expect = text.iter().position(|byte| is_special(*byte)).unwrap_or(90);
                    assert_eq!(plain_until(&text, 0), expect, "{byte:#x} at {place}, then {follower:#x}");
                }
            }
        }
    }

    #[test]
    fn starts_where_it_is_told() {
        assert_eq!(plain_until(b"\"abc\"", 1), 4);
        assert_eq!(plain_until(b"\"", 1), 1);
        assert_eq!(plain_until(b"", 0), 0);
    }
}
