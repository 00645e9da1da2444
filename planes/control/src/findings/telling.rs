//! Vendors' people who can't be told of what was closed or opened.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::ids::VendorId;
use portcullis_domain::state::State;
use portcullis_domain::state::telling::{Asked, Matter, Telling};
use portcullis_domain::telling::TellingOutcome;
use portcullis_incident::telling::pace::{FORGOTTEN_AFTER, LATE_AFTER};

use crate::telling::TellingSeen;

pub(super) fn find(state: &State, seen: &TellingSeen, now: Timestamp, found: &mut Vec<Finding>) {
    if !seen.by_mail {
        return;
    }
    // One for each vendor, by the oldest of what it wasn't told: gates cut in numbers.
    let mut late: BTreeMap<VendorId, Vec<(&Telling, Untold<'_>)>> = BTreeMap::new();
    for telling in state.tellings.values() {
        if let Some(untold) = untold(state, seen, telling, now) {
            late.entry(telling.vendor).or_default().push((telling, untold));
        }
    }
    for (vendor, mut untold) in late {
        untold.sort_by_key(|(telling, _)| telling.time);
        let Some((telling, first)) = untold.first() else { continue };
        let target = state.name_of(&telling.target);
        let what = match telling.matter {
            Matter::Severed { .. } => "severed",
            Matter::Restored { .. } => "restored",
        };
        let more = match untold.len() {
            1 => String::new(),
            many => format!(", and of {} more", many - 1),
        };
        let vendor = state.by_id(vendor.0).map_or("", |(_, name, _)| name);
        let error = first.error.map(|error| format!(": {error}")).unwrap_or_default();
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::ContactUntold,
            about: format!("vendor/{vendor}"),
            message: format!(
                "{} of {} contacts of `{vendor}` can't be told that `{target}` was {what}{more}{error}",
                first.untold, first.of
            ),
            hint: format!(
                "call them: `portcullis get vendor {vendor} -o yaml` has their numbers; a letter is tried for three days"
            ),
            due: None,
        });
    }
}

/// How many weren't told of how many, and why one of them can't be.
struct Untold<'a> {
    untold: usize,
    of: usize,
    error: Option<&'a str>,
}

fn untold<'a>(state: &State, seen: &'a TellingSeen, telling: &Telling, now: Timestamp) -> Option<Untold<'a>> {
    let age = now.duration_since(telling.time);
    let open = match &telling.matter {
        Matter::Severed { severance } => state.severances.contains_key(severance),
        Matter::Restored { .. } => age < FORGOTTEN_AFTER,
    };
    if !open || age < LATE_AFTER {
        return None;
    }
    let people = state.contacts_for(telling.vendor, &telling.target);
    let asked: Vec<_> =
        people.iter().filter(|recipient| matches!(recipient.asked, Asked::Yes | Asked::Beyond)).collect();
    let untold = asked.iter().filter(|recipient| match telling.words.get(&recipient.subject) {
        Some((TellingOutcome::Told, _)) => false,
        Some((TellingOutcome::GivenUp, _)) => true,
        // What is older is from before anybody was told of anything.
        None => age < FORGOTTEN_AFTER,
    });
    let untold: Vec<_> = untold.collect();
    let error = untold.iter().find_map(|recipient| seen.errors.get(&recipient.subject));
    let error = error.map(String::as_str);
    (!untold.is_empty()).then_some(Untold { untold: untold.len(), of: asked.len(), error })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, define, state};
    use super::*;
    use portcullis_domain::event::{Cause, Event, Severance};
    use portcullis_domain::ids::{OperatorId, SeveranceId, SubjectId};
    use portcullis_domain::target::Target;
    use portcullis_domain::telling::VendorTelling;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn whoever_is_not_told_for_long_is_told_of() {
        let mut state = state(2, "security", "2027-12-31", None);
        let contact = SubjectId(Uuid::from_u128(70));
        let personal = |text: &str| json!({ "$personal": { "subject": contact, "text": text } });
        let people = json!([{ "name": personal("Ann"), "email": personal("ann@acme.example") }]);
        define(&mut state, 1, "Vendor", json!({ "legal_name": "Acme", "contacts": people }));
        let (severance, vendor) = (SeveranceId(Uuid::from_u128(71)), VendorId(Uuid::from_u128(1)));
        let cause = Cause::Operator {
            operator: OperatorId(Uuid::from_u128(901)),
            reason: "theft".into(),
            tell: None,
        };
        let (target, time) = (Target::Vendor { id: vendor }, at("2026-06-01T00:00:00Z"));
        state.apply(&Event::Severed(Severance {
            id: severance,
            target,
            epoch: 2,
            keys: Vec::new(),
            cause,
            time,
        }));
        let error = "no route to ann".to_owned();
        let seen = TellingSeen { by_mail: true, errors: [(contact, error)].into() };
        let found = |state: &State, seen: &TellingSeen, now: &str| {
            let mut found = Vec::new();
            find(state, seen, at(now), &mut found);
            found.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
        };
        let late = "1 of 1 contacts of `acme` can't be told that `vendor/acme` was severed: no route to ann";
        assert_eq!(found(&state, &seen, "2026-06-01T00:14:59Z"), [""; 0]);
        assert_eq!(found(&state, &seen, "2026-06-01T00:15:00Z"), [late]);
        let off = TellingSeen { by_mail: false, ..seen.clone() };
        assert_eq!(found(&state, &off, "2026-06-01T00:15:00Z"), [""; 0]);
        assert_eq!(found(&state, &seen, "2026-06-05T00:00:00Z"), [""; 0], "from before there were letters");
        let word = |state: &mut State, outcome| {
            let told = VendorTelling { matter: severance.0, vendor, contact, outcome, time };
            state.apply(&Event::VendorTold(told));
        };
        word(&mut state, TellingOutcome::GivenUp);
        assert_eq!(found(&state, &seen, "2026-06-09T00:00:00Z"), [late]);
        word(&mut state, TellingOutcome::Told);
        assert_eq!(found(&state, &seen, "2026-06-09T00:00:00Z"), [""; 0]);
    }
}
