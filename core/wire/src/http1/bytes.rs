//! What a byte may be a part of: one table, so that each byte is looked up once.

/// A token: methods, names of fields (RFC 9110, 5.6.2).
const TOKEN: u8 = 1;
/// `_`, a token character that CGI can't tell from `-`.
const UNDERSCORE: u8 = 2;
/// A request target: what RFC 3986 allows in a path and a query, and `^ { | }`, which many clients send
/// as they are. Not `\`, which some take for `/`, and not `" < >` and the backtick.
const TARGET: u8 = 4;
/// The host of an authority that is a name or an IPv4 address. RFC 3986 allows more (`,`, `%41`, …), of
/// which no two readers make the same.
const HOST: u8 = 8;

static CLASSES: [u8; 256] = classes();

/// How many bytes at the start are of a token, and whether one of them is `_`.
#[inline]
pub fn token(bytes: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let class = class(byte);
        if class & TOKEN == 0 {
            return (at, seen & UNDERSCORE != 0);
        }
        seen |= class;
    }
    (bytes.len(), seen & UNDERSCORE != 0)
}

pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token(bytes).0 == bytes.len()
}

/// How many bytes at the start are of a request target.
#[inline]
pub fn target(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| class(byte) & TARGET == 0).unwrap_or(bytes.len())
}

pub fn is_host_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| class(byte) & HOST != 0)
}

/// Whether there is a control character that isn't HTAB. No early end: the loop is vectorised.
#[inline]
pub fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| found | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f))
}

/// Without the optional white space around (RFC 9110, 5.6.3): where it starts and ends.
#[inline]
pub fn trimmed(bytes: &[u8]) -> (usize, usize) {
    let is_space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(start) = bytes.iter().position(|byte| !is_space(byte)) else { return (0, 0) };
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    (start, end)
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

#[expect(clippy::indexing_slicing, reason = "a byte is below 256; evaluated when compiling")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 0x7f {
        let mut class = 0;
        if byte.is_ascii_alphanumeric() {
            class = TOKEN | TARGET | HOST;
        } else {
            if is_one_of(byte, b"!#$%&'*+-.^_`|~") {
                class |= TOKEN;
            }
            if is_one_of(byte, b"!$%&'()*+,-./:;=?@[]^_{|}~") {
                class |= TARGET;
            }
            if is_one_of(byte, b"-._") {
                class |= HOST;
            }
            if byte == b'_' {
                class |= UNDERSCORE;
            }
        }
        classes[byte as usize] = class;
        byte += 1;
    }
    classes
}

#[expect(clippy::indexing_slicing, reason = "the index is below the length; evaluated when compiling")]
const fn is_one_of(byte: u8, others: &[u8]) -> bool {
    let mut at = 0;
    while at < others.len() {
        if others[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}
