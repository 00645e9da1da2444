//! All that is known of a vendor, as its changes add up.

use std::collections::BTreeMap;

use portcullis_ids::ids::EvidenceId;
use portcullis_ids::personal::Personal;

use crate::assessment::{Admission, Step, StepStanding};
use crate::change::{Change, Entry};
use crate::entity::{EntityRecord, EntitySource};
use crate::evidence::Evidence;

#[derive(Clone, PartialEq, Default, Debug)]
pub struct Dossier {
    pub admission: Admission,
    pub steps: BTreeMap<Step, StepStanding>,
    /// The newest of each source.
    pub entity: BTreeMap<EntitySource, EntityRecord>,
    pub evidence: BTreeMap<EvidenceId, Evidence>,
}

impl Dossier {
    /// Folds a change in; it can't fail.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.change {
            Change::EntityChecked { record } => {
                self.entity.insert(record.source.clone(), record.clone());
            }
            Change::EvidenceAdded { evidence } => {
                self.evidence.insert(evidence.id, (**evidence).clone());
            }
            _ => {}
        }
    }

    /// Texts about people.
    pub fn people(&self) -> impl Iterator<Item = &Personal> {
        self.entity.values().flat_map(|record| record.officers.iter().map(|officer| &officer.name))
    }

    pub fn people_mut(&mut self) -> impl Iterator<Item = &mut Personal> {
        self.entity
            .values_mut()
            .flat_map(|record| record.officers.iter_mut().map(|officer| &mut officer.name))
    }
}
