//! Of which vendors a source is asked, and which of its records are about a vendor.

use std::collections::BTreeSet;

use portcullis_api::sources::SourceKind;
use portcullis_assurance::entity::{EntityRecord, EntitySource};
use portcullis_assurance::lei::Lei;
use portcullis_domain::spec::VendorSpec;
use portcullis_domain::state::State;

use super::SourceSettings;
use super::having::plain;
use crate::assurance::work::vendors;

/// What it is asked for by name: of lists and catalogues, and of folders, all is read.
pub(super) fn wanted(settings: &SourceSettings, state: &State) -> BTreeSet<String> {
    match settings.kind {
        SourceKind::Gleif => leis(state).iter().map(|lei| lei.as_str().to_owned()).collect(),
        SourceKind::Registry if settings.url.is_some() => {
            numbers(state, settings.jurisdiction.as_deref()).into_iter().collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Those of all vendors that are well-formed.
pub(super) fn leis(state: &State) -> BTreeSet<Lei> {
    vendors(state).filter_map(|(_, _, spec)| Lei::parse(spec.lei.as_deref()?).ok()).collect()
}

pub(super) fn numbers(state: &State, jurisdiction: Option<&str>) -> BTreeSet<String> {
    let safe = |number: &String| {
        (1..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let of = |spec: &VendorSpec| match (jurisdiction, spec.jurisdiction.as_deref()) {
        (Some(wanted), known) => {
            known.is_some_and(|known| known.split('-').next() == Some(wanted) || known == wanted)
        }
        (None, _) => true,
    };
    let numbers = vendors(state).filter(|(_, _, spec)| of(spec));
    numbers.filter_map(|(_, _, spec)| spec.registry_number.clone()).filter(safe).collect()
}

/// Whether a record of a source is about this vendor.
pub(crate) fn is_about(record: &EntityRecord, spec: &VendorSpec) -> bool {
    match &record.source {
        EntitySource::Gleif => {
            let own = spec.lei.as_deref().and_then(|lei| Lei::parse(lei).ok());
            own.is_some_and(|own| record.lei.as_deref() == Some(own.as_str()))
        }
        EntitySource::Registry { .. } => {
            let plain = |number: &Option<String>| number.as_deref().map(plain);
            spec.registry_number.is_some()
                && plain(&spec.registry_number) == plain(&record.registry_number)
                && !is_elsewhere(spec.jurisdiction.as_deref(), record.jurisdiction.as_deref())
        }
        EntitySource::Manual { .. } => false,
    }
}

/// Numbers of two registers may be the same. Where a register speaks of its place in words, that is no contradiction.
fn is_elsewhere(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let parts = |text: &str| {
        let text = text.replace('_', "-").to_ascii_uppercase();
        let (country, rest) =
            text.split_once('-').map_or((text.as_str(), None), |(one, rest)| (one, Some(rest)));
        (country.len() == 2).then(|| (country.to_owned(), rest.map(str::to_owned)))
    };
    let (Some((country, part)), Some((their_country, their_part))) =
        (ours.and_then(parts), theirs.and_then(parts))
    else {
        return false;
    };
    country != their_country || part.zip(their_part).is_some_and(|(part, theirs)| part != theirs)
}

#[cfg(test)]
mod tests {
    use super::is_elsewhere;

    #[test]
    fn a_number_of_another_place_is_another_company() {
        for (ours, theirs, elsewhere) in [
            (Some("GB"), Some("GB"), false),
            (Some("GB"), Some("gb_sct"), false),
            (Some("US-DE"), Some("us_de"), false),
            (Some("US-DE"), Some("us_ca"), true),
            (Some("US"), Some("us_ca"), false),
            (Some("GB"), Some("DE"), true),
            (Some("GB"), Some("england-wales"), false),
            (None, Some("DE"), false),
            (Some("GB"), None, false),
        ] {
            assert_eq!(is_elsewhere(ours, theirs), elsewhere, "{ours:?} {theirs:?}");
        }
    }
}
