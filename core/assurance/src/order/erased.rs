//! People who were forgotten, and whom a source still names.

use portcullis_ids::personal::Personal;

use crate::change::Change;
use crate::dossier::Dossier;
use crate::entity::{EntityRecord, EntitySource, Officer};

/// A register goes on naming whom we have forgotten, and each re-check would bring the name back. What was erased can't
/// be compared, so whoever is new in a record and has an erased officer's role is taken for that one. If it is somebody else,
/// a person who has seen the paper says so: what people vouch for is taken as they say it.
pub(super) fn keep(dossier: &Dossier, change: &mut Change) {
    let Change::EntityChecked { record } = change else { return };
    if matches!(record.source, EntitySource::Manual { .. }) {
        return;
    }
    if let Some(known) = dossier.entity.get(&record.source) {
        keep_erased(known, record);
    }
}

fn keep_erased(known: &EntityRecord, record: &mut EntityRecord) {
    let mut gone: Vec<&Officer> =
        known.officers.iter().filter(|officer| matches!(officer.name, Personal::Erased { .. })).collect();
    let held = |name: &str| {
        let mut officers = known.officers.iter();
        officers.any(|officer| matches!(&officer.name, Personal::Held { text, .. } if text == name))
    };
    for officer in &mut record.officers {
        let is_new = matches!(&officer.name, Personal::Plain(name) if !held(name));
        let found = gone.iter().position(|erased| erased.role == officer.role);
        if let Some(at) = found.filter(|_| is_new) {
            officer.name = gone.remove(at).name.clone();
        }
    }
}
