use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{Found, What};

const A: VendorId = VendorId(Uuid::from_u128(1));
const B: VendorId = VendorId(Uuid::from_u128(2));

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn entropy() -> Entropy {
    let state = Mutex::new(7_u64);
    Arc::new(move |bytes: &mut [u8]| {
        let mut state = state.lock().unwrap();
        for byte in bytes {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 33) as u8;
        }
    })
}

fn open(folder: &Path) -> Documents {
    Documents::open(folder, RootKey::new([7; 32]), entropy(), Limits::default()).unwrap()
}

fn world() -> (tempfile::TempDir, Documents) {
    let folder = tempfile::tempdir().unwrap();
    let documents = open(&folder.path().join("documents"));
    (folder, documents)
}

fn paper(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

#[test]
fn what_is_put_is_got_and_lies_sealed() {
    let (folder, documents) = world();
    for bytes in [0, 1, seal::PIECE_BYTES - 1, seal::PIECE_BYTES, seal::PIECE_BYTES + 1, 300_000] {
        let document = paper(bytes);
        let stored = documents.put(A, "soc2_type_two", &document, now()).unwrap();
        assert!(stored.is_new && stored.bytes == bytes as u64);
        assert!(!documents.put(A, "soc2_type_two", &document, now()).unwrap().is_new);
        assert_eq!(documents.get(A, &stored.sha256).unwrap(), document);
        assert!(matches!(documents.get(B, &stored.sha256), Err(Error::Missing { .. })));
    }
    let marker = b"the auditor's own words, which nobody else may read";
    let stored = documents.put(A, "policy", marker, now()).unwrap();
    let lies = fs::read(documents.path(A, &stored.sha256)).unwrap();
    assert!(!lies.windows(12).any(|part| marker.starts_with(part)));
    let again = open(&folder.path().join("documents"));
    assert_eq!(again.get(A, &stored.sha256).unwrap(), marker);
    assert_eq!(again.list(A).unwrap().len(), 7);
    assert_eq!(again.list(A).unwrap().iter().filter(|listed| listed.kind == "policy").count(), 1);
    for name in ["", "../CHECK", "vendor.key", &"A".repeat(64), &"é".repeat(32)] {
        assert!(matches!(again.get(A, name), Err(Error::Name { .. })), "{name}");
    }
}

#[test]
fn one_byte_changed_in_a_stored_document_is_found() {
    let (_folder, documents) = world();
    let sha256 = documents.put(A, "policy", &paper(700), now()).unwrap().sha256;
    let path = documents.path(A, &sha256);
    let lies = fs::read(&path).unwrap();
    for place in 0..lies.len() {
        let mut changed = lies.clone();
        changed[place] ^= 1 << (place % 8);
        fs::write(&path, &changed).unwrap();
        assert!(matches!(documents.get(A, &sha256), Err(Error::Changed { .. })), "byte {place}");
    }
    for changed in [&lies[..lies.len() - 1], &lies[..3], &[], &[&lies[..], b"x"].concat()] {
        fs::write(&path, changed).unwrap();
        assert!(matches!(documents.get(A, &sha256), Err(Error::Changed { .. })));
    }
    let [found] = &documents.verify_all(&[]).unwrap()[..] else { panic!("one was changed") };
    assert!(found.sha256 == sha256 && matches!(found.what, What::Changed { .. }));
    // Putting the document again mends it.
    assert!(documents.put(A, "policy", &paper(700), now()).unwrap().is_new);
    assert_eq!(documents.verify_all(&[]).unwrap(), []);
}

#[test]
fn no_document_passes_for_another() {
    let (_folder, documents) = world();
    let one = documents.put(A, "policy", b"one", now()).unwrap().sha256;
    let other = documents.put(A, "policy", b"two", now()).unwrap().sha256;
    let of_b = documents.put(B, "policy", b"one", now()).unwrap().sha256;
    assert_eq!(one, of_b);
    let swap = |from: PathBuf, to: PathBuf| {
        let kept = fs::read(&to).unwrap();
        fs::copy(&from, &to).unwrap();
        kept
    };
    let kept = swap(documents.path(A, &other), documents.path(A, &one));
    assert!(matches!(documents.get(A, &one), Err(Error::Changed { .. })));
    fs::write(documents.path(A, &one), kept).unwrap();
    let kept = swap(documents.path(B, &of_b), documents.path(A, &one));
    assert!(matches!(documents.get(A, &one), Err(Error::Changed { .. })));
    fs::write(documents.path(A, &one), kept).unwrap();
    swap(documents.key_place(B), documents.key_place(A));
    assert!(matches!(documents.get(A, &one), Err(Error::Changed { .. })));
    assert!(matches!(documents.put(A, "policy", b"three", now()), Err(Error::Changed { .. })));
}

#[test]
fn another_key_is_told_at_the_start() {
    let (folder, documents) = world();
    documents.put(A, "policy", b"one", now()).unwrap();
    let other = Documents::open(
        &folder.path().join("documents"),
        RootKey::new([8; 32]),
        entropy(),
        Limits::default(),
    );
    assert!(matches!(other.err(), Some(Error::OtherKey)));
    assert_eq!(format!("{:?}", RootKey::new([8; 32])), "****");
}

#[test]
fn limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { document_bytes_max: 1_000, vendor_bytes_max: 3_000, vendor_documents_max: 3 };
    let documents = Documents::open(folder.path(), RootKey::new([7; 32]), entropy(), limits).unwrap();
    assert!(matches!(documents.put(A, "policy", &paper(1_001), now()), Err(Error::TooLong { .. })));
    documents.put(A, "policy", &paper(1_000), now()).unwrap();
    documents.put(A, "policy", &paper(999), now()).unwrap();
    assert!(matches!(documents.put(A, "policy", &paper(998), now()), Err(Error::VendorFull { .. })));
    documents.put(A, "policy", &paper(1), now()).unwrap();
    assert!(matches!(documents.put(A, "policy", &paper(2), now()), Err(Error::TooMany { documents: 3 })));
    // What is there already costs nothing.
    assert!(!documents.put(A, "policy", &paper(1), now()).unwrap().is_new);
    documents.put(B, "policy", &paper(2), now()).unwrap();
}

