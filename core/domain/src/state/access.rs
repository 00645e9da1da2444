//! What vendors may have at all, as it follows from what is known.

use jiff::Timestamp;
use portcullis_assurance::stops::{self, Held, Stop, StopMode};

use crate::access::{Access, AccessReason, VendorAccess, VendorHold, VendorRelease};
use crate::command::{Context, Refusal};
use crate::event::Event;
use crate::ids::{OperatorId, VendorId};
use crate::reason::Reason;
use crate::spec::{Kind, PolicySpec};
use crate::state::State;
use crate::state::decide::check_reason;
use crate::state::stops::rules;
use crate::target::Target;

/// Code of the reason that an operator has given.
pub const MANUAL_HOLD: &str = "manual_hold";
/// Those who read it at night read a line, not a page.
const REASON_BYTES_MAX: usize = 1_000;

impl State {
    /// What a vendor may have at `now`: the worst of what an operator has said and of the hard stops that are enforced.
    /// A severance is apart from it.
    #[must_use]
    pub fn access(&self, vendor: VendorId, now: Timestamp) -> VendorAccess {
        let held = self.held_by_hand(vendor).reasons;
        let stops = self.stops_at(vendor, now).into_iter().filter(|held| held.mode == StopMode::Enforce);
        VendorAccess::of(held.into_iter().chain(stops.filter_map(|held| stopped(&held))).collect())
    }

    /// What an operator has said of a vendor, whatever its stops are.
    #[must_use]
    pub fn held_by_hand(&self, vendor: VendorId) -> VendorAccess {
        let held = self.vendor_holds.get(&vendor).map(|hold| AccessReason {
            level: hold.level,
            code: MANUAL_HOLD.to_owned(),
            sentence: hold.reason.clone(),
        });
        VendorAccess::of(held.into_iter().collect())
    }

    /// The hard stops that hold for a vendor, the worst first, and those that are only observed behind them.
    #[must_use]
    pub fn stops_at(&self, vendor: VendorId, now: Timestamp) -> Vec<Held> {
        self.known(vendor).map_or_else(Vec::new, |known| stops::at(&known.known(), now))
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
    pub(super) fn check_may_grow(&self, vendor: VendorId, now: Timestamp) -> Result<(), Refusal> {
        let access = self.access(vendor, now);
        if access.level < Access::Held {
            return Ok(());
        }
        let name = self.by_id(vendor.0).map_or_else(|| vendor.to_string(), |(_, name, _)| name.to_owned());
        Err(Refusal::AccessHeld { vendor: name, access: Box::new(access) })
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

    /// Why a vendor that is declared only now, with `policies`, would get no clients yet.
    pub(super) fn newcomer_access(&self, vendor: &str, policies: &[&PolicySpec]) -> Option<VendorAccess> {
        let rules = rules(policies, vendor, self.founded_with());
        (rules.mode(Stop::Admission) == StopMode::Enforce).then(|| {
            VendorAccess::of(vec![AccessReason {
                level: Access::Blocked,
                code: Reason::StopAdmission.code().to_owned(),
                sentence: "the vendor isn't admitted; admit it first, and declare its clients then"
                    .to_owned(),
            }])
        })
    }

    pub(super) fn vendor_named(&self, name: &str) -> Result<VendorId, Refusal> {
        let found = self.resource(Kind::Vendor, name).map(|found| VendorId(found.id));
        found.ok_or_else(|| Refusal::Unknown { kind: "vendor", name: name.to_owned() })
    }
}

/// None where it leaves all.
fn stopped(held: &Held) -> Option<AccessReason> {
    (held.access > Access::Clear).then(|| AccessReason {
        level: held.access,
        code: Reason::of_stop(held.stop).code().to_owned(),
        sentence: format!("{}; {}", held.fact, held.remedy),
    })
}
