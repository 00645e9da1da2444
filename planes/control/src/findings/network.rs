//! Packets of vendors' networks outside the network plan.

use jiff::{SignedDuration, Timestamp};
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::state::State;

use crate::network::Dropped;

/// How long after the last one it is told.
const TOLD: SignedDuration = SignedDuration::from_hours(24);
/// As fast as nobody types: a scan, or a machine that is wrongly set up.
const FAST_PER_MINUTE: u64 = 100;

pub(super) fn find(state: &State, dropped: &[Dropped], now: Timestamp, found: &mut Vec<Finding>) {
    for of in dropped {
        let Some(seen) = of.last_seen.filter(|seen| now.duration_since(*seen) <= TOLD) else { continue };
        // Of a vendor that is gone, no packet is looked at any more.
        let Some((_, name, _)) = state.by_id(of.vendor.0) else { continue };
        let fast = of.packets_per_minute >= FAST_PER_MINUTE;
        found.push(Finding {
            severity: if fast { Severity::High } else { Severity::Medium },
            code: FindingCode::PacketsOutside,
            about: format!("vendor/{name}"),
            message: format!(
                "{} packets from networks of `{name}` were dropped, {} a minute lately: they went to what it may not reach, or came while it was closed",
                of.packets_new, of.packets_per_minute
            ),
            hint: format!(
                "ask the security contact of `{name}` what its machines look for; `portcullis network show` has the counts"
            ),
            due: Some(seen),
        });
    }
}
