//! SHA-256 thumbprints: the name of a key (`jkt`, RFC 7638) or certificate (`x5t#S256`, RFC 8705).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::base64url;

/// A SHA-256 thumbprint. Text form: 43 characters of base64url, one spelling for each value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(pub [u8; 32]);

impl Thumbprint {
    /// `x5t#S256` of a certificate (RFC 8705, section 3.1): SHA-256 over its DER encoding.
    pub fn of_certificate(der: &[u8]) -> Self {
        Self(sha256(der))
    }
}

/// A text that isn't 43 characters of canonical base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 thumbprint, hint: 32 bytes are 43 characters of base64url without padding")]
pub struct NotAThumbprint;

impl FromStr for Thumbprint {
    type Err = NotAThumbprint;

    fn from_str(text: &str) -> Result<Self, NotAThumbprint> {
        base64url::decode_array(text).map(Self).ok_or(NotAThumbprint)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    // The lengths are equal: SHA-256 always gives 32 bytes.
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling_for_each_value() {
        let text = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"; // SHA-256 of nothing
        assert_eq!(Thumbprint::of_certificate(b"").to_string(), text);
        assert_eq!(text.parse(), Ok(Thumbprint::of_certificate(b"")));
        let refused = [
            "",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV", // stray bits
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF",
            " 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        ];
        for text in refused {
            assert_eq!(text.parse::<Thumbprint>(), Err(NotAThumbprint), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_serde_round_trip(bytes: [u8; 32]) {
            let thumbprint = Thumbprint(bytes);
            prop_assert_eq!(thumbprint.to_string().parse(), Ok(thumbprint));
            let json = serde_json::to_string(&thumbprint).unwrap();
            prop_assert_eq!(&json, &format!("\"{thumbprint}\""));
            prop_assert_eq!(serde_json::from_str::<Thumbprint>(&json).unwrap(), thumbprint);
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[A-Za-z0-9_-]{42,44}") {
            if let Ok(thumbprint) = text.parse::<Thumbprint>() {
                prop_assert_eq!(thumbprint.to_string(), text);
            }
        }
    }
}
