//! Lists and databases: an error, or content whose figures fit together; bounded either way.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use portcullis_domain::spec::{FeedFormat, Holds};
use portcullis_intel::{Database, Limits, read_list};

const LIMITS: Limits = Limits { bytes_max: 60_000, entries_max: 2_000 };

fuzz_target!(|input: (u8, Vec<u8>, u32)| {
    let (choice, bytes, address) = input;
    let address = IpAddr::V4(address.into());
    let format = match choice % 4 {
        0 => FeedFormat::Auto,
        1 => FeedFormat::Addresses,
        2 => FeedFormat::Ja4,
        _ => FeedFormat::Asns,
    };
    if let Ok((list, report)) = read_list(&bytes[..], format, LIMITS) {
        assert!(report.entries <= LIMITS.entries_max as u64 && report.kept <= report.entries);
        assert!(report.bytes <= LIMITS.bytes_max);
        let _ = list.has_address(address);
    }
    let holds = [Holds::Country, Holds::Asn, Holds::Place][usize::from(choice) % 3];
    if let Ok((database, _)) = Database::of_mmdb(bytes, holds) {
        let _ = (database.country(address), database.asn(address), database.place(address));
        let _ = database.network_name(address);
    }
});
