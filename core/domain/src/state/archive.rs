//! Sealed decisions: which files there are, and what keeps or ends them.

use std::sync::Arc;

use uuid::Uuid;

use crate::archive::{DECISIONS_DAYS_DEFAULT, Expiry, HoldLift, LegalHold, SealedFile};
use crate::command::{Context, Refusal};
use crate::event::Event;
use crate::ids::{OperatorId, VendorId};
use crate::spec::{Kind, Spec};
use crate::state::State;
use crate::state::decide::check_reason;

impl State {
    /// How many days the decisions of a vendor are kept; those of no known vendor as long as usual.
    #[must_use]
    pub fn decisions_days(&self, vendor: Option<VendorId>) -> u32 {
        let days = vendor.and_then(|vendor| self.decisions_days.get(&vendor));
        days.copied().unwrap_or(DECISIONS_DAYS_DEFAULT)
    }

    /// The hold on the vendor that has this name now; else on the one that had it when the hold was placed, or has this id.
    #[must_use]
    pub fn hold_of(&self, vendor: &str) -> Option<&LegalHold> {
        let declared = self.resource(Kind::Vendor, vendor);
        let declared = declared.and_then(|found| self.holds.get(&VendorId(found.id)));
        let named =
            || self.holds.values().find(|hold| hold.name == vendor || hold.vendor.to_string() == vendor);
        declared.or_else(named)
    }

    pub(super) fn decide_sealed(&self, sealed: SealedFile) -> Result<Vec<Event>, Refusal> {
        match self.sealed.get(&(sealed.hour, sealed.file.clone())) {
            Some(known) if known.sha256 == sealed.sha256 => Ok(Vec::new()),
            None if !self.expired.contains(&sealed.file) => Ok(vec![Event::DecisionsSealed(sealed)]),
            _ => Err(Refusal::SealedOtherwise(sealed.file)),
        }
    }

    pub(super) fn decide_expired(&self, expiry: Expiry) -> Result<Vec<Event>, Refusal> {
        if self.expired.contains(&expiry.file) {
            return Ok(Vec::new());
        }
        if !self.sealed.values().any(|sealed| sealed.file == expiry.file) {
            return Err(Refusal::SealedOtherwise(expiry.file));
        }
        // Placed while the file was being written anew.
        if let Some(hold) = expiry.vendors.iter().find_map(|vendor| self.holds.get(vendor)) {
            return Err(Refusal::Held { file: expiry.file, vendor: hold.name.clone() });
        }
        Ok(vec![Event::DecisionsExpired(expiry)])
    }

    pub(super) fn decide_hold(
        &self,
        vendor: &str,
        by: OperatorId,
        reason: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let declared = self.resource(Kind::Vendor, vendor).map(|found| VendorId(found.id));
        let id = declared.or_else(|| vendor.parse::<Uuid>().ok().map(VendorId));
        let id = id.ok_or_else(|| Refusal::Unknown { kind: "vendor", name: vendor.to_owned() })?;
        if self.holds.contains_key(&id) {
            return Err(Refusal::AlreadyHeld(vendor.to_owned()));
        }
        let hold = LegalHold { vendor: id, name: vendor.to_owned(), reason, by, time: context.now };
        Ok(vec![Event::LegalHoldPlaced(hold)])
    }

    pub(super) fn decide_lift(
        &self,
        vendor: &str,
        by: OperatorId,
        reason: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let hold = self.hold_of(vendor).ok_or_else(|| Refusal::NotHeld(vendor.to_owned()))?;
        let (vendor, name) = (hold.vendor, hold.name.clone());
        Ok(vec![Event::LegalHoldLifted(HoldLift { vendor, name, reason, by, time: context.now })])
    }

    pub(super) fn apply_sealed(&mut self, sealed: &SealedFile) {
        let sealed = SealedFile { event: Some(self.size.saturating_sub(1)), ..sealed.clone() };
        Arc::make_mut(&mut self.sealed).insert((sealed.hour, sealed.file.clone()), sealed);
    }

    pub(super) fn apply_expired(&mut self, expiry: &Expiry) {
        Arc::make_mut(&mut self.sealed).retain(|(_, file), _| *file != expiry.file);
        Arc::make_mut(&mut self.expired).insert(expiry.file.clone());
        if let Some(left) = &expiry.replaced_by {
            self.apply_sealed(left);
        }
    }

    pub(super) fn note_decisions_days(&mut self, id: Uuid, spec: &Spec) {
        if let Spec::Vendor(vendor) = spec {
            match vendor.decisions_days {
                Some(days) => self.decisions_days.insert(VendorId(id), days),
                None => self.decisions_days.remove(&VendorId(id)),
            };
        }
    }
}
