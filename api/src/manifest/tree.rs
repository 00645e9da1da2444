//! A document as a tree in which every value knows its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Where something stands. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Tree,
}

#[derive(Clone, Debug)]
pub enum Tree {
    Null,
    /// As YAML types it, and as it was written: `registry_number: 0815` is meant as text.
    Scalar(Scalar, String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

#[derive(Clone, Copy, Debug)]
pub enum Scalar {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

impl Member {
    /// Where an error about the member points: at a scalar itself, but at the key of anything that
    /// may begin on a later line.
    pub fn place(&self) -> Place {
        match self.node.value {
            Tree::Scalar(..) => self.node.place,
            _ => self.key_place,
        }
    }
}

impl Node {
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Tree::Map(members) => members,
            _ => &[],
        }
    }

    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    /// The place that an RFC 6901 pointer means, or the nearest one above it that is there.
    pub fn locate(&self, pointer: &str) -> Option<Place> {
        let rest = match pointer.strip_prefix('/') {
            None if pointer.is_empty() => return Some(self.place),
            None => return None,
            Some(rest) => rest,
        };
        let (mut node, mut place) = (self, self.place);
        for token in rest.split('/') {
            let token = token.replace("~1", "/").replace("~0", "~");
            match &node.value {
                Tree::Map(_) => {
                    let Some(member) = node.member(&token) else { break };
                    (node, place) = (&member.node, member.place());
                }
                Tree::List(items) => {
                    let item = token.parse::<usize>().ok().and_then(|index| items.get(index));
                    let Some(item) = item else { break };
                    (node, place) = (item, item.place);
                }
                Tree::Null | Tree::Scalar(..) => break,
            }
        }
        Some(place)
    }

    /// Takes over what the parser has read; `text` is the whole file, for scalars as they were written.
    pub fn new(read: Spanned<Read>, text: &str) -> Self {
        let written = |location: Location| {
            let span = location.span();
            let start = usize::try_from(span.byte_offset()?).ok()?;
            let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
            text.get(start..end).map(|written| written.trim().to_owned())
        };
        let value = match read.value {
            Read::Null => Tree::Null,
            Read::Scalar(scalar, shown) => Tree::Scalar(scalar, written(read.defined).unwrap_or(shown)),
            Read::Text(content) => Tree::Scalar(Scalar::Text, content),
            Read::List(items) => Tree::List(items.into_iter().map(|item| Self::new(item, text)).collect()),
            Read::Map(members) => Tree::Map(
                members
                    .into_iter()
                    .map(|(key, value)| Member {
                        key_place: place(key.referenced),
                        key: key.value,
                        node: Self::new(value, text),
                    })
                    .collect(),
            ),
        };
        Self { place: place(read.referenced), value }
    }
}

pub fn place(location: Location) -> Place {
    Place { line: location.line(), column: location.column() }
}

/// What the YAML parser delivers, before scalars are looked up in the text.
pub enum Read {
    Null,
    Scalar(Scalar, String),
    Text(String),
    List(Vec<Spanned<Read>>),
    Map(Vec<(Spanned<String>, Spanned<Read>)>),
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadVisitor)
    }
}

struct ReadVisitor;

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Null)
    }

    fn visit_none<E>(self) -> Result<Read, E> {
        Ok(Read::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        Read::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read, E> {
        Ok(Read::Scalar(Scalar::Bool(value), value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Read, E> {
        Ok(Read::Scalar(Scalar::Unsigned(value), value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Read, E> {
        let scalar = u64::try_from(value).map_or(Scalar::Signed(value), Scalar::Unsigned);
        Ok(Read::Scalar(scalar, value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Read, E> {
        Ok(Read::Scalar(Scalar::Float(value as f64), value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Read, E> {
        Ok(Read::Scalar(Scalar::Float(value as f64), value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Read, E> {
        Ok(Read::Scalar(Scalar::Float(value), value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Read, E> {
        Ok(Read::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Read, E> {
        Ok(Read::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Read, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Read::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Read, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            members.push(entry);
        }
        Ok(Read::Map(members))
    }
}