#[test]
fn shredding_destroys_the_key_and_stays_done() {
    let (folder, documents) = world();
    let root = folder.path().join("documents");
    let sha256 = documents.put(A, "policy", b"one", now()).unwrap().sha256;
    let of_b = documents.put(B, "policy", b"one", now()).unwrap().sha256;
    let (key, document) = (documents.key_place(A), documents.path(A, &sha256));
    let kept = (fs::read(&key).unwrap(), fs::read(&document).unwrap());
    documents.shred(A).unwrap();
    documents.shred(A).unwrap();
    assert!(matches!(documents.get(A, &sha256), Err(Error::Missing { .. })));
    assert!(matches!(documents.put(A, "policy", b"two", now()), Err(Error::Shredded { .. })));
    assert_eq!(documents.get(B, &of_b).unwrap(), b"one");
    // The documents alone, as a backup without keys would bring them, open nothing.
    fs::create_dir_all(documents.place(A)).unwrap();
    fs::write(&document, &kept.1).unwrap();
    assert!(matches!(documents.get(A, &sha256), Err(Error::Changed { .. })));
    // With the key they would; the mark takes both away again at the next start.
    fs::write(&key, &kept.0).unwrap();
    let again = open(&root);
    assert!(matches!(again.get(A, &sha256), Err(Error::Missing { .. })) && !key.exists());
}

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn failing(_: &'static str) -> io::Result<()> {
    LEFT.with(|left| match left.get() {
        0 => Err(io::Error::from(io::ErrorKind::StorageFull)),
        more => {
            left.set(more - 1);
            Ok(())
        }
    })
}

