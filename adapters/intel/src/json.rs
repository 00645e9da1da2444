//! Lists in JSON, whole documents or one value a line, read without building them in memory: ranges of clouds
//! (AWS, Google, Azure, Oracle, Fastly), Spamhaus' DROP, abuse.ch, and databases of JA4.

use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::address::{Fault, endpoint};
use crate::networks::Range;
use crate::text::{Ja4, asn, ja4};

/// Values that take what is found.
pub trait Sink {
    fn range(&mut self, range: Range) -> Result<(), Full>;
    fn ja4(&mut self, ja4: Ja4) -> Result<(), Full>;
    fn asn(&mut self, asn: u32) -> Result<(), Full>;
    fn broken(&mut self, value: u64, text: &str);
    /// How many entries the list says that it has.
    fn said(&mut self, entries: u64);
}

/// The sink takes no more.
pub struct Full;

/// Reads every value; the error is that of the JSON, or says that the sink is full.
pub fn read<S: Sink>(reader: impl Read, sink: &mut S) -> Result<u64, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_reader(reader);
    let mut values = 0;
    loop {
        let mut walk = Walk { sink, values: &mut values, key: Key::Any, depth: 0, begun: false };
        match Seed(&mut walk).deserialize(&mut json) {
            Ok(()) => {}
            // Nothing came behind the last value.
            Err(error) if error.is_eof() && !walk.begun && values > 0 => return Ok(values),
            Err(error) => return Err(error),
        }
    }
}

/// By which name a value stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    /// None: at the top, or in a list there.
    Any,
    Address,
    Ja4,
    Asn,
    Records,
    Other,
}

impl Key {
    fn of(name: &str) -> Self {
        match name {
            "ip_prefix" | "ipv6_prefix" | "ipv4Prefix" | "ipv6Prefix" | "addressPrefixes" | "cidr"
            | "cidrs" | "prefix" | "network" | "ip" | "ip_address" | "ipAddress" | "dst_ip" | "addresses"
            | "ipv6_addresses" | "ipv4_cidrs" | "ipv6_cidrs" => Self::Address,
            "ja4" | "ja4_fingerprint" => Self::Ja4,
            "asn" | "as_number" => Self::Asn,
            "records" => Self::Records,
            _ => Self::Other,
        }
    }
}

struct Walk<'a, S> {
    sink: &'a mut S,
    /// Values that could have been an entry.
    values: &'a mut u64,
    key: Key,
    depth: u32,
    begun: bool,
}

struct Seed<'a, 'b, S>(&'a mut Walk<'b, S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Seed<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Seed<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(walk) = self;
        let outer = walk.key;
        walk.begin();
        walk.depth += 1;
        while let Some(key) = map.next_key_seed(KeyOf)? {
            walk.key = key;
            map.next_value_seed(Seed(walk))?;
        }
        walk.depth -= 1;
        walk.key = outer;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(walk) = self;
        walk.begin();
        let key = walk.key;
        while items.next_element_seed(Seed(walk))?.is_some() {
            walk.key = key;
        }
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let Self(walk) = self;
        walk.begin();
        walk.text(text).map_err(|Full| E::custom(FULL))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        let Self(walk) = self;
        walk.begin();
        walk.number(number).map_err(|Full| E::custom(FULL))
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.0.begin();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.0.begin();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.0.begin();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.begin();
        Ok(())
    }
}

/// What the error says when the sink is full.
pub const FULL: &str = "too many entries";

impl<S: Sink> Walk<'_, S> {
    fn begin(&mut self) {
        if self.depth == 0 && !self.begun {
            self.begun = true;
            *self.values += 1;
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Full> {
        let bytes = text.as_bytes();
        match self.key {
            // Empty where a database has none.
            Key::Address | Key::Ja4 | Key::Asn if text.is_empty() => Ok(()),
            Key::Address => match endpoint(bytes) {
                Ok(range) => self.sink.range(range),
                Err(_) => self.broken(text),
            },
            Key::Ja4 => match ja4(bytes) {
                Some(ja4) => self.sink.ja4(ja4),
                None => self.broken(text),
            },
            Key::Asn => match asn(bytes, true) {
                Some(asn) => self.sink.asn(asn),
                None => self.broken(text),
            },
            Key::Any => match (endpoint(bytes), ja4(bytes), asn(bytes, false)) {
                (Ok(range), ..) => self.sink.range(range),
                (Err(Fault::NotAnAddress), Some(ja4), _) => self.sink.ja4(ja4),
                (Err(Fault::NotAnAddress), None, Some(asn)) => self.sink.asn(asn),
                _ => self.broken(text),
            },
            Key::Records | Key::Other => Ok(()),
        }
    }

    fn number(&mut self, number: u64) -> Result<(), Full> {
        match self.key {
            Key::Records if self.depth == 1 => self.sink.said(number),
            Key::Asn | Key::Any => {
                if let Some(asn) = u32::try_from(number).ok().filter(|asn| *asn != 0) {
                    return self.sink.asn(asn);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn broken(&mut self, text: &str) -> Result<(), Full> {
        self.sink.broken(*self.values, text);
        Ok(())
    }
}

struct KeyOf;

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeyOf {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(Key::of(name))
    }
}
