//! A clock that jumps.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};

use super::DAY_SECONDS;
use crate::clock_watch::ClockSeen;

/// A time service that slews is never so far off.
const AHEAD_US_MAX: i64 = 2_000_000;

pub(super) fn find(seen: &ClockSeen, now: Timestamp, found: &mut Vec<Finding>) {
    if seen.ahead_us > AHEAD_US_MAX {
        let seconds = seen.ahead_us / 1_000_000;
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::ClockBehind,
            about: "installation".to_owned(),
            message: format!("the machine's clock is {seconds} s behind the time that decides, which never goes back"),
            hint: "set the clock by a time service; when it was far ahead for a moment, start again once it is right".to_owned(),
            due: None,
        });
    }
    let Some(jump) = seen.last else { return };
    if now.as_second().saturating_sub(jump.at.as_second()) < DAY_SECONDS {
        let direction = if jump.by_us > 0 { "forwards" } else { "back" };
        found.push(Finding {
            severity: Severity::Medium,
            code: FindingCode::ClockJumped,
            about: "installation".to_owned(),
            message: format!(
                "the machine's clock has jumped {direction} by {} s",
                jump.by_us.abs() / 1_000_000
            ),
            hint:
                "let a time service keep the clock (`timedatectl`), and see whether the machine was suspended"
                    .to_owned(),
            due: Some(jump.at),
        });
    }
}
