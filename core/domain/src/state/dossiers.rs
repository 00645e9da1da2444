//! Dossiers of vendors, as parts of the whole state: each is judged and folded in `portcullis-assurance`.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_assurance::Dossier;
use portcullis_assurance::change::{Change, Entry};
use portcullis_assurance::order::{Moment, Order};

use crate::command::{Context, Refusal};
use crate::event::{DossierChange, Event};
use crate::ids::{OperatorId, SubjectId, VendorId};
use crate::personal::Personal;
use crate::spec::Kind;
use crate::state::State;

impl State {
    /// What is known of a vendor; nothing, where nobody has said anything.
    #[must_use]
    pub fn dossier(&self, vendor: VendorId) -> Arc<Dossier> {
        self.dossiers.get(&vendor).cloned().unwrap_or_default()
    }

    /// All orders or none; each is judged on what those before it left.
    pub(super) fn decide_dossiers(
        &self,
        orders: Vec<(String, Order)>,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let mut tentative: BTreeMap<VendorId, Arc<Dossier>> = BTreeMap::new();
        let mut events = Vec::new();
        for (name, order) in orders {
            let vendor = self.resource(Kind::Vendor, &name);
            let vendor = vendor.ok_or_else(|| Refusal::Unknown { kind: "vendor", name: name.clone() })?;
            let vendor = VendorId(vendor.id);
            let dossier = tentative.entry(vendor).or_insert_with(|| self.dossier(vendor));
            let by = order.by;
            let contracts = self.contracts_known(&name);
            let mut moment = Moment { now: context.now, new_id: &mut *context.new_id, contracts: &contracts };
            let changes = dossier
                .decide(order, &mut moment)
                .map_err(|refused| Refusal::Dossier { vendor: name, refused })?;
            for mut change in changes {
                hold_people(dossier, &mut change, context);
                let entry = Entry { change, by, time: context.now };
                Arc::make_mut(dossier).apply(&entry);
                events.push(Event::DossierChanged(DossierChange { vendor, entry }));
            }
        }
        Ok(events)
    }

    /// Of a vendor that was deleted, too; a legal hold keeps everything.
    pub(super) fn decide_expired_document(
        &self,
        vendor: VendorId,
        change: Change,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        if let (Some(hold), Change::DocumentExpired { sha256, .. }) = (self.holds.get(&vendor), &change) {
            return Err(Refusal::Held { file: sha256.clone(), vendor: hold.name.clone() });
        }
        let mut moment = Moment { now: context.now, new_id: &mut *context.new_id, contracts: &[] };
        let order = Order { change, by: None };
        let changes = self.dossier(vendor).decide(order, &mut moment).map_err(|refused| {
            let name =
                self.by_id(vendor.0).map_or_else(|| vendor.to_string(), |(_, name, _)| name.to_owned());
            Refusal::Dossier { vendor: name, refused }
        })?;
        let changes = changes.into_iter().map(|change| Entry { change, by: None, time: context.now });
        Ok(changes.map(|entry| Event::DossierChanged(DossierChange { vendor, entry })).collect())
    }

    /// One person's word on one vendor.
    pub(super) fn decide_dossier(
        &self,
        name: String,
        changes: Vec<Change>,
        (by, version): (OperatorId, Option<u64>),
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let known =
            self.resource(Kind::Vendor, &name).map(|vendor| self.dossier(VendorId(vendor.id)).version);
        if let Some(known) = known.filter(|known| version.is_some_and(|version| version != *known)) {
            return Err(Refusal::DossierMoved { vendor: name, version: known });
        }
        let orders = changes.into_iter().map(|change| (name.clone(), Order { change, by: Some(by) }));
        self.decide_dossiers(orders.collect(), context)
    }

    pub(super) fn apply_dossier(&mut self, change: &DossierChange) {
        for personal in change.entry.change.clone().people_mut() {
            self.hold(personal);
        }
        Arc::make_mut(self.dossiers.entry(change.vendor).or_default()).apply(&change.entry);
    }

    pub(super) fn erase_in_dossiers(&mut self, subject: SubjectId) {
        for dossier in self.dossiers.values_mut() {
            let about = dossier.people().any(|person| person.subject() == Some(subject));
            if about {
                Arc::make_mut(dossier).people_mut().for_each(|person| person.erase(subject));
            }
        }
    }
}

/// A text that the dossier holds already stays with its subject; others get one.
fn hold_people(dossier: &Dossier, change: &mut Change, context: &mut Context<'_>) {
    for person in change.people_mut() {
        if !matches!(person, Personal::Plain(_)) {
            continue;
        }
        let known = dossier.people().find(|known| known.text() == person.text());
        let subject = known.and_then(Personal::subject).unwrap_or_else(|| SubjectId((context.new_id)()));
        *person = person.clone().held_by(subject);
    }
}
