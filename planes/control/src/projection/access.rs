//! What vendors may have, as lines of time: gates switch along them by their own clocks, also while control is gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// How many were made so far.
    made: AtomicU64,
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
        self.made.fetch_add(1, Ordering::Relaxed);
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
    let enforced = less(stretch, StopMode::Enforce, Access::Clear).next();
    let observed = || less(stretch, StopMode::Observe, stretch.access);
    AccessFrom {
        from_us,
        level: stretch.access,
        reason: enforced.map(|held| Reason::of_stop(held.stop)),
        detail: enforced.filter(|held| held.stop.is_told_to_vendor()).map(told),
        observed: observed().next().map(|worst| Observed {
            level: worst.access,
            reason: Reason::of_stop(worst.stop),
            stops: observed().map(|held| held.stop).collect(),
        }),
    }
}

/// Those of a mode that leave less than `access`, the worst first.
fn less(stretch: &Stretch, mode: StopMode, access: Access) -> impl Iterator<Item = &Held> {
    stretch.held.iter().filter(move |held| held.mode == mode && held.access > access)
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::print_stderr,
        clippy::disallowed_methods,
        reason = "a test fails by panicking, and measures"
    )]

    use std::time::Instant;

    use portcullis_assurance::change::{Change, Entry};
    use portcullis_assurance::stops::{Stop, StopMode};
    use portcullis_domain::event::{DossierChange, Event};
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::projection::facts;

    const VENDORS: u128 = 10_000;

    fn defined(id: u128, kind: &str, name: String, spec: &Value) -> Event {
        let declaration = json!({ "kind": kind, "name": name, "spec": spec });
        Event::ResourceDefined {
            id: Uuid::from_u128(id),
            declaration: serde_json::from_value(declaration).unwrap(),
            keys: Vec::new(),
            time: None,
        }
    }

    fn many() -> State {
        let mut state = State::default();
        state.apply(&Event::InstallationFounded {
            installation: Uuid::nil(),
            issuer: "https://gate.example".to_owned(),
            stops: Some(StopMode::Enforce),
        });
        for number in 0..VENDORS {
            let (vendor, paper) = (format!("v{number}"), format!("c{number}"));
            let contract = json!({
                "vendor": vendor, "starts": "2026-01-01", "ends": "2027-12-31", "time_zone": "Europe/Berlin" });
            let integration = json!({ "contract": paper, "purpose": "test", "routes": [], "scopes": [] });
            let id = 10 * number + 1;
            state.apply(&defined(id, "Vendor", vendor.clone(), &json!({ "legal_name": vendor })));
            state.apply(&defined(id + 1, "Contract", paper, &contract));
            state.apply(&defined(id + 2, "Integration", format!("i{number}"), &integration));
        }
        state
    }

    #[test]
    fn only_the_line_of_a_vendor_that_has_changed_is_made_anew() {
        let (mut state, lines) = (many(), AccessLines::default());
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let look = |state: &State, now| {
            let (before, began) = (lines.made.load(Ordering::Relaxed), Instant::now());
            let made = facts(state, "", &[], (&|_| None, &lines), now);
            let count = lines.made.load(Ordering::Relaxed) - before;
            eprintln!(
                "a snapshot of {} vendors, {count} lines anew: {:?}",
                made.vendors.len(),
                began.elapsed()
            );
            (count, made)
        };
        let (count, first) = look(&state, now);
        assert_eq!(u128::from(count), VENDORS);
        let reason = first.vendors.first().and_then(|vendor| vendor.access.first()).unwrap().reason;
        assert_eq!(reason, Some(Reason::StopAdmission));
        assert_eq!(look(&state, now), (0, first));
        // What becomes known of one.
        let vendor = VendorId(Uuid::from_u128(71));
        let entry = Entry { change: Change::Admitted, by: None, time: now };
        state.apply(&Event::DossierChanged(DossierChange { vendor, entry }));
        assert_eq!(look(&state, now).0, 1);
        // One declared otherwise, and one gone.
        state.apply(&defined(71, "Vendor", "v7".to_owned(), &json!({ "legal_name": "Other" })));
        assert_eq!(look(&state, now).0, 1);
        let removed = |id: u128, kind, name: &str| Event::ResourceRemoved {
            id: Uuid::from_u128(id),
            kind,
            name: name.to_owned(),
        };
        state.apply(&removed(83, portcullis_domain::spec::Kind::Integration, "i8"));
        assert_eq!(look(&state, now).0, 1);
        state.apply(&removed(82, portcullis_domain::spec::Kind::Contract, "c8"));
        state.apply(&removed(81, portcullis_domain::spec::Kind::Vendor, "v8"));
        assert_eq!(look(&state, now).0, 0);
        assert_eq!(
            lines.kept.lock().unwrap().len(),
            state.of_kind(portcullis_domain::spec::Kind::Vendor).count()
        );
        // The next day, and a rule for all.
        let tomorrow = now + jiff::SignedDuration::from_hours(24);
        assert_eq!(u128::from(look(&state, tomorrow).0), VENDORS - 1);
        state.apply(&defined(
            1_000_001,
            "Policy",
            "easy".to_owned(),
            &json!({ "stops": { "default": "observe" } }),
        ));
        let (count, last) = look(&state, tomorrow);
        assert_eq!(u128::from(count), VENDORS - 1);
        let from = last.vendors.first().and_then(|vendor| vendor.access.first()).unwrap();
        let observed = from.observed.unwrap();
        assert_eq!((from.level, observed.level), (Access::Clear, Access::Blocked));
        // All of them, not only the worst.
        let stops: Vec<Stop> = observed.would_stop().stops.iter().collect();
        assert_eq!(stops, [Stop::Clause, Stop::Admission]);
    }
}
