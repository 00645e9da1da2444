//! PDF signatures that pyHanko has made.

use crate::common::{expected, fixture, roots, trust};
use portcullis_assurance::evidence::{ProofForm, ProofOutcome};
use portcullis_proof::pdf::{PdfError, Report, verify};
use portcullis_proof::{Roots, Verdict};

fn outcome(verified: &Result<Report, PdfError>) -> &'static str {
    match verified {
        Ok(report) => match report.verdict.outcome() {
            ProofOutcome::Valid => "valid",
            ProofOutcome::UnknownSigner => "unknown_signer",
            ProofOutcome::Invalid => "invalid",
        },
        Err(PdfError::Unsigned) => "unsigned",
        Err(PdfError::Encrypted) => "encrypted",
        Err(_) => "error",
    }
}

fn report(name: &str) -> Report {
    let roots = roots("root.pem");
    verify(&fixture(name), &trust(&[], &roots)).unwrap()
}

#[test]
fn each_document_is_judged_as_it_should_be() {
    let roots = roots("root.pem");
    let documents = expected(".pdf");
    assert!(documents.len() > 12);
    for (name, wanted) in documents {
        let verified = verify(&fixture(&name), &trust(&[], &roots));
        assert_eq!(outcome(&verified), wanted, "{name}: {verified:?}");
    }
}

#[test]
fn a_valid_one_names_its_signer_and_the_chain() {
    let report = report("rsa.pdf");
    let Verdict::Valid(signer) = &report.verdict else { panic!("{report:?}") };
    assert!(signer.name.contains("Thistlewood Audit LLP"), "{}", signer.name);
    assert_eq!(signer.chain.len(), 2, "{:?}", signer.chain);
    assert!(signer.chain[1].contains("Vellacott Trust Services Root"));
    assert!(signer.signed_at.is_some());
    let [signature] = report.signatures.as_slice() else { panic!("{report:?}") };
    assert!(signature.covers_whole && signature.form == "adbe.pkcs7.detached");
    let at = "2027-01-01T00:00:00Z".parse().unwrap();
    let proof = report.verdict.proof(ProofForm::Pdf, at);
    assert_eq!((proof.form, proof.outcome, proof.at), (ProofForm::Pdf, ProofOutcome::Valid, at));
    assert!(proof.detail.starts_with("signed by `"), "{}", proof.detail);
}

#[test]
fn what_is_wrong_is_said() {
    let check = |name: &str, part: &str| {
        let detail = report(name).verdict.detail();
        assert!(detail.contains(part), "{name}: {detail}");
    };
    check("updated.pdf", "bytes were added to the document after it was signed");
    check("stranger.pdf", "doesn't lead to a known root");
    check("expired.pdf", "has expired at 2026-05-22");
    check("for_servers.pdf", "isn't for signing documents");
    check("for_keys.pdf", "isn't for signing documents");
    check("further.pdf", "has signed only the first");
    check("changed_between.pdf", "has signed only the first");
    check("two.pdf", "has signed its first");
}

#[test]
fn no_root_and_a_signers_own_certificate_as_root() {
    let none = Roots::default();
    let document = fixture("ecdsa.pdf");
    assert_eq!(outcome(&verify(&document, &trust(&[], &none))), "unknown_signer");
    let pinned = roots("leaf.pem");
    assert_eq!(outcome(&verify(&document, &trust(&[], &pinned))), "valid");
    assert_eq!(outcome(&verify(&fixture("rsa.pdf"), &trust(&[], &pinned))), "unknown_signer");
    let early =
        portcullis_proof::Trust { at: "2010-01-01T00:00:00Z".parse().unwrap(), ..trust(&[], &pinned) };
    assert_eq!(outcome(&verify(&document, &early)), "unknown_signer");
}

/// Whatever byte is changed: never valid. Within the signature's own value, which can't cover itself, some bytes say
/// nothing (the case of a digit, a number of a version); then the same is proven of the same bytes, and nothing else.
#[test]
fn one_byte_changed_anywhere_is_never_valid() {
    let roots = roots("root.pem");
    for (name, every) in [("ecdsa.pdf", 1), ("rsa.pdf", 5), ("pss.pdf", 7), ("two.pdf", 7)] {
        let document = fixture(name);
        let whole = verify(&document, &trust(&[], &roots)).unwrap();
        assert_eq!(whole.verdict.outcome(), ProofOutcome::Valid);
        let padding = padding(&document);
        let (mut judged, mut same) = (0, 0);
        for place in (0..document.len()).step_by(every) {
            if padding.contains(&place) && place % 64 != 0 {
                continue;
            }
            let mut changed = document.clone();
            changed[place] ^= 1 << (place % 8);
            judged += 1;
            let verified = verify(&changed, &trust(&[], &roots));
            if outcome(&verified) == "valid" {
                assert!(in_value(&document, place), "{name}: byte {place}: {verified:?}");
                assert_eq!(verified.unwrap(), whole, "{name}: byte {place}");
                same += 1;
            }
        }
        assert!(judged > 500 && same * 4 < judged, "{name}: {same} of {judged}");
    }
}

/// The zeros that fill the place of the last value.
fn padding(document: &[u8]) -> std::ops::Range<usize> {
    let zeros = memchr::memmem::rfind(document, &[b'0'; 512]).unwrap();
    let start = document[..zeros].iter().rposition(|byte| *byte != b'0').unwrap() + 1;
    start..zeros + 512
}

fn in_value(document: &[u8], place: usize) -> bool {
    let start = document[..place].iter().rposition(|byte| !byte.is_ascii_hexdigit());
    start.is_some_and(|start| document[start] == b'<')
}

