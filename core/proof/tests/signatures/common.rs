//! Documents that pyHanko and jwcrypto have signed for invented firms; `tests/evidence/make.py` writes them.

use std::path::PathBuf;

use portcullis_proof::{AuditorKey, Roots, Trust};

pub fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/signatures/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn roots(name: &str) -> Roots {
    Roots::parse(&fixture(name)).unwrap()
}

pub fn key(name: &str) -> AuditorKey {
    AuditorKey::parse("Thistlewood", &String::from_utf8(fixture(name)).unwrap()).unwrap()
}

/// Later than the documents, and before the certificates end.
pub fn trust<'a>(keys: &'a [AuditorKey], roots: &'a Roots) -> Trust<'a> {
    Trust { keys, roots, at: "2027-01-01T00:00:00Z".parse().unwrap() }
}

/// File and what must come out.
pub fn expected(ending: &str) -> Vec<(String, String)> {
    let all: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&fixture("expected.json")).unwrap();
    let named = all.into_iter().filter(|(name, _)| name.ends_with(ending));
    named.map(|(name, outcome)| (name, outcome.as_str().unwrap().to_owned())).collect()
}
