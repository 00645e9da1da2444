//! The public name of a decision, as bytes and as text.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The public name of one decision: 48 bits of milliseconds since the Unix epoch, then 80 bits
/// that the gate makes unique, written like a ULID (26 characters of Crockford's base 32).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DecisionId(pub [u8; 16]);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a letter, small or capital, stands for: 32 for none. Archives are read by the million.
const VALUES: [u8; 256] = {
    let mut values = [32; 256];
    let mut five = 0;
    while five < 32 {
        #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
        {
            let letter = ALPHABET[five];
            values[letter as usize] = five as u8;
            values[letter.to_ascii_lowercase() as usize] = five as u8;
        }
        five += 1;
    }
    values
};

impl DecisionId {
    /// `unique` must differ between the decisions of one millisecond.
    #[must_use]
    pub fn new(time_ms: u64, unique: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        let (head, tail) = bytes.split_at_mut(6);
        head.copy_from_slice(time_ms.to_be_bytes().get(2..).unwrap_or(&[0; 6]));
        tail.copy_from_slice(&unique);
        Self(bytes)
    }

    #[must_use]
    pub fn time_ms(self) -> u64 {
        (u128::from_be_bytes(self.0) >> 80) as u64
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DecisionText::of(*self).as_str())
    }
}

/// A decision id as it is written.
#[derive(Clone, Copy, Debug)]
pub struct DecisionText([u8; 26]);

impl DecisionText {
    #[must_use]
    pub fn of(id: DecisionId) -> Self {
        let number = u128::from_be_bytes(id.0);
        // Two words of 64 bits: shifting one of 128 for each letter takes several times as long.
        let mut high = (number >> 65) as u64;
        let mut low = number as u64 & (u64::MAX >> 4);
        let middle = ((number >> 60) & 31) as usize;
        let mut text = [b'0'; 26];
        let letter = |five: usize| ALPHABET.get(five & 31).copied().unwrap_or(b'0');
        for (place, to) in text.iter_mut().enumerate().rev() {
            match place {
                14.. => {
                    *to = letter(low as usize);
                    low >>= 5;
                }
                13 => *to = letter(middle),
                _ => {
                    *to = letter(high as usize);
                    high >>= 5;
                }
            }
        }
        Self(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a decision id\nhint: it has 26 letters and digits, as in the Portcullis-Decision header"
)]
pub struct DecisionIdError(String);

impl FromStr for DecisionId {
    type Err = DecisionIdError;

    fn from_str(text: &str) -> Result<Self, DecisionIdError> {
        let refused = || DecisionIdError(text.chars().take(40).collect());
        if text.len() != 26 || text.as_bytes().first().is_none_or(|first| *first > b'7') {
            return Err(refused());
        }
        let mut number = 0_u128;
        for letter in text.bytes() {
            let five = VALUES.get(usize::from(letter)).filter(|five| **five < 32).ok_or_else(refused)?;
            number = number << 5 | u128::from(*five);
        }
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer).map(Self);
        }
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DecisionId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DecisionId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_keeps_its_time() {
        let id = DecisionId::new(1_795_000_000_123, [0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(id.to_string().parse::<DecisionId>().unwrap(), id);
        assert_eq!(id.to_string().to_lowercase().parse::<DecisionId>().unwrap(), id);
        assert_eq!(id.time_ms(), 1_795_000_000_123);
        for wrong in ["", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000000000U", "00"] {
            assert!(wrong.parse::<DecisionId>().is_err(), "{wrong}");
        }
    }
}
