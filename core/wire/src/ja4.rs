//! JA4: what a TLS client looks like, from its ClientHello.
//!
//! Only JA4 itself, for TLS over TCP, as FoxIO published it under the BSD 3-Clause licence
//! (`FoxIO-LLC/ja4`, `technical_details/JA4.md`); none of the other fingerprints of that family.
//!
//! ```text
//! t13d1516h2_8daaf6152771_e5627efa2ab1
//! │││  │ │└─ first and last character of the first ALPN value, or 00
//! │││  │ └── number of extensions     (at most 99, without GREASE)
//! │││  └──── number of cipher suites  (at most 99, without GREASE)
//! ││└─────── d with server_name, i without
//! │└──────── highest version in supported_versions, else the hello's own
//! └───────── t: TLS over TCP
//! ```
//!
//! The second part is the SHA-256 of the sorted cipher suites, the third the one of the sorted extensions
//! (without server_name and ALPN) and the signature algorithms in their order; twelve digits each.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::client_hello::{ClientHello, EXTENSION_ALPN, EXTENSION_SERVER_NAME};

const LENGTH: usize = 36;
const NO_HASH: [u8; 12] = *b"000000000000";

/// padding, session_ticket, pre_shared_key, early_data: they come and go when a session is resumed.
const EXTENSIONS_OF_RESUMPTION: [u16; 4] = [0x0015, 0x0023, 0x0029, 0x002a];

/// A fingerprint of 36 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ja4([u8; LENGTH]);

/// JA4 as published: what is shown, and matched with lists.
pub fn ja4(hello: &ClientHello) -> Ja4 {
    fingerprint(hello, &[])
}

/// JA4 without extensions `0x0015`, `0x0023`, `0x0029` and `0x002a`, in count and hash: what tells the
/// contexts of a key apart. Otherwise each resumption would look like a new client.
pub fn context_key(hello: &ClientHello) -> Ja4 {
    fingerprint(hello, &EXTENSIONS_OF_RESUMPTION)
}

impl Ja4 {
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Display for Ja4 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for Ja4 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ja4({self})")
    }
}

/// Text that is no JA4.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a JA4; hint: it looks like `t13d1516h2_8daaf6152771_e5627efa2ab1`")]
pub struct NotJa4 {
    pub text: String,
}

impl FromStr for Ja4 {
    type Err = NotJa4;

    /// Reads a fingerprint of a list; checks its shape only.
    fn from_str(text: &str) -> Result<Self, NotJa4> {
        let shaped = |bytes: &[u8; LENGTH]| {
            bytes.iter().enumerate().all(|(position, &byte)| match position {
                0..10 => byte.is_ascii_alphanumeric(),
                10 | 23 => byte == b'_',
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            })
        };
        let bytes = text.as_bytes().try_into().ok().filter(shaped);
        bytes.map(Self).ok_or_else(|| NotJa4 { text: text.chars().take(64).collect() })
    }
}

fn fingerprint(hello: &ClientHello, left_out: &[u16]) -> Ja4 {
    let mut ciphers = without_grease(&hello.cipher_suites);
    ciphers.sort_unstable();
    let mut extensions = without_grease(&hello.extensions);
    extensions.retain(|extension| !left_out.contains(extension));
    let extension_count = extensions.len();
    extensions.retain(|&extension| extension != EXTENSION_SERVER_NAME && extension != EXTENSION_ALPN);
    extensions.sort_unstable();

    let mut hashed = comma_separated(&extensions);
    let signature_algorithms = without_grease(&hello.signature_algorithms);
    if !signature_algorithms.is_empty() {
        hashed.push('_');
        hashed.push_str(&comma_separated(&signature_algorithms));
    }

    let [version_0, version_1] = version(hello);
    let server_name = if hello.has_extension(EXTENSION_SERVER_NAME) { b'd' } else { b'i' };
    let [ciphers_0, ciphers_1] = two_digits(ciphers.len());
    let [extensions_0, extensions_1] = two_digits(extension_count);
    let [alpn_0, alpn_1] = alpn(hello.alpn.first().map(Vec::as_slice).unwrap_or_default());
    let head = [
        b't',
        version_0,
        version_1,
        server_name,
        ciphers_0,
        ciphers_1,
        extensions_0,
        extensions_1,
        alpn_0,
        alpn_1,
    ];
    let parts = [head.as_slice(), b"_", &hash(&comma_separated(&ciphers)), b"_", &hash(&hashed)];
    let mut text = [b'0'; LENGTH];
    for (place, byte) in text.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    Ja4(text)
}

fn version(hello: &ClientHello) -> [u8; 2] {
    let offered = hello.supported_versions.iter().copied().filter(|&version| !is_grease(version));
    match offered.max().unwrap_or(hello.legacy_version) {
        0x0304 => *b"13",
        0x0303 => *b"12",
        0x0302 => *b"11",
        0x0301 => *b"10",
        0x0300 => *b"s3",
        0x0002 => *b"s2",
        0xfeff => *b"d1",
        0xfefd => *b"d2",
        0xfefc => *b"d3",
        _ => *b"00",
    }
}

/// First and last character; when either is no ASCII letter or digit, the first and last hexadecimal
/// digit of the value instead. GREASE isn't skipped here: the published text takes the first value.
fn alpn(protocol: &[u8]) -> [u8; 2] {
    let (Some(&first), Some(&last)) = (protocol.first(), protocol.last()) else { return *b"00" };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [first, last]
    } else {
        [hex_digit(first >> 4), hex_digit(last & 0x0f)]
    }
}

fn without_grease(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|&value| !is_grease(value)).collect()
}

