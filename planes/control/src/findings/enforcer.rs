//! The enforcer: what it can't do, and what it has not closed. And sealed credentials that are open.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::break_glass::OPEN_HOURS;
use portcullis_domain::state::State;

use crate::arms::EnforcerStanding;

pub(super) fn find(state: &State, enforcer: &EnforcerStanding, found: &mut Vec<Finding>) {
    if let Some(why) = &enforcer.why_lost {
        found.push(Finding {
            severity: Severity::Critical,
            code: FindingCode::EnforcerLost,
            about: "installation".to_owned(),
            message: format!("the enforcer is not linked: {}", first_line(why)),
            hint: "start `portcullis enforcer` again; what is cut stays cut, and nothing more can be"
                .to_owned(),
            due: None,
        });
    }
    if let Some(why) = &enforcer.refused {
        found.push(Finding {
            severity: Severity::Critical,
            code: FindingCode::NetworkPlanRefused,
            about: "installation".to_owned(),
            message: format!("the enforcer refuses the network plan, and an older one is in force: {}", first_line(why)),
            hint: "it is sent again under a later version; if this stays, start `portcullis enforcer` anew: what is cut stays cut"
                .to_owned(),
            due: None,
        });
    }
    // One that says what its cuts are about is told of as a severance.
    for severance in enforcer.held.iter().filter(|held| !state.severances_known.contains(held)) {
        found.push(Finding {
            severity: Severity::Critical,
            code: FindingCode::CutUnknown,
            about: "installation".to_owned(),
            message: format!("the enforcer holds cut `{severance}`, which the ledger doesn't know"),
            hint: "start an enforcer of this version: it says whose cut it is, which is then a severance that two people can restore"
                .to_owned(),
            due: None,
        });
    }
    for fault in &enforcer.faults {
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::NetworkNotEnforced,
            about: format!("arm/{}", fault.arm),
            message: format!("the network plan is not in force: {}", first_line(&fault.why)),
            hint: "it is tried on; look at the enforcer's log, and at `portcullis doctor`".to_owned(),
            due: None,
        });
    }
    for (severance, faults) in &enforcer.failing {
        let Some(severance) = state.severances.get(severance) else { continue };
        let target = state.name_of(&severance.target);
        for fault in faults {
            found.push(Finding {
                severity: Severity::Critical,
                code: FindingCode::PathNotClosed,
                about: target.clone(),
                message: format!(
                    "`{target}` is severed, but arm `{}` has not verified it: {}",
                    fault.arm,
                    first_line(&fault.why)
                ),
                hint: "close that path by hand now; it is tried on until it is verified".to_owned(),
                due: Some(severance.time),
            });
        }
    }
}

pub(super) fn find_opened(state: &State, found: &mut Vec<Finding>) {
    for known in state.break_glass.values() {
        let Some(opened) = known.opened_at else { continue };
        let name = &known.seal.name;
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::BreakGlassOpened,
            about: format!("break-glass/{name}"),
            message: format!("the break-glass credential `{name}` was used at {}", shown(opened)),
            hint: format!(
                "find out by whom; it is good for {OPEN_HOURS} hours: `portcullis break-glass remove {name}`, then seal a new one"
            ),
            due: Some(opened),
        });
    }
}

fn shown(time: Timestamp) -> String {
    time.round(jiff::Unit::Second).unwrap_or(time).to_string()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
