//! JSON from strangers: bounded, and with the line of what is wrong. Its depth is bounded by the parser, at 128.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{BYTES_MAX, SourceError, TEXT_BYTES_MAX, other_format};

pub fn read<T: DeserializeOwned>(of: &'static str, bytes: &[u8]) -> Result<T, SourceError> {
    if bytes.len() > BYTES_MAX {
        return Err(SourceError::TooLarge { of, max: BYTES_MAX as u64 });
    }
    if let Some(found) = other_format(bytes) {
        return Err(SourceError::Format { of, found, expected: "JSON" });
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| SourceError::Line {
        of,
        line: error.line() as u64,
        message: if error.is_eof() {
            "it ends in the middle\nhint: it was cut off on its way; fetch it again".to_owned()
        } else {
            super::short(&error.to_string())
        },
    })
}

/// A list of at most so many; `null` is an empty one.
#[derive(Clone, Debug)]
pub struct Rows<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for Rows<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Rows<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor::<T, MAX> { one: false, of: PhantomData }).map(Self)
    }
}

/// The same, where one entry may stand without a list around it.
#[derive(Clone, Debug)]
pub struct OneOrRows<T, const MAX: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for OneOrRows<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor::<T, MAX> { one: true, of: PhantomData }).map(Self)
    }
}

struct RowsVisitor<T, const MAX: usize> {
    one: bool,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for RowsVisitor<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.one { "an object or a list" } else { "a list" })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = seq.next_element()? {
            if rows.len() == MAX {
                return Err(A::Error::custom(format_args!("more than {MAX} entries in one list")));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        if !self.one {
            return Err(A::Error::custom("a list is expected, and this is an object"));
        }
        Ok(vec![T::deserialize(MapAccessDeserializer::new(map))?])
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

/// A text that is kept: of at most [`TEXT_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(D::Error::custom(format_args!(
                "a text of {} bytes, at most {TEXT_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        Ok(Self(text))
    }
}

/// The text, unless there is nothing in it.
pub fn some(text: Option<Text>) -> Option<String> {
    text.map(|text| text.0.trim().to_owned()).filter(|text| !text.is_empty())
}
