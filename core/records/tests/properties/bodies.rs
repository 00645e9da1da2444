//! Strategies for bodies, pointers and chunk sizes.

use proptest::collection::{hash_map, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use crate::Body;
use crate::json_text::{Seed, write_documents};
use crate::line_text::{events_of, lines_of, rows_of};

const KEYS: [&str; 7] = ["data", "a", "b", "0", "1", "é\"", "😀["];

fn documents() -> impl Strategy<Value = Vec<Value>> {
    vec(value(), 0..4)
}

fn pointer() -> impl Strategy<Value = String> {
    let step = select(&["data", "a", "b", "0", "1", "é\"", "😀[", "2", "-"][..]);
    vec(step, 0..4).prop_map(|steps| steps.iter().map(|step| format!("/{step}")).collect())
}

/// Documents in a random spelling.
pub fn json_body() -> impl Strategy<Value = (Vec<Value>, Body)> {
    (documents(), any::<u64>()).prop_map(|(documents, seed)| {
        let body = write_documents(&documents, None, Seed(seed));
        (documents, body)
    })
}

/// A pointer, mostly to an array of the documents, and the documents with the records it finds.
pub fn pointed_body() -> impl Strategy<Value = (String, Vec<Value>, Body)> {
    (documents(), pointer(), any::<u8>(), any::<Index>(), any::<u64>()).prop_map(
        |(documents, random, choice, index, seed)| {
            let mut arrays = Vec::new();
            documents.iter().for_each(|document| add_arrays(document, String::new(), &mut arrays));
            let pointer = if choice < 32 || arrays.is_empty() { random } else { index.get(&arrays).clone() };
            let body = write_documents(&documents, Some(&pointer), Seed(seed));
            (pointer, documents, body)
        },
    )
}

fn add_arrays(value: &Value, here: String, arrays: &mut Vec<String>) {
    match value {
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                add_arrays(element, format!("{here}/{place}"), arrays);
            }
            arrays.push(here);
        }
        Value::Object(members) => {
            for (key, member) in members {
                add_arrays(member, format!("{here}/{key}"), arrays);
            }
        }
        _ => {}
    }
}

pub fn lines_body() -> impl Strategy<Value = Body> {
    line_text().prop_map(|text| Body { records: lines_of(&text), text })
}

pub fn events_body() -> impl Strategy<Value = Body> {
    line_text().prop_map(|text| Body { records: events_of(&text), text })
}

/// CSV, mostly with quotes where they may be, and whether a quoted field is left open.
pub fn rows_body() -> impl Strategy<Value = (Body, bool)> {
    let field =
        select(&["", "a", "1 2", "é", "\"\"", "\"a\nb\"", "\"\"\"\r\n\"", "\",\"", "\"a\rb\"\"\""][..]);
    let part = prop_oneof![
        24 => (field, select(&[",", ",", "\n", "\r\n", "\r"][..])).prop_map(|(field, end)| format!("{field}{end}")),
        1 => select(&["\n", "\r", "\"", "\"\"", ";", "a\"", "\u{feff}"][..]).prop_map(str::to_owned),
    ];
    (any::<bool>(), vec(part, 0..100)).prop_map(|(marked, parts)| {
        let text = format!("{}{}", if marked { "\u{feff}" } else { "" }, parts.concat());
        let (records, is_open) = rows_of(&text);
        (Body { text, records }, is_open)
    })
}

pub fn chunk_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), vec(1..4_usize, 1..20), vec(1..80_usize, 1..20)]
}

fn line_text() -> impl Strategy<Value = String> {
    let part = select(&["\n", "\n", "\r", "\r\n", " ", "\t", ":", "data: 1", "{\"a\":1}", "é"][..]);
    (any::<bool>(), vec(part, 0..40))
        .prop_map(|(marked, parts)| format!("{}{}", if marked { "\u{feff}" } else { "" }, parts.concat()))
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            hash_map(select(&KEYS[..]), inner, 0..5).prop_map(|members| {
                Value::Object(
                    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>(),
                )
            }),
        ]
    })
}

/// Short texts full of what matters to JSON, and long ones.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        select(&['"', '\\', '[', ']', '{', '}', ',', ':', '\n', '\0', 'é', '😀'][..]),
        any::<char>()
    ];
    let long =
        (0..200_usize, letter.clone()).prop_map(|(length, last)| format!("{}{last}", "x".repeat(length)));
    prop_oneof![3 => vec(letter, 0..8).prop_map(String::from_iter), 1 => long]
}
