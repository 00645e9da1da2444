//! A document of a stranger with signatures inside: judged or refused, never a panic, and never valid unless signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_proof::pdf::{SIGNATURES_MAX, verify};
use portcullis_proof::{Roots, Trust, Verdict};

/// Seeds are documents that this root's signers have signed: what is changed in them must not stay valid, unless all
/// that was signed is as it was.
static ROOTS: LazyLock<Roots> = LazyLock::new(|| {
    Roots::parse(include_bytes!("../../core/proof/tests/signatures/fixtures/root.pem")).unwrap()
});
static SIGNED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    [
        &include_bytes!("../../core/proof/tests/signatures/fixtures/ecdsa.pdf")[..],
        include_bytes!("../../core/proof/tests/signatures/fixtures/rsa.pdf"),
        include_bytes!("../../core/proof/tests/signatures/fixtures/pss.pdf"),
        include_bytes!("../../core/proof/tests/signatures/fixtures/cades.pdf"),
        include_bytes!("../../core/proof/tests/signatures/fixtures/two.pdf"),
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
});

fuzz_target!(|input: (u8, Vec<(u16, u8)>, &[u8])| {
    let (choice, changes, bytes) = input;
    let trust = Trust { keys: &[], roots: &ROOTS, at: "2027-01-01T00:00:00Z".parse().unwrap() };
    if let Ok(report) = verify(bytes, &trust) {
        assert!(report.signatures.len() <= SIGNATURES_MAX);
    }
    let original = &SIGNED[usize::from(choice) % SIGNED.len()];
    let mut changed = original.clone();
    for (place, with) in &changes {
        let place = usize::from(*place) % changed.len();
        changed[place] = *with;
    }
    if let Ok(report) = verify(&changed, &trust)
        && let Verdict::Valid(_) = report.verdict
    {
        let outside = |document: &[u8]| {
            // The last value is the only part that may differ.
            let start = document.windows(512).rposition(|part| part.iter().all(|byte| *byte == b'0')).unwrap_or(0);
            let open = document[..start].iter().rposition(|byte| *byte == b'<').unwrap_or(0);
            let close = start + document[start..].iter().position(|byte| *byte == b'>').unwrap_or(0);
            (document[..open].to_vec(), document[close..].to_vec())
        };
        assert_eq!(outside(&changed), outside(original));
    }
});
