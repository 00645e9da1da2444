//! Bills of material beside records of vulnerabilities and the catalogue of those that are exploited.

use portcullis_assurance::sbom::{leads, match_known};
use portcullis_assurance::sources::{cyclonedx, kev, osv};
use portcullis_assurance::vulnerability::Exploitability;

const BILL: &str = r#"{
  "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:0", "metadata": {"timestamp": "2026-11-01T00:00:00Z"},
  "components": [
    {"bom-ref": "log", "type": "library", "group": "org.example", "name": "logger", "version": "2.14.1", "purl": "pkg:maven/org.example/logger@2.14.1?type=jar"},
    {"bom-ref": "pad", "type": "library", "name": "pad", "purl": "pkg:npm/%40acme/pad@1.3.0",
     "components": [{"type": "library", "name": "inner_part", "version": "3", "purl": "pkg:pypi/Inner_Part@3"}]},
    {"bom-ref": "web", "type": "application", "name": "web server", "version": "9", "cpe": "cpe:2.3:a:acme:web_server:9:*:*:*:*:*:*:*"}
  ],
  "vulnerabilities": [
    {"id": "CVE-2026-1000", "ratings": [{"score": 9.8, "method": "CVSSv31", "severity": "critical"}], "published": "2026-09-01T00:00:00Z",
     "analysis": {"state": "not_affected", "justification": "code_not_reachable"}, "affects": [{"ref": "log"}]},
    {"id": "CVE-2026-2000", "analysis": {"state": "in_triage"}, "affects": [{"ref": "pad"}]},
    {"id": "CVE-2026-3000", "analysis": {"state": "resolved"}}
  ]
}"#;

const RECORDS: &str = r#"{"vulns": [
  {"id": "GHSA-1", "aliases": ["CVE-2026-1000"], "summary": "Logger runs what it logs", "published": "2026-08-15T10:00:00Z",
   "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}],
   "affected": [{"package": {"ecosystem": "Maven", "name": "org.example:logger"},
     "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "2.0"}, {"fixed": "2.15.0"}]}]}]},
  {"id": "GHSA-2", "published": "2026-10-01T00:00:00Z", "database_specific": {"severity": "CRITICAL"},
   "affected": [{"package": {"ecosystem": "npm", "name": "@acme/pad"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"last_affected": "1.3.0"}]}]}]},
  {"id": "GHSA-3", "affected": [{"package": {"ecosystem": "npm", "name": "@acme/pad"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.3.0"}]}]}]},
  {"id": "GHSA-4", "affected": [{"package": {"ecosystem": "PyPI", "name": "inner.part"}, "versions": ["3"]}]},
  {"id": "GHSA-5", "withdrawn": "2026-10-02T00:00:00Z", "affected": [{"package": {"ecosystem": "PyPI", "name": "inner-part"}, "versions": ["3"]}]}
]}"#;

const CATALOGUE: &str = r#"{"catalogVersion": "1", "dateReleased": "2026-11-01T00:00:00.5Z", "count": 2, "vulnerabilities": [
  {"cveID": "CVE-2026-1000", "vendorProject": "Example", "product": "Logger", "vulnerabilityName": "Logger code execution", "dateAdded": "2026-09-10"},
  {"cveID": "CVE-2020-9999", "vendorProject": "Acme", "product": "Web Server", "vulnerabilityName": "Web Server path traversal", "dateAdded": "2021-11-03"}
]}"#;

#[test]
fn components_are_matched_with_records_and_the_catalogue() {
    let bill = cyclonedx::read(BILL.as_bytes()).unwrap();
    let catalogue = kev::read(CATALOGUE.as_bytes()).unwrap();
    let records = osv::read(RECORDS.as_bytes()).unwrap();
    assert_eq!((bill.components.len(), records.len()), (4, 4));
    let found = match_known(&bill, &catalogue, &records);
    let ids: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.cvss_tenths)).collect();
    let expected = [
        ("CVE-2026-1000", Some(100)),
        ("GHSA-2", Some(90)),
        ("CVE-2026-2000", None),
        ("CVE-2026-3000", None),
        ("GHSA-4", None),
    ];
    assert_eq!(ids, expected);
    let worst = &found[0];
    assert!(worst.is_critical() && worst.known_exploited);
    // The clock runs from the earliest: publication, before the listing and before the bill.
    assert_eq!(worst.since().unwrap().to_string(), "2026-08-15T10:00:00Z");
    assert_eq!(worst.kev_listed.unwrap().to_string(), "2026-09-10T00:00:00Z");
    assert_eq!(worst.vendor_aware, bill.made);
    assert_eq!(worst.component.as_deref(), Some("pkg:maven/org.example/logger@2.14.1?type=jar"));
    let words: Vec<_> = bill.statements.iter().map(|statement| statement.word).collect();
    let expected = [Exploitability::NotAffected, Exploitability::UnderInvestigation, Exploitability::Fixed];
    assert_eq!(words, expected.map(Some));
    assert_eq!(bill.statements[0].justification.as_deref(), Some("code_not_reachable"));

    // A product without its version is asked about, and starts no clock.
    let asked = leads(&bill, &catalogue);
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].id.as_str(), asked[0].component.as_str()), ("CVE-2020-9999", "web server 9"));
}

#[test]
fn an_unknown_version_is_affected() {
    let bill = BILL.replace("@2.14.1?type=jar", "").replace("\"version\": \"2.14.1\", ", "");
    let found = match_known(
        &cyclonedx::read(bill.as_bytes()).unwrap(),
        &kev::Kev::default(),
        &osv::read(RECORDS.as_bytes()).unwrap(),
    );
    assert!(
        found.iter().any(|one| one.id == "CVE-2026-1000" && one.published.is_some() && !one.known_exploited)
    );
}
