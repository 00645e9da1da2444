//! Several stops in two bytes, for logs in which every byte counts.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Stop;

/// Some of the fifteen: the bit of a stop is its number less one. People read and write it as a list of names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct StopSet(u16);

impl StopSet {
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn contains(self, stop: Stop) -> bool {
        self.0 & bit(stop) != 0
    }

    /// By their numbers.
    pub fn iter(self) -> impl Iterator<Item = Stop> {
        Stop::ALL.into_iter().filter(move |stop| self.contains(*stop))
    }
}

impl FromIterator<Stop> for StopSet {
    fn from_iter<I: IntoIterator<Item = Stop>>(stops: I) -> Self {
        Self(stops.into_iter().fold(0, |bits, stop| bits | bit(stop)))
    }
}

fn bit(stop: Stop) -> u16 {
    1 << (stop.number() - 1)
}

impl Serialize for StopSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(self.iter())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for StopSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(Vec::<Stop>::deserialize(deserializer)?.into_iter().collect());
        }
        let bits = u16::deserialize(deserializer)?;
        let known = Stop::ALL.into_iter().collect::<Self>().0;
        if bits & !known == 0 { Ok(Self(bits)) } else { Err(D::Error::custom("a stop that there isn't")) }
    }
}

impl JsonSchema for StopSet {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StopSet".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Stop>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_is_read_as_names() {
        for (place, stop) in Stop::ALL.into_iter().enumerate() {
            let one: StopSet = [stop].into_iter().collect();
            assert_eq!(one.iter().collect::<Vec<_>>(), [stop]);
            assert_eq!(one.0, 1 << place, "its bit stands in logs");
        }
        let some: StopSet = [Stop::Exit, Stop::Sanctions, Stop::Exit].into_iter().collect();
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["sanctions","exit"]"#);
        assert_eq!(serde_json::from_str::<StopSet>(r#"["exit","sanctions"]"#).unwrap(), some);
        assert!(StopSet::default().is_empty() && !some.is_empty());
        let all: StopSet = Stop::ALL.into_iter().collect();
        let bytes = postcard::to_stdvec(&all).unwrap();
        assert_eq!((bytes.len(), postcard::from_bytes::<StopSet>(&bytes).unwrap()), (3, all));
        assert!(postcard::from_bytes::<StopSet>(&postcard::to_stdvec(&0x8000_u16).unwrap()).is_err());
    }
}