#[test]
fn bytes_added_or_taken_away_are_never_valid() {
    let roots = roots("root.pem");
    let document = fixture("rsa.pdf");
    let judge = |document: &[u8]| outcome(&verify(document, &trust(&[], &roots)));
    for count in 1..60 {
        assert_ne!(judge(&document[..document.len() - count]), "valid", "{count}");
    }
    for added in ["\n", " ", "%", "%%EOF\n", "1 0 obj\n<</Type/Catalog>>\nendobj\n"] {
        assert_eq!(judge(&[&document, added.as_bytes()].concat()), "invalid", "{added}");
        assert_ne!(judge(&[added.as_bytes(), &document].concat()), "valid", "{added}");
    }
}

/// Published tricks: the signed bytes stay, and another reading of them is slipped in (Mladenov et al., 2019).
#[test]
fn wrapped_and_doubled_signatures_are_never_valid() {
    let roots = roots("root.pem");
    let document = fixture("rsa.pdf");
    let text = String::from_utf8_lossy(&document).into_owned();
    let at = text.find("/ByteRange").unwrap();
    let end = at + text[at..].find(']').unwrap() + 1;
    let range = &text[at..end];
    let numbers: Vec<usize> = range[range.find('[').unwrap() + 1..range.len() - 1]
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    let [zero, length, second, rest] = numbers[..] else { panic!("{range}") };
    let judge = |document: &[u8]| outcome(&verify(document, &trust(&[], &roots)));
    // Another range of the same length of text, as far as that can be had.
    let replaced = |with: String| {
        let padded = format!("{with:<width$}", width = range.len());
        assert!(padded.len() == range.len(), "{padded}");
        [&document[..at], padded.as_bytes(), &document[end..]].concat()
    };
    for with in [
        format!("/ByteRange [{zero} {length} {second}]"),
        format!("/ByteRange [1 {} {second} {rest}]", length - 1),
        format!("/ByteRange [{zero} {} {second} {rest}]", length - 1),
        format!("/ByteRange [{zero} {length} {} {}]", second + 9, rest - 9),
        format!("/ByteRange [{zero} {length} {second} {}]", rest - 1),
        format!("/ByteRange [{zero} {length} {second} -1]"),
        "/ByteRange []".to_owned(),
        "/ByteRange null".to_owned(),
    ] {
        assert_ne!(judge(&replaced(with.clone())), "valid", "{with}");
    }
    // Signature wrapping: the signed second part moved behind what an attacker brings.
    let attack = b"9 0 obj\n<</Type/Catalog/Pages 10 0 R>>\nendobj\n";
    let moved = [&document[..second], attack, &document[second..]].concat();
    let wrapped = String::from_utf8_lossy(&moved).replacen(
        &format!("{second} {rest}]"),
        &format!("{} {rest}]", second + attack.len()),
        1,
    );
    assert_ne!(judge(wrapped.as_bytes()), "valid");
    // A second range or value in the same dictionary.
    let doubled = text.replacen("/ByteRange", "/ByteRange [0 1 2 3] /ByteRange", 1);
    assert_eq!(judge(doubled.as_bytes()), "invalid");
    // A signature that says nothing is put behind a good one.
    let empty =
        b"\n99 0 obj\n<</Type/Sig/SubFilter/adbe.pkcs7.detached/ByteRange[0 0 0 0]/Contents<>>>\nendobj\n";
    assert_eq!(judge(&[&document, &empty[..]].concat()), "invalid");
}

#[test]
fn what_is_no_signed_pdf_is_a_clear_error() {
    let none = Roots::default();
    let judge = |document: &[u8]| verify(document, &trust(&[], &none));
    assert_eq!(judge(b"").unwrap_err(), PdfError::NotPdf);
    assert_eq!(judge(b"PK\x03\x04").unwrap_err(), PdfError::NotPdf);
    assert_eq!(judge(b"%PDF-1.7\n").unwrap_err(), PdfError::Unsigned);
    let long = vec![b' '; portcullis_proof::DOCUMENT_BYTES_MAX + 1];
    assert!(matches!(judge(&long), Err(PdfError::TooLong { .. })));
    // Names may be written with escapes.
    let hidden = b"%PDF-1.7\ntrailer <</Size 1 /#45ncrypt 5 0 R>>";
    assert_eq!(judge(hidden).unwrap_err(), PdfError::Encrypted);
    let old = "%PDF-1.7\n1 0 obj <</ByteRange[0 70 72 3]/SubFilter/adbe.pkcs7.sha1 /Contents<>>> endobj";
    let at = old.find("<>").unwrap();
    let old = old.replace("0 70 72 3", &format!("0 {at} {} {}", at + 2, old.len() - at - 2));
    assert!(
        matches!(judge(old.as_bytes()), Err(PdfError::Unsupported { .. })),
        "{:?}",
        judge(old.as_bytes())
    );
    let many = format!("%PDF-1.7\n{}", "1 0 obj <</ByteRange[]>> endobj\n".repeat(40));
    assert_eq!(judge(many.as_bytes()).unwrap_err(), PdfError::TooMany);
}

/// What can't be read must not be read again and again without an end.
#[test]
fn a_document_that_is_built_to_be_slow_is_refused() {
    let none = Roots::default();
    for part in [
        "1 0 obj<<",
        "1 0 obj[",
        "1 0 obj(",
        "1 0 obj<</A",
        "1 0 obj<0",
        "1 0 obj<<>>stream\n",
        "1 0 obj[1 0 ",
        "trailer<<",
        "1 0 obj %",
        "obj",
    ] {
        let document = format!("%PDF-1.7\n{}", part.repeat(50_000));
        let verified = verify(document.as_bytes(), &trust(&[], &none));
        assert!(matches!(verified, Err(PdfError::TooComplex | PdfError::Unsigned)), "{part}: {verified:?}");
    }
}
