//! Real files: the samples of GLEIF, the whole catalogue of exploited vulnerabilities, the whole list of OFAC.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use portcullis_assurance::entity::{EntitySource, EntityStanding, LeiStatus};
use portcullis_assurance::lei::Lei;
use portcullis_assurance::names::{HOLDS, Name};
use portcullis_assurance::screening::index::{Index, Subject};
use portcullis_assurance::sources::{cyclonedx, gleif, kev, ofac};

#[test]
fn the_samples_of_gleif_are_read() {
    let Some(folder) = shared("lei") else { return };
    let at = Timestamp::UNIX_EPOCH;
    let (mut records, mut lapsed, mut with_parents) = (Vec::new(), 0, Vec::new());
    for file in files(&folder.join("lei_records")) {
        let found = gleif::records(&std::fs::read(&file).unwrap(), at);
        records.extend(found.unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    }
    for record in &records {
        assert!(Lei::parse(record.lei.as_deref().unwrap()).is_ok(), "{record:?}");
        assert!(record.source == EntitySource::Gleif && record.at > at && !record.legal_name.is_empty());
        assert_ne!(record.standing, EntityStanding::Unknown, "{record:?}");
        lapsed += usize::from(record.lei_status == Some(LeiStatus::Lapsed));
    }
    for file in files(&folder.join("relationships")) {
        with_parents.extend(gleif::relationships(&std::fs::read(&file).unwrap()).unwrap());
    }
    let mut exceptions = 0;
    for file in files(&folder.join("reporting_exceptions")) {
        let found = gleif::exceptions(&std::fs::read(&file).unwrap()).unwrap();
        assert!(found.iter().all(|exception| !exception.reason.is_empty()));
        exceptions += found.len();
    }
    println!(
        "{} records ({lapsed} lapsed), {} relationships, {exceptions} exceptions",
        records.len(),
        with_parents.len()
    );
    assert!(records.len() > 100 && with_parents.len() > 50 && exceptions >= 16 && lapsed > 0);
    assert!(gleif::circles(&with_parents).is_empty());
    gleif::enter_parents(&mut records, &with_parents);
    assert!(records.iter().any(|record| record.parent.is_some() && record.ultimate_parent.is_some()));
}

#[test]
fn the_whole_catalogue_of_exploited_vulnerabilities_is_read() {
    let Some(folder) = shared("kev") else { return };
    let bytes = std::fs::read(folder.join("known_exploited_vulnerabilities.json")).unwrap();
    let catalogue = kev::read(&bytes).unwrap();
    assert_eq!((catalogue.entries.len(), catalogue.version.as_str()), (1_404, "2025.08.25"));
    assert_eq!(catalogue.entries["CVE-2025-48384"].listed.to_string(), "2025-08-25T00:00:00Z");
    // Cut off anywhere, it is an error and never a shorter catalogue.
    for end in [1, 100, bytes.len() / 2, bytes.len() - 2] {
        assert!(kev::read(&bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn the_whole_list_of_ofac_is_read_and_screened_as_by_comparing_all() {
    let Some(folder) = shared("sanctions") else { return };
    let bytes = std::fs::read(folder.join("ofac_sdn_entities_only.csv")).unwrap();
    let list = ofac::entries(&bytes).unwrap();
    assert_eq!((list.entries.len(), list.left_out), (2_994, 0));
    let aliases: usize = list.entries.iter().map(|entry| entry.names.len() - 1).sum();
    let identifiers: usize = list.entries.iter().map(|entry| entry.identifiers.len()).sum();
    println!("{} entries, {aliases} aliases, {identifiers} identifiers", list.entries.len());
    assert!(aliases > 50 && identifiers > 700);
    let index = Index::new(list.entries.clone()).unwrap();

    // Each entry finds itself under its own name; a sample of names, some misspelt, is compared with all.
    let names: Vec<Name> =
        list.entries.iter().flat_map(|entry| &entry.names).map(|name| Name::of(name)).collect();
    let mut asked: Vec<String> =
        list.entries.iter().step_by(97).map(|entry| entry.names[0].clone()).collect();
    asked.extend(asked.clone().iter().enumerate().map(|(at, name)| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.remove((at * 7) % letters.len());
        letters.into_iter().collect()
    }));
    let mut found = 0;
    for name in &asked {
        let name = Name::of(name);
        let all: Vec<(u32, u16)> = (0..)
            .zip(names.iter().map(|other| name.score(other)))
            .filter(|(_, score)| *score >= HOLDS)
            .collect();
        assert_eq!(index.named(&name), all, "{name:?}");
        found += all.len();
    }
    println!("{} names against {} names: {found} pairs at or above {HOLDS}", asked.len(), names.len());
    for entry in list.entries.iter().step_by(13) {
        let matches = index.find(&Subject { names: vec![entry.names[0].clone()], ..Subject::default() });
        assert!(matches.iter().any(|found| found.score == 1_000), "{entry:?}");
    }
    for name in [
        "A-B-C Company",
        "Northgale Payroll Inc.",
        "Harrowfield Analytics Ltd",
        "Quillmere Logistics GmbH",
        "Bluewick Card Services SA",
    ] {
        let matches = index.find(&Subject { names: vec![name.to_owned()], ..Subject::default() });
        assert_eq!(matches, [], "{name}");
    }
}

#[test]
fn a_bill_of_services_is_read() {
    let Some(folder) = shared("sbom") else { return };
    let bytes = std::fs::read(folder.join("SaaSBOM/apigateway-microservices-datastores/bom.json")).unwrap();
    let bill = cyclonedx::read(&bytes).unwrap();
    assert_eq!((bill.components.len(), bill.services.len()), (1, 6));
    let gateway = &bill.services[0];
    assert_eq!(
        (gateway.name.as_str(), gateway.data.len(), gateway.crosses_boundary),
        ("API Gateway", 3, Some(true))
    );
}

fn shared(what: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("PORTCULLIS_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("data").join(what);
    if !folder.is_dir() {
        println!("skipped: {} is absent", folder.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}