/// Ended before each step in turn, and started again: what was there is there, and nothing half.
#[test]
fn a_crash_between_any_two_steps_loses_nothing() {
    let mut ended = 0;
    for steps in 0..32 {
        let (folder, mut documents) = world();
        let root = folder.path().join("documents");
        let before = documents.put(A, "policy", b"before", now()).unwrap().sha256;
        documents.step = failing;
        LEFT.set(steps);
        let written = documents.put(B, "policy", b"after", now());
        let shredded = written.is_ok().then(|| documents.shred(A));
        LEFT.set(usize::MAX);
        // What a process that was killed would have left.
        fs::write(documents.place(A).with_extension("new"), "half").unwrap();
        drop(documents);
        let again = open(&root);
        match &written {
            Ok(stored) => assert_eq!(again.get(B, &stored.sha256).unwrap(), b"after"),
            Err(error) => {
                assert!(matches!(error, Error::DiskFull { .. }), "{error}");
                assert_eq!(again.get(A, &before).unwrap(), b"before");
                assert!(again.list(B).unwrap().is_empty());
                assert!(again.put(B, "policy", b"after", now()).is_ok());
                ended += 1;
            }
        }
        let begun = shred::is_shredded(&again, A);
        match shredded {
            Some(Ok(())) => assert!(begun),
            Some(Err(_)) => ended += 1,
            None => assert!(!begun),
        }
        // Shredded wholly or not at all.
        assert_eq!(again.get(A, &before).is_ok(), !begun, "{steps}");
        assert_eq!(again.place(A).exists(), !begun, "{steps}");
        assert_eq!(again.verify_all(&[]).unwrap(), [], "{steps}");
        assert!(names(&root).unwrap().iter().all(|name| !name.ends_with(".new")));
    }
    assert!(ended > 10, "{ended} steps were ended");
}

#[test]
fn what_should_be_there_and_is_not_is_found() {
    let (_folder, documents) = world();
    let sha256 = documents.put(A, "policy", b"one", now()).unwrap().sha256;
    let expected = [(A, sha256.clone()), (B, sha256.clone())];
    let missing = Found { vendor: B, sha256: sha256.clone(), what: What::Missing };
    assert_eq!(documents.verify_all(&expected).unwrap(), [missing]);
    assert!(documents.remove(A, &sha256).unwrap() && !documents.remove(A, &sha256).unwrap());
    assert_eq!(documents.verify_all(&expected).unwrap().len(), 2);
}

#[test]
fn kinds_are_kept_as_long_as_they_are_to_be() {
    let (_folder, documents) = world();
    let old = documents.put(A, "questionnaire", b"old", now()).unwrap().sha256;
    let needed = documents.put(A, "questionnaire", b"needed", now()).unwrap().sha256;
    let other = documents.put(A, "policy", b"other", now()).unwrap().sha256;
    let day = SignedDuration::from_hours(24);
    let retention = |kind: &str| (kind == "questionnaire").then_some(day * 30);
    let is_needed = |_: VendorId, sha256: &str| sha256 == needed;
    let expire = |later: SignedDuration| documents.expire(now() + later, &retention, &is_needed).unwrap();
    assert_eq!(expire(day * 30), []);
    assert_eq!(expire(day * 31), [(A, old.clone())]);
    assert_eq!(expire(day * 3_000), []);
    assert!(documents.get(A, &old).is_err() && documents.get(A, &other).is_ok());
    assert!(documents.get(A, &needed).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against a map.
    #[test]
    fn it_is_a_map(orders in proptest::collection::vec((0_u8..4, 0_u8..2, 0_usize..4), 1..24)) {
        let (_folder, documents) = world();
        let mut model: BTreeMap<(VendorId, String), Vec<u8>> = BTreeMap::new();
        let mut shredded = Vec::new();
        for (order, vendor, number) in orders {
            let vendor = if vendor == 0 { A } else { B };
            let document = paper(number * 40_000);
            let sha256 = hex(digest(&SHA256, &document).as_ref());
            match order {
                0 | 1 => {
                    let put = documents.put(vendor, "policy", &document, now());
                    prop_assert_eq!(put.is_ok(), !shredded.contains(&vendor));
                    if put.is_ok() {
                        model.insert((vendor, sha256), document);
                    }
                }
                2 => {
                    let was_there = documents.remove(vendor, &sha256).unwrap();
                    prop_assert_eq!(was_there, model.remove(&(vendor, sha256)).is_some());
                }
                _ if number == 0 => {
                    documents.shred(vendor).unwrap();
                    shredded.push(vendor);
                    model.retain(|(of, _), _| *of != vendor);
                }
                _ => {}
            }
            for vendor in [A, B] {
                let listed: Vec<_> = documents.list(vendor).unwrap().into_iter().map(|l| l.sha256).collect();
                let expected: Vec<_> =
                    model.keys().filter(|(of, _)| *of == vendor).map(|(_, sha256)| sha256.clone()).collect();
                prop_assert_eq!(listed, expected);
            }
        }
        for ((vendor, sha256), document) in &model {
            prop_assert_eq!(&documents.get(*vendor, sha256).unwrap(), document);
        }
    }
}
