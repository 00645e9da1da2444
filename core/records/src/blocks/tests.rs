//! Both engines say the same of every block.

use proptest::array::uniform32;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::avx2::Avx2;
use super::portable::Portable;
use super::{BLOCK_BYTES, Classifier, TableClassifier, TableMasks};

#[test]
fn kinds_of_all_bytes_at_all_places() {
    let Some(avx2) = Avx2::detect() else { return println!("skipped: this machine has no AVX2") };
    for byte in 0..=u8::MAX {
        for place in 0..BLOCK_BYTES {
            for filler in [b' ', b'"', b'\\', b'{', 0, 0xff, b'a'] {
                let mut block = [filler; BLOCK_BYTES];
                block[place] = byte;
                assert_eq!(avx2.masks(&block), Portable.masks(&block), "{byte:#x} at {place}");
                let escapes = (avx2.escape_masks(&block), Portable.escape_masks(&block));
                assert_eq!(escapes.0, escapes.1, "{byte:#x} at {place}");
            }
        }
    }
}

/// For tables there is only one; each byte of `,"\r\n` at its place.
#[test]
fn tables() {
    let Some(avx2) = Avx2::detect() else { return println!("skipped: this machine has no AVX2") };
    for byte in 0..=u8::MAX {
        for place in 0..BLOCK_BYTES {
            let mut block = [b'x'; BLOCK_BYTES];
            block[place] = byte;
            let mask = |wanted: u8| if byte == wanted { 1 << place } else { 0 };
            let expect = TableMasks {
                quotes: mask(b'"'),
                commas: mask(b','),
                returns: mask(b'\r'),
                feeds: mask(b'\n'),
            };
            assert_eq!(avx2.table_masks(&block), expect, "{byte:#x} at {place}");
        }
    }
}

/// The portable one against what its fields promise.
#[test]
fn kinds() {
    for byte in 0..=u8::MAX {
        let masks = Portable.masks(&[byte; BLOCK_BYTES]);
        let check = |mask: u64, expect: bool, kind: &str| {
            assert_eq!(mask, if expect { u64::MAX } else { 0 }, "{kind} {byte:#x}");
        };
        let is_scalar = byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        check(masks.quotes, byte == b'"', "quote");
        check(masks.backslashes, byte == b'\\', "backslash");
        check(masks.brackets, b"[]{}".contains(&byte), "bracket");
        check(masks.scalars, is_scalar, "scalar");
        check(masks.controls, byte < 0x20, "control");
        let escapes = Portable.escape_masks(&[byte; BLOCK_BYTES]);
        check(escapes.letters, b"\"\\/bfnrtu".contains(&byte), "letter");
        check(escapes.unicodes, byte == b'u', "unicode");
        check(escapes.digits, byte.is_ascii_hexdigit(), "digit");
        check(masks.strays, !is_scalar && !b"[]{},: \t\r\n".contains(&byte), "stray");
    }
}

proptest! {
    #[test]
    fn random_blocks(low in uniform32(any::<u8>()), high in uniform32(any::<u8>()), bits in any::<u64>()) {
        let mut block = [0; BLOCK_BYTES];
        block[..32].copy_from_slice(&low);
        block[32..].copy_from_slice(&high);
        let mut parity = false;
        let expect = (0..64).fold(0, |parities, bit| {
            parity ^= bits >> bit & 1 == 1;
            parities | u64::from(parity) << bit
        });
        prop_assert_eq!(Portable.parities(bits), expect);
        if let Some(avx2) = Avx2::detect() {
            prop_assert_eq!(avx2.masks(&block), Portable.masks(&block));
            prop_assert_eq!(avx2.escape_masks(&block), Portable.escape_masks(&block));
            prop_assert_eq!(avx2.parities(bits), expect);
        }
    }
}
