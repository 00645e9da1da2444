//! What must not be read: each an error that names its place, none of them a shorter list.

use std::io::Read as _;

use jiff::Timestamp;
use portcullis_assurance::sources::{SourceError, cyclonedx, gleif, golden_copy, kev, lists, ofac, osv};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn other_formats_are_named() {
    for (bytes, expected) in [
        (&b"<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aa\">]><bom>&a;</bom>"[..], "XML or HTML"),
        (b"\xef\xbb\xbf<html>rate limited</html>", "XML or HTML"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\x1f\x8b\x08rest", "a gzip file"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x00\x01\x02", "a binary file"),
    ] {
        for error in [
            gleif::records(bytes, AT).err(),
            kev::read(bytes).err(),
            osv::read(bytes).err(),
            cyclonedx::read(bytes).err(),
            ofac::entries(bytes).err(),
            lists::open_sanctions(bytes).err(),
        ] {
            let text = error.unwrap().to_string();
            assert!(text.contains(expected) && text.contains("hint:"), "{text}");
        }
    }
}

#[test]
fn wrong_values_name_their_entry() {
    let record = |lei: &str, formed: &str, status: &str| {
        let json = format!(
            r#"{{"data":{{"attributes":{{"lei":"{lei}","entity":{{"legalName":{{"name":"Tarn"}},"status":"ACTIVE","creationDate":{formed}}},"registration":{{"status":"{status}"}}}}}}}}"#
        );
        gleif::records(json.as_bytes(), AT).map_err(|error| error.to_string())
    };
    let good = "529900T8BM49AURSDO55";
    assert!(record(good, "null", "ISSUED").is_ok());
    for (lei, formed, status, expected) in [
        ("529900T8BM49AURSDO56", "null", "ISSUED", "55 would be expected"),
        (good, "\"2023-02-29T00:00:00Z\"", "ISSUED", "there is no day `2023-02-29T00:00:00Z`"),
        (good, "\"yesterday\"", "ISSUED", "there is no day"),
        (good, "null", "GREAT", "`GREAT` is no status"),
    ] {
        let error = record(lei, formed, status).unwrap_err();
        assert!(error.contains(expected) && error.contains(lei), "{error}");
    }
    let catalogue = |id: &str, day: &str, count: usize| {
        let json = format!(
            r#"{{"catalogVersion":"1","dateReleased":"2026-11-01T00:00:00Z","count":{count},"vulnerabilities":[{{"cveID":"{id}","vendorProject":"a","product":"b","vulnerabilityName":"c","dateAdded":"{day}"}}]}}"#
        );
        kev::read(json.as_bytes())
    };
    assert!(catalogue("CVE-2026-0001", "2024-02-29", 1).is_ok());
    assert!(matches!(catalogue("CVE-2026-0001", "2025-02-29", 1), Err(SourceError::Entry { .. })));
    assert!(matches!(catalogue("CVE-26-1", "2025-02-28", 1), Err(SourceError::Entry { .. })));
    assert_eq!(
        catalogue("CVE-2026-0001", "2025-02-28", 2),
        Err(SourceError::CutOff { of: "KEV", expected: 2, found: 1 })
    );
}

#[test]
fn truncated_files_are_no_shorter_files() {
    let row = "36,\"TARN, LTD\",-0-,CUBA,-0-,-0-,-0-,-0-,-0-,-0-,-0-,-0-\n";
    let file = format!("{row}{}", row.replace("36", "37"));
    assert_eq!(ofac::entries(file.as_bytes()).unwrap().entries.len(), 2);
    // At the end of a row there is no telling.
    for end in (row.len() + 1..file.len() - 4).filter(|end| *end != row.len()) {
        let error = ofac::entries(&file.as_bytes()[..end]).unwrap_err();
        assert!(matches!(error, SourceError::Line { .. }), "{end}: {error}");
    }
    let error = osv::read(b"[{\"id\": \"GHSA-1\",\n \"summ").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("ends in the middle"), "{error}");
}

#[test]
fn what_is_huge_or_deep_ends_early() {
    // A row without an end, from a source without an end.
    let endless = std::io::repeat(b'a').take(1 << 40);
    let head = "LEI,Entity.LegalName,Entity.EntityStatus,Registration.RegistrationStatus\n".as_bytes();
    let error = golden_copy::records(head.chain(endless), &[].into(), AT).unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error}");
    let open_quote = std::io::repeat(b'"').take(1 << 40);
    assert!(golden_copy::records(head.chain(&b"\"a\n"[..]).chain(open_quote), &[].into(), AT).is_err());

    let deep = "[".repeat(100_000);
    assert!(gleif::records(deep.as_bytes(), AT).is_err());
    let mut nested = r#"{"name":"a"}"#.to_owned();
    for _ in 0..30 {
        nested = format!(r#"{{"name":"a","components":[{nested}]}}"#);
    }
    let bill = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{nested}]}}"#);
    let error = cyclonedx::read(bill.as_bytes()).unwrap_err();
    assert!(matches!(error, SourceError::TooMany { .. }), "{error}");

    let text = "x".repeat(5_000);
    let bill =
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"name":"{text}"}}]}}"#);
    let error = cyclonedx::read(bill.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("5000 bytes") && error.len() < 300, "{error}");
    assert!(cyclonedx::read(br#"{"bomFormat":"CycloneDX","specVersion":"2.0"}"#).is_err());
    assert!(cyclonedx::read(br#"{"bomFormat":"SPDX","specVersion":"1.5"}"#).is_err());
    let state = br#"{"bomFormat":"CycloneDX","specVersion":"1.5","vulnerabilities":[{"id":"CVE-1","analysis":{"state":"fine"}}]}"#;
    assert!(cyclonedx::read(state).unwrap_err().to_string().contains("`fine` is no state"));
}
