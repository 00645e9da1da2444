//! What has happened at the vendor: stops 8 and 10.

use jiff::{SignedDuration, Timestamp};

use super::{Fact, Known, Stop};
use crate::access::Access;
use crate::days::beyond;
use crate::dossier::{Breach, UndeclaredData};

/// Hours within which a vendor tells of its breach; a contract may give it fewer.
const NOTICE_HOURS: u32 = 24;
const MASKED: SignedDuration = SignedDuration::from_hours(24);

/// Hours that a vendor has, where its contract gives it `hours`, or says nothing of them.
#[must_use]
pub fn window(hours: Option<u32>) -> u32 {
    hours.map_or(NOTICE_HOURS, |hours| hours.min(NOTICE_HOURS))
}

/// Whether the vendor told us later than it may.
pub(crate) fn is_late(aware: Timestamp, noticed: Timestamp, window_hours: Option<u32>) -> bool {
    noticed.duration_since(aware) > SignedDuration::from_hours(i64::from(window(window_hours)))
}

pub(super) fn breach_notice(known: &Known<'_>, _now: Timestamp) -> Vec<Fact> {
    let late = |breach: &&Breach| {
        breach.closed.is_none() && is_late(breach.aware, breach.noticed, breach.window_hours)
    };
    let breaches = known.dossier.breaches.iter().filter(|(_, breach)| late(breach));
    breaches
        .map(|(id, breach)| {
            let hours = breach.noticed.duration_since(breach.aware).as_hours();
            let fact = format!(
                "breach noticed {hours} hours after the vendor knew of it, {} are agreed: {}",
                window(breach.window_hours),
                breach.what
            );
            let remedy = "settle the breach of contract with the vendor, and close it with what was agreed";
            Fact::new(Stop::BreachNotice, Access::Held, fact, remedy)
                .about(id.to_string())
                .since(breach.noticed)
        })
        .collect()
}

/// From when on undeclared data holds the vendor; before, it is masked only.
pub(super) fn held_from(seen: &UndeclaredData) -> Timestamp {
    beyond(seen.at, MASKED)
}

pub(super) fn undeclared_data(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    let seen = known.dossier.undeclared.iter();
    seen.map(|(class, seen)| {
        let hours = now.duration_since(seen.at).as_hours().max(0);
        let route = seen.route.as_ref().map(|route| format!(" on route `{route}`")).unwrap_or_default();
        let access = if now < held_from(seen) { Access::Clear } else { Access::Held };
        let what = if access == Access::Clear { "masked, and holds the vendor after 24 hours" } else { "not settled" };
        let fact = format!("personal data of class `{class}`{route} that no inventory declares, seen {hours} hours ago: {what}");
        let remedy = "declare the data in the inventory, or have it left out, and settle it";
        Fact::new(Stop::UndeclaredData, access, fact, remedy).about(class).since(seen.at)
    })
    .collect()
}
