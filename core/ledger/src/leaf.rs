//! The leaf of the ledger's tree: a small envelope around the digest of a
//! payload that is kept apart.
//!
//! # The format, final
//!
//! One RFC 8785 canonical JSON object with exactly these members, in this
//! order, without white space:
//!
//! | member | value |
//! | --- | --- |
//! | `aggregate` | the aggregate's random id: a UUID, lower case with hyphens |
//! | `kind` | the event's kind: 1 to 128 of `A–Z a–z 0–9 _ - .`, a letter first |
//! | `payload_sha256` | SHA-256 of the payload's stored bytes, 64 lower-case hexadecimal digits |
//! | `sequence` | the leaf's position in the tree, from 0; at most 2^53 - 1 |
//! | `time` | RFC 3339 in UTC, exactly six fraction digits, `Z`; year 0000 to 9999 |
//! | `version` | the version of this kind's payload, 0 to 65535 |
//!
//! The tree's leaf hash is SHA-256 of a zero byte and these bytes (RFC 6962
//! §2.1). Personal fields are sealed inside the payload before it is hashed,
//! so nothing in a leaf says more than that something happened.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::canonical::INTEGER_MAX;
use crate::{Hash, LedgerError, from_hex, hex, tree};

/// The most bytes of a leaf, so that a tile's entry bundle may prefix it with
/// 16 bits of length (C2SP `tlog-tiles`).
pub const LEAF_BYTES_MAX: usize = 65_535;

/// The most bytes of a kind.
pub const KIND_BYTES_MAX: usize = 128;

/// What a leaf says. See the module for its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Position in the tree, from 0.
    pub sequence: u64,
    /// When the event was decided, in whole microseconds.
    pub time: Timestamp,
    /// For example `vendor.registered`.
    pub kind: String,
    /// The random id of what the event happened to.
    pub aggregate: Uuid,
    /// The version of this kind's payload.
    pub version: u16,
    /// Digest of the payload as it is stored, personal fields sealed.
    pub payload_sha256: Hash,
}

impl Envelope {
    /// The canonical bytes.
    ///
    /// # Errors
    /// [`LedgerError::Kind`], [`LedgerError::Sequence`] and [`LedgerError::Time`]
    /// for values that the format can't hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LedgerError> {
        check_kind(&self.kind)?;
        if self.sequence > INTEGER_MAX {
            return Err(LedgerError::Sequence { sequence: self.sequence });
        }
        // No value needs an escape: that is what the checks are for.
        let bytes = format!(
            r#"{{"aggregate":"{}","kind":"{}","payload_sha256":"{}","sequence":{},"time":"{}","version":{}}}"#,
            self.aggregate.hyphenated(),
            self.kind,
            hex(&self.payload_sha256),
            self.sequence,
            time_text(self.time)?,
            self.version,
        )
        .into_bytes();
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LedgerError::LeafSize { bytes: bytes.len(), max: LEAF_BYTES_MAX });
        }
        Ok(bytes)
    }

    /// Reads canonical bytes, and only these: what parses is written again
    /// and compared, so that one envelope has one leaf hash.
    ///
    /// # Errors
    /// [`LedgerError::Leaf`] or [`LedgerError::LeafSize`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LedgerError::LeafSize { bytes: bytes.len(), max: LEAF_BYTES_MAX });
        }
        let broken = |what: String| LedgerError::Leaf { what };
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        let envelope = Self {
            sequence: wire.sequence,
            time: wire.time.parse().map_err(|_| broken(format!("`{}` is no time", wire.time)))?,
            aggregate: wire
                .aggregate
                .parse()
                .map_err(|_| broken(format!("`{}` is no UUID", wire.aggregate)))?,
            payload_sha256: from_hex(&wire.payload_sha256)
                .ok_or_else(|| broken(format!("`{}` is no SHA-256 digest", wire.payload_sha256)))?,
            kind: wire.kind,
            version: wire.version,
        };
        if envelope.to_bytes()? != bytes {
            return Err(broken("the bytes differ from the canonical ones".to_owned()));
        }
        Ok(envelope)
    }

    /// The leaf's hash in the tree (RFC 6962 §2.1).
    ///
    /// # Errors
    /// Those of [`Self::to_bytes`].
    pub fn leaf_hash(&self) -> Result<Hash, LedgerError> {
        Ok(tree::leaf_hash(&self.to_bytes()?))
    }
}

/// Whether `kind` may stand in a leaf.
///
/// # Errors
/// [`LedgerError::Kind`].
pub fn check_kind(kind: &str) -> Result<(), LedgerError> {
    let good = kind.len() <= KIND_BYTES_MAX
        && kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if good { Ok(()) } else { Err(LedgerError::Kind { kind: kind.chars().take(KIND_BYTES_MAX).collect() }) }
}

/// `time` without its digits below a microsecond: the leaf's precision.
#[must_use]
pub fn whole_microseconds(time: Timestamp) -> Timestamp {
    // The cut goes towards zero, so it stays within the range of `Timestamp`.
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    aggregate: String,
    kind: String,
    payload_sha256: String,
    sequence: u64,
    time: String,
    version: u16,
}

