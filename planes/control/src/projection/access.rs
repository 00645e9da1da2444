//! What vendors may have, as lines of time: gates switch along them by their own clocks, also while control is gone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_assurance::days::{days, plus};
use portcullis_assurance::stops::{Held, StopMode, Stretch, outlook};
use portcullis_domain::access::{Access, VendorHold};
use portcullis_domain::ids::VendorId;
use portcullis_domain::reason::Reason;
use portcullis_domain::state::stops::{Inputs, Papers};
use portcullis_domain::state::{Resource, State};
use portcullis_policy::access::{AccessFrom, Observed};

/// How far ahead: longer than anybody is away.
const HORIZON_DAYS: i64 = 400;
const DAY_SECONDS: i64 = 86_400;

/// The lines of vendors, each made anew when something about it has changed, and once on each day.
#[derive(Default)]
pub struct AccessLines {
    kept: Mutex<HashMap<VendorId, Kept>>,
}

struct Kept {
    inputs: Inputs,
    day: i64,
    line: Vec<AccessFrom>,
}

impl AccessLines {
    /// Of one vendor, with what an operator has said of it.
    #[must_use]
    pub fn line(
        &self,
        state: &State,
        papers: &Papers<'_>,
        (name, vendor): (&str, &Resource),
        now: Timestamp,
    ) -> Vec<AccessFrom> {
        let id = VendorId(vendor.id);
        let line = self.stops(id, papers, (name, vendor), now);
        with_hold(line, state.vendor_holds.get(&id))
    }

    /// Forgets vendors that are gone.
    pub fn keep_only(&self, vendors: impl ExactSizeIterator<Item = VendorId>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() > vendors.len() {
            let present: std::collections::HashSet<VendorId> = vendors.collect();
            kept.retain(|vendor, _| present.contains(vendor));
        }
    }

    fn stops(
        &self,
        id: VendorId,
        papers: &Papers<'_>,
        (name, vendor): (&str, &Resource),
        now: Timestamp,
    ) -> Vec<AccessFrom> {
        let inputs = papers.inputs(name, vendor);
        let day = now.as_second().div_euclid(DAY_SECONDS);
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&id).filter(|known| known.day == day && known.inputs.same(&inputs)) {
            return known.line.clone();
        }
        let known = papers.known(name, vendor);
        let stretches = known
            .map(|known| outlook(&known.known(), now, plus(now, days(HORIZON_DAYS))))
            .unwrap_or_default();
        let line = line_of(&stretches);
        lock().insert(id, Kept { inputs, day, line: line.clone() });
        line
    }
}

/// Empty where the vendor has everything all along.
fn line_of(stretches: &[Stretch]) -> Vec<AccessFrom> {
    let mut line: Vec<AccessFrom> = Vec::new();
    for stretch in stretches {
        let from_us = if line.is_empty() { i64::MIN } else { stretch.from.as_microsecond() };
        let from = access_from(from_us, stretch);
        let same = |last: &AccessFrom| {
            (last.level, last.reason, last.observed) == (from.level, from.reason, from.observed)
        };
        if !line.last().is_some_and(same) {
            line.push(from);
        }
    }
    let all = |from: &AccessFrom| from.level == Access::Clear && from.observed.is_none();
    if line.iter().all(all) { Vec::new() } else { line }
}

fn access_from(from_us: i64, stretch: &Stretch) -> AccessFrom {
    // The worst of each mode come first.
    let of = |mode: StopMode, least: Access| {
        stretch.held.iter().find(move |held| held.mode == mode && held.access > least)
    };
    let enforced = of(StopMode::Enforce, Access::Clear);
    let observed = of(StopMode::Observe, stretch.access);
    AccessFrom {
        from_us,
        level: stretch.access,
        reason: enforced.map(|held| Reason::of_stop(held.stop)),
        detail: enforced.filter(|held| held.stop.is_told_to_vendor()).map(told),
        observed: observed.map(|held| Observed { level: held.access, reason: Reason::of_stop(held.stop) }),
    }
}

fn told(held: &Held) -> String {
    format!("{}; {}", held.fact, held.remedy)
}

/// The worse counts; why an operator has said it, the vendor isn't told.
fn with_hold(mut line: Vec<AccessFrom>, hold: Option<&VendorHold>) -> Vec<AccessFrom> {
    let Some(hold) = hold.filter(|hold| hold.level > Access::Clear) else { return line };
    if line.is_empty() {
        return vec![AccessFrom::always(hold.level)];
    }
    for from in line.iter_mut().filter(|from| from.level <= hold.level) {
        let observed = from.observed.filter(|observed| observed.level > hold.level);
        *from = AccessFrom { from_us: from.from_us, observed, ..AccessFrom::always(hold.level) };
    }
    line
}