/// RFC 8701: `0x0a0a`, `0x1a1a`, … `0xfafa`.
fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn comma_separated(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len() * 5);
    for value in values {
        if !text.is_empty() {
            text.push(',');
        }
        for byte in value.to_be_bytes() {
            text.push(char::from(hex_digit(byte >> 4)));
            text.push(char::from(hex_digit(byte & 0x0f)));
        }
    }
    text
}

/// The first twelve hexadecimal digits of the SHA-256; zeros for an empty list.
fn hash(text: &str) -> [u8; 12] {
    let mut digits = NO_HASH;
    if text.is_empty() {
        return digits;
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(digest.as_ref()) {
        *pair = [hex_digit(byte >> 4), hex_digit(byte & 0x0f)];
    }
    digits
}

/// Decimal, at most 99.
fn two_digits(count: usize) -> [u8; 2] {
    let count = u8::try_from(count.min(99)).unwrap_or(99);
    [b'0' + count / 10, b'0' + count % 10]
}

fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpn_takes_first_and_last_character_or_hex_digit() {
        let check = |protocol: &[u8], expect: &[u8; 2]| assert_eq!(&alpn(protocol), expect, "{protocol:x?}");
        check(b"", b"00");
        check(b"h2", b"h2");
        check(b"http/1.1", b"h1");
        check(b"h", b"hh");
        // The published examples.
        check(&[0xab], b"ab");
        check(&[0xab, 0xcd], b"ad");
        check(&[0x30, 0xab], b"3b");
        check(&[0x30, 0x31, 0xab, 0xcd], b"3d");
        check(&[0x30, 0xab, 0xcd, 0x31], b"01");
        check(b" ", b"20");
        check(b"a ", b"60");
        check(b"_a", b"51");
    }

    #[test]
    fn version_is_the_highest_offered_and_never_grease() {
        let check = |legacy_version, supported: &[u16], expect: &[u8; 2]| {
            let hello = ClientHello {
                legacy_version,
                supported_versions: supported.to_vec(),
                ..ClientHello::default()
            };
            assert_eq!(&version(&hello), expect, "{legacy_version:x} {supported:x?}");
        };
        check(0x0303, &[], b"12");
        check(0x0301, &[], b"10");
        check(0x0300, &[], b"s3");
        check(0x0303, &[0xfafa, 0x0303, 0x0304], b"13");
        check(0x0303, &[0x0302, 0x0301], b"11");
        check(0x0303, &[0xfafa], b"12");
        check(0x0299, &[], b"00");
        check(0x0303, &[0x7f1c], b"00");
    }

    #[test]
    fn empty_counts_and_caps() {
        let check = |hello: ClientHello, expect: &str| assert_eq!(ja4(&hello).as_str(), expect);
        let legacy_version = 0x0303;
        check(
            ClientHello { legacy_version, ..ClientHello::default() },
            "t12i000000_000000000000_000000000000",
        );
        // Server name and ALPN count, but aren't hashed; GREASE is neither.
        check(
            ClientHello {
                legacy_version,
                cipher_suites: vec![0x0a0a],
                extensions: vec![0, 0x10, 0xfafa],
                alpn: vec![b"h2".to_vec()],
                ..ClientHello::default()
            },
            "t12d0002h2_000000000000_000000000000",
        );
        let many: Vec<u16> = (0x0100..0x0200).collect();
        let hello = ClientHello {
            legacy_version,
            cipher_suites: many.clone(),
            extensions: many,
            ..ClientHello::default()
        };
        assert!(ja4(&hello).as_str().starts_with("t12i999900_"));
    }

    #[test]
    fn signature_algorithms_are_hashed_in_their_order_without_grease() {
        let with = |signature_algorithms: &[u16]| {
            ja4(&ClientHello {
                extensions: vec![0x000d, 0x0005],
                signature_algorithms: signature_algorithms.to_vec(),
                ..ClientHello::default()
            })
        };
        let expect = |text: &str| {
            let digest = digest::digest(&digest::SHA256, text.as_bytes());
            let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("t00i000200_000000000000_{}", &hex[..12])
        };
        assert_eq!(with(&[]).to_string(), expect("0005,000d"));
        assert_eq!(with(&[0x0804, 0x0403]).to_string(), expect("0005,000d_0804,0403"));
        assert_eq!(with(&[0x2a2a, 0x0804, 0x0403]).to_string(), expect("0005,000d_0804,0403"));
    }

    #[test]
    fn context_key_ignores_what_a_resumption_adds() {
        let hello = |extensions: &[u16]| ClientHello {
            legacy_version: 0x0303,
            cipher_suites: vec![0x1301],
            extensions: extensions.to_vec(),
            ..ClientHello::default()
        };
        let fresh = hello(&[0x0000, 0x0023, 0x0033]);
        let resumed = hello(&[0x0000, 0x0033, 0x002a, 0x0015, 0x0029]);
        assert_ne!(ja4(&fresh), ja4(&resumed));
        assert_eq!(context_key(&fresh), context_key(&resumed));
        assert!(context_key(&fresh).as_str().starts_with("t12d010200_"));
        assert_ne!(context_key(&fresh), context_key(&hello(&[0x0000, 0x0033, 0x002d])));
    }

    #[test]
    fn reads_what_it_prints() {
        let good = "t13d1516h2_8daaf6152771_e5627efa2ab1";
        assert_eq!(good.parse::<Ja4>().map(|ja4| ja4.to_string()), Ok(good.to_owned()));
        for bad in [
            "",
            "t13d1516h2_8daaf6152771_e5627efa2ab",
            "t13d1516h2_8DAAF6152771_e5627efa2ab1",
            "t13d1516h2-8daaf6152771_e5627efa2ab1",
        ] {
            assert!(bad.parse::<Ja4>().is_err(), "{bad}");
        }
    }
}
