//! What `make geo` installs, if it was: real addresses have the networks and countries that everybody knows.

use std::net::IpAddr;
use std::path::PathBuf;

use portcullis_intel::{Folder, Library, Limits};
use portcullis_risk::{Known, OriginSource as _};

/// Where an installation that isn't in a data folder lies.
fn installed() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = std::env::var_os("PORTCULLIS_GEO").map(PathBuf::from);
    folder.or_else(|| Some(cache?.join("portcullis/geo"))).filter(|folder| folder.join("asn.csv").is_file())
}

#[test]
fn known_addresses_have_their_networks_and_countries() {
    let Some(geo) = installed() else {
        println!("skipped: no databases are installed; `make geo` does");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::new(data.path().to_owned(), Some(geo));
    let library = Library::new(folder.kept(), Limits::default());
    let told = library.look(&folder.sources().unwrap(), "2035-01-01T00:00:00Z".parse().unwrap());
    assert!(told.iter().all(|told| told.error.is_none()), "{told:?}");
    let check = |address: &str, asn: u32, country: Option<&[u8; 2]>| {
        let address: IpAddr = address.parse().unwrap();
        let origin = library.origin(address);
        assert_eq!(origin.asn, Known::Is(asn), "{address}");
        if let Some(country) = country {
            assert_eq!(origin.country, Known::Is(*country), "{address}");
            assert!(origin.place.value().is_some(), "{address}");
        }
    };
    check("1.1.1.1", 13_335, None);
    check("8.8.8.8", 15_169, Some(b"US"));
    check("2001:4860:4860::8888", 15_169, Some(b"US"));
    check("193.0.6.139", 3_333, Some(b"NL"));
    let about = library.about("8.8.8.8".parse().unwrap());
    assert!(about.network_name.unwrap().contains("Google"));
    for status in library.status() {
        let report = status.in_use.unwrap().report;
        println!("{}: {} rows or nodes, {} broken", status.source.name, report.kept, report.broken);
    }
}
