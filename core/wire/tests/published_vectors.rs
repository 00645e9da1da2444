//! The hellos of the shared vectors, with the fingerprints published for them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says when it skips"
)]

use std::path::PathBuf;

use portcullis_wire::WireError;
use portcullis_wire::client_hello::{Assembler, ClientHello, Progress};
use portcullis_wire::ja4::{context_key, ja4};
use proptest::prelude::*;

#[test]
fn every_vector_agrees() {
    for (records, expect) in vectors() {
        let hello = ClientHello::parse(&assemble(&records, records.len()).unwrap()).unwrap();
        assert_eq!(ja4(&hello).as_str(), expect);
        // The context key differs from JA4 exactly when the client sent an extension it leaves out.
        let left_out = [0x0015, 0x0023, 0x0029, 0x002a].iter().any(|&kind| hello.has_extension(kind));
        assert_eq!(context_key(&hello) != ja4(&hello), left_out);
    }
}

#[test]
fn any_fragmentation_gives_the_same_hello() {
    for (records, _) in vectors() {
        let whole = assemble(&records, records.len()).unwrap();
        for push_bytes in [1, 2, 5, 7, 100] {
            assert_eq!(assemble(&records, push_bytes).unwrap(), whole);
        }
        for fragment_bytes in [1, 3, 4, 50, 200] {
            let fragmented: Vec<u8> = whole.chunks(fragment_bytes).flat_map(record).collect();
            assert_eq!(assemble(&fragmented, 11).unwrap(), whole);
        }
    }
}

#[test]
fn every_truncation_needs_more_or_is_malformed() {
    for (records, _) in vectors() {
        let message = assemble(&records, records.len()).unwrap();
        for length in 0..records.len() {
            assert_eq!(Assembler::new().push(&records[..length]), Ok(Progress::NeedMore));
        }
        for length in 0..message.len() {
            assert!(ClientHello::parse(&message[..length]).is_err());
        }
    }
}

proptest! {
    #[test]
    fn a_mutated_hello_never_panics(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        push_bytes in 1_usize..600,
    ) {
        let vectors = vectors();
        if !vectors.is_empty() {
            let mut records = which.get(&vectors).0.clone();
            for (place, value) in changes {
                let place = place.index(records.len());
                records[place] = value;
            }
            if let Ok(message) = assemble(&records, push_bytes)
                && let Ok(hello) = ClientHello::parse(&message) {
                prop_assert!(ja4(&hello).as_str().parse::<portcullis_wire::ja4::Ja4>().is_ok());
                prop_assert_eq!(context_key(&hello).as_str().len(), 36);
            }
        }
    }
}

fn assemble(bytes: &[u8], push_bytes: usize) -> Result<Vec<u8>, WireError> {
    let mut assembler = Assembler::new();
    for part in bytes.chunks(push_bytes) {
        if let Progress::Complete(message) = assembler.push(part)? {
            return Ok(message);
        }
    }
    Err(WireError::NotTls)
}

fn record(body: &[u8]) -> Vec<u8> {
    let mut record = vec![22, 3, 1];
    record.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend_from_slice(body);
    record
}

fn vectors() -> Vec<(Vec<u8>, String)> {
    let shared = std::env::var_os("PORTCULLIS_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("vectors/ja4/client_hello.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is absent", path.display());
        return Vec::new();
    };
    let vectors: Vec<_> = text
        .lines()
        .map(|line| {
            let hex = value(line, "client_hello_records_hex");
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            (hex.as_bytes().chunks(2).map(byte).collect(), value(line, "ja4").to_owned())
        })
        .collect();
    assert!(!vectors.is_empty());
    vectors
}

/// The string under a key; the lines are flat objects of plain strings.
fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{key}\": \"")).unwrap();
    rest.split_once('"').unwrap().0
}
