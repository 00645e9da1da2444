//! JSON with one reading only.
//!
//! Two parsers may disagree about which of two members of the same name counts, and what one of them
//! checked the other then doesn't use. RFC 7515, section 4 lets a verifier refuse duplicates in the
//! header; here they are refused at every depth, in headers, claims and keys alike.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text isn't the JSON object that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotStrictJson(String);

/// The members of the object that `bytes` are, in their order.
///
/// # Errors
/// [`NotStrictJson`]: another value, or a member that is there twice, at whatever depth.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotStrictJson> {
    let Strict(value) = serde_json::from_slice(bytes).map_err(|e| NotStrictJson(shown(&e.to_string())))?;
    match value {
        Value::Object(members) => Ok(members),
        other => Err(NotStrictJson(format!("expected an object, found {}", kind(&other)))),
    }
}

/// The members of these names of the object that `bytes` are. The others are read as strictly, and
/// dropped: nothing is allocated for an object that has only these, and no escapes.
pub(crate) fn named<'a, const COUNT: usize>(
    bytes: &'a [u8],
    names: [&'static str; COUNT],
) -> Result<[Option<Member<'a>>; COUNT], NotStrictJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let found = Names(names).deserialize(&mut deserializer);
    let found = found.and_then(|found| deserializer.end().map(|()| found));
    found.map_err(|e| NotStrictJson(shown(&e.to_string())))
}

/// The value of a member that was looked for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Member<'a> {
    Text(Cow<'a, str>),
    /// Anything but a string.
    Other(Value),
}

impl Member<'_> {
    pub(crate) fn into_owned(self) -> Member<'static> {
        match self {
            Self::Text(text) => Member::Text(Cow::Owned(text.into_owned())),
            Self::Other(value) => Member::Other(value),
        }
    }
}

/// `text` short and printable, so that an error message can quote what a stranger sent.
pub fn shown(text: &str) -> String {
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

struct Names<const COUNT: usize>([&'static str; COUNT]);

impl<'de, const COUNT: usize> DeserializeSeed<'de> for Names<COUNT> {
    type Value = [Option<Member<'de>>; COUNT];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, const COUNT: usize> Visitor<'de> for Names<COUNT> {
    type Value = [Option<Member<'de>>; COUNT];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = std::array::from_fn(|_| None);
        let mut others = BTreeSet::new();
        while let Some(Member::Text(name)) = members.next_key::<Member<'de>>()? {
            let place = self.0.iter().zip(found.iter_mut()).find(|(wanted, _)| **wanted == name);
            let is_new = match place {
                Some((_, place @ None)) => {
                    *place = Some(members.next_value()?);
                    continue;
                }
                Some(_) => false,
                None => others.insert(name.clone()),
            };
            if !is_new {
                return Err(A::Error::custom(format_args!("the member `{}` is there twice", shown(&name))));
            }
            let Strict(_) = members.next_value()?;
        }
        Ok(found)
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

/// Borrows strings; all else is left to [`StrictVisitor`].
struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        StrictVisitor.expecting(f)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Member<'de>, E> {
        StrictVisitor.visit_unit().map(Member::Other)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Member<'de>, E> {
        StrictVisitor.visit_bool(value).map(Member::Other)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Member<'de>, E> {
        StrictVisitor.visit_i64(value).map(Member::Other)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Member<'de>, E> {
        StrictVisitor.visit_u64(value).map(Member::Other)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Member<'de>, E> {
        StrictVisitor.visit_f64(value).map(Member::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Member<'de>, A::Error> {
        StrictVisitor.visit_seq(elements).map(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Member<'de>, A::Error> {
        StrictVisitor.visit_map(members).map(Member::Other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// A text that both readers take, or neither; and they find the same.
    fn check_named(text: &str) {
        let names = ["a", "b"];
        match (object(text.as_bytes()), named(text.as_bytes(), names)) {
            (Ok(whole), Ok(found)) => {
                for (name, found) in names.into_iter().zip(found) {
                    let found = found.map(|member| match member {
                        Member::Text(text) => Value::from(text),
                        Member::Other(value) => value,
                    });
                    assert_eq!(found.as_ref(), whole.get(name), "{text}");
                }
            }
            (Err(_), Err(_)) => {}
            (whole, found) => panic!("{text}: {whole:?} {found:?}"),
        }
    }

    #[test]
    fn members_are_found_and_the_rest_is_read_as_strictly() {
        for text in [
            r#"{"a":"x","b":1,"c":null}"#,
            r#"{"c":{"d":[1.5,true]},"b":"\u0041\n"}"#,
            r#"{"\u0061":"x"}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"c":1,"c":1}"#,
            r#"{"c":1,"\u0063":1}"#,
            r#"{"a":{"d":1,"d":2}}"#,
            r#"{"c":[{"d":1,"d":2}]}"#,
            r#"{"a":1} {}"#,
            r#"{"a":1}x"#,
            r#"{"a":1e999}"#,
            r#"{"c":1e999}"#,
            r#"{"a":"\ud800"}"#,
            r#"{1:2}"#,
            "[]",
            "null",
            "\"a\"",
            "1",
            "",
            "{",
        ] {
            check_named(text);
        }
        check_named(&format!(r#"{{"c":{}}}"#, "[".repeat(5_000)));
        let Ok([a, _]) = named(br#"{"a":"x","b":""}"#, ["a", "b"]) else { panic!() };
        assert!(matches!(a, Some(Member::Text(Cow::Borrowed("x")))), "not copied");
    }

    proptest! {
        #[test]
        fn both_readers_agree(text in r#"\{("[abc]":("[a\\u061]{0,6}"|-?[0-9.e]{1,4}|\[\]|\{"[ab]":1,"[ab]":2\}|null)[,}]){0,4}\}?"#) {
            check_named(&text);
        }
    }

    #[test]
    fn quoted_text_is_short_and_printable() {
        assert_eq!(shown("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(shown(&"x".repeat(1_000)).chars().count(), 121);
    }
}
