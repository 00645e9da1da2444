//! Registers, lists, catalogues and bills as strangers send them: an error of bounded length, or entries that can be
//! asked for. The first byte says as what the rest is read.
#![no_main]

use std::collections::BTreeSet;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use portcullis_assurance::sbom::{leads, match_known};
use portcullis_assurance::screening::index::{Index, Subject};
use portcullis_assurance::sources::lists::List;
use portcullis_assurance::sources::{
    SourceError, companies_house, cyclonedx, gleif, golden_copy, kev, lists, ofac, open_corporates, osv,
};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let read = match choice % 11 {
        0 => gleif::records(bytes, AT).map(drop),
        1 => gleif::relationships(bytes).map(|found| {
            let circles = gleif::circles(&found);
            assert!(circles.iter().map(Vec::len).sum::<usize>() <= found.len());
        }),
        2 => gleif::exceptions(bytes).map(drop),
        3 => golden_copy::records(bytes, &BTreeSet::new(), AT).map(drop),
        4 => ofac::entries(bytes).map(asked),
        5 => lists::open_sanctions(bytes).map(asked),
        6 => companies_house::record(bytes, None, AT).map(drop),
        7 => open_corporates::record(bytes, AT).map(drop),
        8 => kev::read(bytes).map(drop),
        9 => osv::read(bytes).map(|records| {
            for affected in records.iter().flat_map(|record| &record.affected) {
                let _ = affected.holds(Some("1.2.3-rc1"));
            }
        }),
        _ => cyclonedx::read(bytes).map(|bill| {
            let found = match_known(&bill, &kev::Kev::default(), &[]);
            assert!(found.len() <= bill.statements.len());
            assert!(leads(&bill, &kev::Kev::default()).is_empty());
        }),
    };
    if let Err(error) = read {
        bounded(&error);
    }
});

fn bounded(error: &SourceError) {
    assert!(error.to_string().len() < 2_000, "{error}");
}

fn asked(list: List) {
    let Some(name) = list.entries.first().map(|entry| entry.names[0].clone()) else { return };
    let index = Index::new(list.entries).expect("not too many");
    let _ = index.find(&Subject { names: vec![name], ..Subject::default() });
}
