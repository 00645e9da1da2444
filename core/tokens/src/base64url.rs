//! base64url as JOSE wants it (RFC 7515, section 2): no padding, no white space, no stray bits.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Adds the encoding of `bytes` to `text`.
pub(crate) fn push(text: &mut String, bytes: impl AsRef<[u8]>) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// The bytes, if `text` is the one canonical encoding of them.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn decode_array<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    // The length first: a long text must not cost an allocation.
    if text.len() != (LENGTH * 4).div_ceil(3) {
        return None;
    }
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        let check = |text: &str, expect: Option<&[u8]>| assert_eq!(decode(text).as_deref(), expect, "{text}");
        check("", Some(b""));
        check("AQ", Some(&[1]));
        check("_-8", Some(&[0xff, 0xef]));
        check("AQ==", None);
        check("AR", None); // unused bits set
        check("A", None);
        check("AQ\n", None);
        check(" AQ", None);
        check("/+8", None);
        assert_eq!(decode_array::<2>("_-8"), Some([0xff, 0xef]));
        assert_eq!(decode_array::<2>("AQ"), None);
        assert_eq!(decode_array::<1>("_-8"), None);
    }
}
