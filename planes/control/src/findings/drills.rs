//! Whether the kill drill runs, and passes.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;
use portcullis_exercise::run::DRILL;

use super::DAY_SECONDS;

pub(super) fn find(state: &State, now: Timestamp, found: &mut Vec<Finding>) {
    let mut canaries = state.of_kind(Kind::Vendor);
    let canary =
        canaries.find(|(_, vendor)| matches!(&vendor.declaration.spec, Spec::Vendor(spec) if spec.canary));
    let Some((name, _)) = canary else { return };
    let last = state.exercise_runs.get(DRILL).and_then(|runs| runs.back()).map(|last| &last.run);
    let mut tell = |severity, code, message: String, hint: &str| {
        let (about, due) = (format!("vendor/{name}"), last.map(|run| run.started_at));
        found.push(Finding { severity, code, about, message, hint: hint.to_owned(), due });
    };
    let Some(run) = last else {
        let hint = "the first runs within seconds, unless `kill_drill` of settings.json is off; `portcullis exercise drill` runs it now";
        tell(Severity::Medium, FindingCode::KillDrillMissed, "no kill drill has run yet".to_owned(), hint);
        return;
    };
    if !run.passed {
        let why = run.failures.first().map_or("it did not pass", String::as_str);
        let hint = "`portcullis exercise report kill-drill` says what is open; `portcullis exercise drill` runs it again";
        tell(
            Severity::Critical,
            FindingCode::KillDrillFailed,
            format!("the kill drill has failed: {why}"),
            hint,
        );
    }
    let days = now.as_second().saturating_sub(run.started_at.as_second()) / DAY_SECONDS;
    if days >= 2 {
        let hint =
            "look at `kill_drill` in settings.json and at the log; `portcullis exercise drill` runs it now";
        tell(
            Severity::High,
            FindingCode::KillDrillMissed,
            format!("no kill drill has run for {days} days"),
            hint,
        );
    }
}
