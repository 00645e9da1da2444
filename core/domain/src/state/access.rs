//! What vendors may have at all, as it follows from what is known.

use crate::access::{Access, AccessReason, VendorAccess, VendorHold, VendorRelease};
use crate::command::{Context, Refusal};
use crate::event::Event;
use crate::ids::{OperatorId, VendorId};
use crate::spec::Kind;
use crate::state::State;
use crate::state::decide::check_reason;
use crate::target::Target;

/// Code of the reason that an operator has given.
pub const MANUAL_HOLD: &str = "manual_hold";
/// Those who read it at night read a line, not a page.
const REASON_BYTES_MAX: usize = 1_000;

impl State {
    /// What a vendor may have. A severance is apart from it.
    #[must_use]
    pub fn access(&self, vendor: VendorId) -> VendorAccess {
        let held = self.vendor_holds.get(&vendor).map(|hold| AccessReason {
            level: hold.level,
            code: MANUAL_HOLD.to_owned(),
            sentence: hold.reason.clone(),
        });
        VendorAccess::of(held.into_iter().collect())
    }

    pub(super) fn decide_hold_vendor(
        &self,
        name: &str,
        level: Access,
        (by, reason): (OperatorId, String),
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let vendor = self.vendor_named(name)?;
        if level == Access::Clear {
            return Err(Refusal::HoldClear(name.to_owned()));
        }
        if reason.len() > REASON_BYTES_MAX {
            return Err(Refusal::ReasonLong { most: REASON_BYTES_MAX });
        }
        let known = self.vendor_holds.get(&vendor);
        if known.is_some_and(|known| known.level == level && known.reason == reason) {
            return Ok(Vec::new());
        }
        let ends_tokens =
            level == Access::Blocked && known.is_none_or(|known| known.level != Access::Blocked);
        let epoch = ends_tokens.then(|| self.next_epoch(&Target::Vendor { id: vendor }));
        Ok(vec![Event::VendorHeld(VendorHold { vendor, level, epoch, by, reason, time: context.now })])
    }

    pub(super) fn decide_release_vendor(
        &self,
        name: &str,
        (by, reason): (OperatorId, String),
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let vendor = self.vendor_named(name)?;
        if reason.len() > REASON_BYTES_MAX {
            return Err(Refusal::ReasonLong { most: REASON_BYTES_MAX });
        }
        if !self.vendor_holds.contains_key(&vendor) {
            return Err(Refusal::AccessNotHeld(name.to_owned()));
        }
        Ok(vec![Event::VendorReleased(VendorRelease { vendor, by, reason, time: context.now })])
    }

    /// # Errors
    /// [`Refusal::AccessHeld`]: a vendor that is held or blocked gets no clients.
    pub(super) fn check_may_grow(&self, vendor: VendorId) -> Result<(), Refusal> {
        let level = self.access(vendor).level;
        if level < Access::Held {
            return Ok(());
        }
        let vendor = self.name_of(&Target::Vendor { id: vendor });
        Err(Refusal::AccessHeld { vendor, level: level.as_str() })
    }

    pub(super) fn apply_vendor_held(&mut self, hold: &VendorHold) {
        if let Some(epoch) = hold.epoch {
            self.raise_epoch(&Target::Vendor { id: hold.vendor }, epoch, hold.time);
        }
        self.vendor_holds.insert(hold.vendor, hold.clone());
    }

    pub(super) fn apply_vendor_released(&mut self, release: &VendorRelease) {
        self.vendor_holds.remove(&release.vendor);
    }

    fn vendor_named(&self, name: &str) -> Result<VendorId, Refusal> {
        let found = self.resource(Kind::Vendor, name).map(|found| VendorId(found.id));
        found.ok_or_else(|| Refusal::Unknown { kind: "vendor", name: name.to_owned() })
    }
}