fn time_text(time: Timestamp) -> Result<String, LedgerError> {
    const PRINTER: jiff::fmt::temporal::DateTimePrinter =
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(6));
    let text = PRINTER.timestamp_to_string(&time);
    // Years before 0000 get a sign and six digits, which RFC 3339 doesn't have.
    if time.subsec_nanosecond() % 1_000 != 0 || text.len() != "0000-00-00T00:00:00.000000Z".len() {
        return Err(LedgerError::Time { time: time.to_string() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Envelope {
        Envelope {
            sequence: 41,
            time: "2026-03-01T09:30:00.25Z".parse().unwrap(),
            kind: "vendor.registered".to_owned(),
            aggregate: "0b7c3d1e-5f60-4a8b-9c2d-112233445566".parse().unwrap(),
            version: 1,
            payload_sha256: crate::sha256(br#"{"name":"Acme"}"#),
        }
    }

    /// The format is final: if this fails, the change breaks every ledger.
    #[test]
    fn golden_leaf() {
        let bytes = example().to_bytes().unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            concat!(
                r#"{"aggregate":"0b7c3d1e-5f60-4a8b-9c2d-112233445566","kind":"vendor.registered","#,
                r#""payload_sha256":"2e52492792c2f947fdc5ae0e84eaf1f9c30e49cb0cccd9d9246f2fd81e6cbaa3","#,
                r#""sequence":41,"time":"2026-03-01T09:30:00.250000Z","version":1}"#,
            )
        );
        // From `(printf '\0'; cat leaf) | sha256sum`.
        assert_eq!(
            hex(&example().leaf_hash().unwrap()),
            "bcd51ace500b3d521be872dede105e722b44f72c8f609ace57a036d4699f6ca4"
        );
    }

    #[test]
    fn the_bytes_are_rfc_8785() {
        let bytes = example().to_bytes().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(crate::canonical::to_bytes(&value).unwrap(), bytes);
    }

    #[test]
    fn only_canonical_bytes_are_read() {
        let good = String::from_utf8(example().to_bytes().unwrap()).unwrap();
        assert_eq!(Envelope::parse(good.as_bytes()).unwrap(), example());
        for (from, to) in [
            (r#"{"aggregate""#, r#"{ "aggregate""#),                // white space
            ("0b7c3d1e", "0B7C3D1E"),                               // case of the id
            ("0b7c3d1e-5f60-4a8b-9c2d-", "0b7c3d1e5f604a8b9c2d"),   // id without hyphens
            (".250000Z", ".25Z"),                                   // fraction digits
            (".250000Z", ".250000+00:00"),                          // another spelling of UTC
            (".250000Z", ".2500001Z"),                              // below a microsecond
            ("09:30", "09:60"),                                     // no time
            (r#""version":1"#, r#""version":1.0"#),                 // not an integer
            (r#""version":1"#, r#""version":65536"#),               // out of range
            (r#""version":1"#, r#""extra":0,"version":1"#),         // unknown member
            (r#""version":1"#, r#""version":1,"version":1"#),       // duplicate member
            (r#","version":1"#, ""),                                // missing member
            (r#""sequence":41"#, r#""sequence":041"#),              // leading zero
            (r#""sequence":41"#, r#""sequence":9007199254740992"#), // beyond 2^53 - 1
            ("vendor.registered", "vendor\\u002eregistered"),       // needless escape
            ("vendor.registered", "vendor registered"),             // no kind
            ("vendor.registered", ""),                              // empty kind
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "`{from}` must be found");
            assert!(Envelope::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let upper =
            good.replace(&hex(&example().payload_sha256), &hex(&example().payload_sha256).to_uppercase());
        assert!(Envelope::parse(upper.as_bytes()).is_err());
        assert!(Envelope::parse(format!("{good}\n").as_bytes()).is_err());
        assert!(Envelope::parse(&vec![b' '; LEAF_BYTES_MAX + 1]).is_err());
        assert!(Envelope::parse(b"").is_err());
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        let refuse = |envelope: Envelope| envelope.to_bytes().unwrap_err();
        assert!(matches!(refuse(Envelope { kind: "1st".into(), ..example() }), LedgerError::Kind { .. }));
        assert!(matches!(refuse(Envelope { kind: "k".repeat(129), ..example() }), LedgerError::Kind { .. }));
        assert!(matches!(refuse(Envelope { kind: "é".into(), ..example() }), LedgerError::Kind { .. }));
        assert!(matches!(refuse(Envelope { sequence: 1 << 53, ..example() }), LedgerError::Sequence { .. }));
        for time in ["2026-03-01T09:30:00.0000001Z", "-000001-01-01T00:00:00Z"] {
            let time = time.parse().unwrap();
            assert!(matches!(refuse(Envelope { time, ..example() }), LedgerError::Time { .. }));
        }
    }

    proptest! {
        #[test]
        fn every_envelope_reads_back(
            sequence in 0..=INTEGER_MAX,
            nanosecond in -62_167_219_200_000_000_000_i128..=253_402_200_000_000_000_000,
            kind in "[a-zA-Z][a-zA-Z0-9_.-]{0,127}",
            aggregate: u128,
            version: u16,
            payload_sha256: Hash,
        ) {
            let time = whole_microseconds(Timestamp::from_nanosecond(nanosecond).unwrap());
            let envelope = Envelope {
                sequence, time, kind, aggregate: Uuid::from_u128(aggregate), version, payload_sha256,
            };
            prop_assert_eq!(Envelope::parse(&envelope.to_bytes().unwrap()).unwrap(), envelope);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Envelope::parse(&bytes);
        }
    }
}
