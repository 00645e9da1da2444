//! JSON with one reading only.
//!
//! Two parsers may disagree about which of two members of the same name counts, and what one of them
//! checked the other then doesn't use. RFC 7515, section 4 lets a verifier refuse duplicates in the
//! header; here they are refused at every depth, in headers, claims and keys alike.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text isn't the JSON object that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotStrictJson(String);

/// The members of the object that `bytes` are, in their order.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotStrictJson> {
    let Strict(value) = serde_json::from_slice(bytes).map_err(|e| NotStrictJson(shown(&e.to_string())))?;
    match value {
        Value::Object(members) => Ok(members),
        other => Err(NotStrictJson(format!("expected an object, found {}", kind(&other)))),
    }
}

/// `text` short and printable, so that an error message can quote what a stranger sent.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 120;
    let mut shown: String = text.chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A value in which no object has two members of one name. Depth is bounded by `serde_json` (128).
pub(crate) struct Strict(pub(crate) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that isn't finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member `{}` is there twice", shown(&name))));
            }
            let Strict(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, refused_with: Option<&str>) {
        match (object(text.as_bytes()), refused_with) {
            (Ok(read), None) => {
                assert_eq!(Value::Object(read), serde_json::from_str::<Value>(text).unwrap(), "{text}");
            }
            (Err(e), Some(part)) => assert!(e.to_string().contains(part), "{text}: {e}"),
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }

    #[test]
    fn duplicates_and_everything_but_objects_are_refused() {
        check("{}", None);
        check(r#" {"a": [1, -2, 2.5, true, null, "x", {"b": {}}]} "#, None);
        check(r#"{"a":1,"a":1}"#, Some("`a` is there twice"));
        check(r#"{"a":1,"\u0061":1}"#, Some("`a` is there twice"));
        check(r#"{"a":{"b":1,"b":2}}"#, Some("`b` is there twice"));
        check(r#"{"a":[{"b":1,"b":2}]}"#, Some("`b` is there twice"));
        check("[]", Some("found an array"));
        check("\"x\"", Some("found a string"));
        check("", Some("EOF"));
        check("{} {}", Some("trailing"));
        check("\u{feff}{}", Some("expected value"));
        check(r#"{"a":"\ud800"}"#, Some("hex escape"));
        check(&"[".repeat(5_000), Some("recursion"));
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn quoted_text_is_short_and_printable() {
        assert_eq!(shown("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(shown(&"x".repeat(1_000)).chars().count(), 121);
    }
}
