//! Text in the encodings that spreadsheets write.

use std::borrow::Cow;

/// The text, and what to say about its encoding where that isn't plain UTF-8.
pub fn decode(bytes: &[u8]) -> (Cow<'_, str>, Option<&'static str>) {
    if let Some(rest) = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]) {
        return match std::str::from_utf8(rest) {
            Ok(text) => (Cow::Borrowed(text), Some("UTF-8 with a byte order mark")),
            Err(_) => (
                Cow::Owned(windows(rest)),
                Some("Windows-1252 behind a mark of UTF-8: look at names with accents"),
            ),
        };
    }
    if let Some(rest) = bytes.strip_prefix(&[0xff, 0xfe]) {
        return (Cow::Owned(utf16(rest, u16::from_le_bytes)), Some("UTF-16"));
    }
    if let Some(rest) = bytes.strip_prefix(&[0xfe, 0xff]) {
        return (Cow::Owned(utf16(rest, u16::from_be_bytes)), Some("UTF-16"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), None),
        Err(_) => {
            (Cow::Owned(windows(bytes)), Some("Windows-1252, as it is not UTF-8: look at names with accents"))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// 0x80 to 0x9f of Windows-1252, as WHATWG's encoding standard has it; the rest is Latin-1.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn windows(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte.checked_sub(0x80) {
        Some(high) => HIGH.get(usize::from(high)).copied().unwrap_or(char::from(*byte)),
        None => char::from(*byte),
    };
    bytes.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn encodings_are_told() {
        for (bytes, expect, said) in [
            (&b"M\xc3\xbcller"[..], "Müller", None),
            (b"\xef\xbb\xbfM\xc3\xbcller", "Müller", Some("UTF-8")),
            (b"M\xfcller \x80 \x96", "Müller € –", Some("Windows-1252")),
            (b"\xff\xfeM\0\xfc\0", "Mü", Some("UTF-16")),
            (b"\xfe\xff\0M\0\xfc", "Mü", Some("UTF-16")),
        ] {
            let (text, note) = decode(bytes);
            assert_eq!(text, expect);
            assert_eq!(note.is_some(), said.is_some());
            assert!(said.is_none_or(|said| note.unwrap_or_default().starts_with(said)));
        }
    }
}
