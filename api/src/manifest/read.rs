//! Reads a spec's type from a located tree, so that an error knows the place it means.
//!
//! Deserializing the text itself would lose places: a kind that is chosen by a tag buffers what it
//! reads, and forgets where it stood.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::nearest::hint_of_known;
use super::tree::{Member, Node, Place, Scalar, Tree};
use crate::problem::split_hint;

/// What can't be read. The innermost place wins.
#[derive(Debug)]
pub struct ReadError {
    pub place: Option<Place>,
    pub message: String,
    pub hint: Option<String>,
}

impl ReadError {
    fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    fn new(message: String, hint: Option<String>) -> Self {
        Self { place: None, message, hint }
    }
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let (message, hint) = split_hint(&message.to_string());
        // What a personal text says that was written as a number.
        let hint = hint.or_else(|| (message == "expected a text").then(|| "put it in quotes".to_owned()));
        Self::new(message, hint)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", wanted(expected), shown(found)), None)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("`{found}` is not known here"), Some(hint_of_known("values", found, known)))
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("unknown field `{found}`"), Some(hint_of_known("fields", found, known)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("field `{field}` is missing"), None)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("field `{field}` is there twice"), None)
    }
}

/// What a Rust type's expectation is called in a manifest.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number from 0 up".to_owned(),
        "a string" | "string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        other if other.starts_with("struct ") || other == "a map" => "fields with values".to_owned(),
        other => other.to_owned(),
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("the text `{}`", text.chars().take(60).collect::<String>()),
        Unexpected::Unsigned(number) => format!("the number `{number}`"),
        Unexpected::Signed(number) => format!("the number `{number}`"),
        Unexpected::Float(number) => format!("the number `{number}`"),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "fields with values".to_owned(),
        other => other.to_string(),
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a Node);

impl<'a> Reader<'a> {
    fn found(self) -> Unexpected<'a> {
        match &self.0.value {
            Tree::Null => Unexpected::Unit,
            Tree::List(_) => Unexpected::Seq,
            Tree::Map(_) => Unexpected::Map,
            Tree::Scalar(Scalar::Bool(value), _) => Unexpected::Bool(*value),
            Tree::Scalar(Scalar::Unsigned(value), _) => Unexpected::Unsigned(*value),
            Tree::Scalar(Scalar::Signed(value), _) => Unexpected::Signed(*value),
            Tree::Scalar(Scalar::Float(value), _) => Unexpected::Float(*value),
            Tree::Scalar(Scalar::Text, text) => Unexpected::Str(text),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Tree::Null => visitor.visit_unit(),
            Tree::Scalar(Scalar::Bool(value), _) => visitor.visit_bool(*value),
            Tree::Scalar(Scalar::Unsigned(value), _) => visitor.visit_u64(*value),
            Tree::Scalar(Scalar::Signed(value), _) => visitor.visit_i64(*value),
            Tree::Scalar(Scalar::Float(value), _) => visitor.visit_f64(*value),
            Tree::Scalar(Scalar::Text, text) => visitor.visit_str(text),
            Tree::List(items) => visitor.visit_seq(Items(items.iter())),
            Tree::Map(members) => visitor.visit_map(Members { rest: members.iter(), value: None }),
        }
    }

    /// A number or `true` where a text is meant is taken as it was written.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Tree::Scalar(_, text) => visitor.visit_str(text),
            _ => Err(ReadError::invalid_type(self.found(), &"a text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.0.value {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Fields by name only: a list in their place would be taken by position otherwise.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.0.value {
            Tree::Map(_) => self.deserialize_any(visitor),
            _ => Err(ReadError::invalid_type(self.found(), &"fields with values")),
        }
    }

    /// Variants without content only: no spec has others.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Tree::Scalar(_, text) => {
                let variant: StrDeserializer<'_, ReadError> = text.as_str().into_deserializer();
                visitor.visit_enum(variant)
            }
            _ => Err(ReadError::invalid_type(self.found(), &"a word")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(node) = self.0.next() else { return Ok(None) };
        seed.deserialize(Reader(node)).map(Some).map_err(|error| error.at(node.place))
    }
}

struct Members<'a> {
    rest: std::slice::Iter<'a, Member>,
    value: Option<&'a Member>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some(member) = self.rest.next() else { return Ok(None) };
        self.value = Some(member);
        let key: StrDeserializer<'_, ReadError> = member.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.at(member.key_place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(member) = self.value.take() else { return Err(ReadError::custom("a value without a key")) };
        seed.deserialize(Reader(&member.node)).map_err(|error| error.at(member.place()))
    }
}
