//! Promises of contracts that break, or will if nothing changes.

use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_metrics::service_level::Pace;

use crate::metrics::PromiseStanding;

pub(super) fn find(promises: &[PromiseStanding], found: &mut Vec<Finding>) {
    for promise in promises {
        let Some(pace) = promise.standing.pace else { continue };
        let (severity, code, how) = match pace {
            Pace::Spent => (Severity::High, FindingCode::ServiceLevelBroken, "is broken"),
            Pace::Fast => {
                (Severity::High, FindingCode::ServiceLevelBurning, "lost 2 % of its budget in an hour")
            }
            Pace::Steady => {
                (Severity::Medium, FindingCode::ServiceLevelBurning, "lost 5 % of its budget in six hours")
            }
            Pace::Slow => {
                (Severity::Low, FindingCode::ServiceLevelBurning, "lost 10 % of its budget in a day")
            }
        };
        let objective = promise.objective;
        found.push(Finding {
            severity,
            code,
            about: format!("contract/{}", promise.contract),
            message: format!(
                "the promise of `{}` in `{}`, {} over {} days, {how}",
                objective.as_str(),
                promise.contract,
                promised(promise),
                promise.days
            ),
            hint: format!(
                "`portcullis describe vendor {}` shows which routes fail; the upstream's team can say why",
                promise.vendor
            ),
            due: None,
        });
    }
}

fn promised(promise: &PromiseStanding) -> String {
    match promise.objective {
        portcullis_metrics::service_level::Objective::Availability(_) => {
            format!("{} %", promise.objective.promised())
        }
        portcullis_metrics::service_level::Objective::LatencyP99(_) => {
            format!("{} ms", promise.objective.promised())
        }
    }
}
