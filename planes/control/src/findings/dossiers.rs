//! What stops vendors, or will by itself, and what is late of the work on them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_assurance::Dossier;
use portcullis_assurance::assessment::StepState;
use portcullis_assurance::evidence::Severity as Weight;
use portcullis_assurance::request::RequestState;
use portcullis_assurance::stops::{self, Held, StopMode};
use portcullis_domain::access::Access;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;

pub(super) fn find(state: &State, now: Timestamp, found: &mut Vec<Finding>) {
    let papers = state.papers(None);
    for (name, vendor) in state.of_kind(Kind::Vendor) {
        // Nobody is behind it whose papers could be asked for.
        if state.canary(name).is_some() {
            continue;
        }
        let Some(known) = papers.known(name, vendor) else { continue };
        let held = stops::at(&known.known(), now);
        let enforced = held.iter().any(|held| held.mode == StopMode::Enforce);
        // Where nothing is enforced and nobody has begun a dossier, there is nothing to be told of yet.
        if !enforced && known.dossier.version == 0 {
            continue;
        }
        found.extend(stopped(name, &held));
        found.extend(stops::warnings(&known.known(), now).into_iter().map(|warning| Finding {
            severity: match (warning.mode, warning.days) {
                (StopMode::Enforce, ..=7) => Severity::Medium,
                (StopMode::Enforce, _) => Severity::Low,
                _ => Severity::Info,
            },
            code: FindingCode::VendorStopAhead,
            about: format!("vendor/{name}"),
            message: warning.sentence,
            hint: format!("`portcullis vendor outlook {name}`"),
            due: Some(warning.at),
        }));
        late(name, &known.dossier, now, found);
    }
}

/// One for each vendor: the worst that holds, and how many more.
fn stopped(name: &str, held: &[Held]) -> Option<Finding> {
    let worst = held.first()?;
    let severity = match (worst.mode, worst.access) {
        (StopMode::Enforce, Access::Held | Access::Blocked) => Severity::High,
        (StopMode::Enforce, _) => Severity::Medium,
        _ => Severity::Info,
    };
    let others = match held.len() - 1 {
        0 => String::new(),
        1 => " (and another stop)".to_owned(),
        many => format!(" (and {many} other stops)"),
    };
    let observed = if worst.mode == StopMode::Enforce { "is" } else { "would be" };
    let (access, fact) = (worst.access.as_str(), &worst.fact);
    Some(Finding {
        severity,
        code: FindingCode::VendorStopped,
        about: format!("vendor/{name}"),
        message: format!("`{name}` {observed} {access}: {fact}{others}"),
        hint: format!("{}; `portcullis vendor show {name}`", worst.remedy),
        due: None,
    })
}

fn late(name: &str, dossier: &Dossier, now: Timestamp, found: &mut Vec<Finding>) {
    let mut tell = |code, severity, due: Date, message: String, hint: String| {
        if let Some(end) = end_of(due).filter(|end| *end <= now) {
            found.push(Finding {
                severity,
                code,
                about: format!("vendor/{name}"),
                message,
                hint,
                due: Some(end),
            });
        }
    };
    for asked in dossier.requests.values().filter(|asked| asked.state == RequestState::Open) {
        let wanted = &asked.request.wanted;
        let message = format!("`{name}` was asked for `{wanted}` and hasn't answered");
        let hint = "ask again, or record that it refuses".to_owned();
        tell(FindingCode::EvidenceOverdue, Severity::Medium, asked.request.due, message, hint);
    }
    let overdue = FindingCode::AssessmentOverdue;
    for (step, standing) in &dossier.steps {
        let open = matches!(standing.state, StepState::Open | StepState::InProgress);
        if let Some(due) = standing.due.filter(|_| open) {
            let owner = standing.owner.as_deref().unwrap_or("nobody");
            let message = format!("step `{}` of `{name}` is late; {owner} sees to it", step.name());
            let hint = format!("`portcullis vendor assess {name}`");
            tell(overdue, Severity::Medium, due, message, hint);
        }
    }
    for (id, finding) in dossier.findings.iter().filter(|(_, finding)| finding.closed.is_none()) {
        let severity = if finding.severity >= Weight::High { Severity::High } else { Severity::Medium };
        if let Some(due) = finding.due {
            let message = format!("a finding of `{name}` is late: {}", finding.title);
            tell(overdue, severity, due, message, format!("close it with evidence, by its id `{id}`"));
        }
    }
    for (id, task) in dossier.tasks.iter().filter(|(_, task)| task.done_at.is_none()) {
        if let Some(due) = task.due {
            let message = format!("a task of `{name}` is late: {}", task.title);
            tell(overdue, Severity::Low, due, message, format!("do it, and say so by its id `{id}`"));
        }
    }
    for audit in dossier.audits.values() {
        if let Some(due) = audit.due {
            let message = format!("the audit of `{name}` is late: {}", audit.scope);
            tell(overdue, Severity::Medium, due, message, "do it, and record what came out".to_owned());
        }
    }
}

/// The first moment after a day, in UTC.
fn end_of(day: Date) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(next.timestamp())
}
