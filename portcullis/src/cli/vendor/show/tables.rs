//! What a vendor's access rests on, a table each.

use jiff::Timestamp;
use portcullis_api::dossiers::{DossierView, EvidenceState, ExceptionState};
use portcullis_assurance::evidence::{Proof, ProofOutcome};
use portcullis_assurance::request::RequestState;
use portcullis_assurance::screening::MatchWord;
use portcullis_assurance::vulnerability::Exploitability;

use super::super::admission::state_of;
use super::{entity_told, source_told};
use crate::cli::output::{Paint, Style, width_max};
use crate::cli::table::{Cell, Table};
use crate::cli::time;

/// Those that hold anything.
pub(super) fn all(text: &mut String, view: &DossierView, paint: Paint, now: Timestamp) {
    section(text, "steps", &steps(view), paint);
    if !view.entity.is_empty() {
        text.push_str(&paint.paint("\nlegal entity\n", Style::Dim));
        for line in view.entity.iter().flat_map(entity_told) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    if !view.shell_signs.is_empty() {
        text.push_str(&paint.paint("\nsigns of a shell, each for itself\n", Style::Dim));
        for known in &view.shell_signs {
            text.push_str(&format!("  {}  ({})\n", known.sentence, source_told(&known.source)));
        }
    }
    section(text, "evidence", &evidence(view, now), paint);
    section(text, "requests", &requests(view), paint);
    section(text, "vulnerabilities", &vulnerabilities(view), paint);
    section(text, "matches with lists", &matches(view), paint);
    section(text, "breaches", &breaches(view), paint);
    section(text, "exceptions", &exceptions(view), paint);
    section(text, "findings", &findings(view), paint);
    section(text, "tasks", &tasks(view), paint);
    section(text, "audits", &audits(view), paint);
    for seen in &view.undeclared {
        let since = time::instant(seen.at);
        text.push_str(&format!("\n  undeclared data: `{}`, seen since {since}\n", seen.class));
    }
    if let Some(leaving) = &view.offboarding {
        let state = if leaving.done { "done" } else { "under way" };
        let ends = time::instant(leaving.ends);
        text.push_str(&format!("\n  off-boarding {state}, access ends {ends}: {}\n", leaving.plan));
    }
}

fn section(text: &mut String, title: &str, table: &Table, paint: Paint) {
    if table.is_empty() {
        return;
    }
    text.push_str(&paint.paint(&format!("\n{title}\n"), Style::Dim));
    for line in table.render_within(paint, width_max().saturating_sub(2)).lines() {
        text.push_str(&format!("  {line}\n"));
    }
}

fn steps(view: &DossierView) -> Table {
    let mut table = Table::new(["STEP", "STATE", "OWNER", "DUE", "BY", "~REASON OR WHAT IS MISSING"]);
    for known in &view.steps {
        let (state, style) = state_of(known);
        let why = known.reason.clone().unwrap_or_else(|| known.needs.join("; "));
        table.row([
            known.step.name().into(),
            Cell::styled(state, style),
            known.owner.clone().unwrap_or_default().into(),
            known.due.map(|due| due.to_string()).unwrap_or_default().into(),
            known.by.clone().unwrap_or_default().into(),
            why.into(),
        ]);
    }
    table
}

pub(in crate::cli::vendor) fn evidence(view: &DossierView, now: Timestamp) -> Table {
    let mut table = Table::new(["KIND", "STATE", "ISSUED", "EXPIRES", "SIGNED BY", "~TITLE", "ID"]);
    for filed in &view.evidence {
        let (state, style) = match filed.state {
            EvidenceState::InForce => ("in force", Style::Good),
            EvidenceState::Expired => ("expired", Style::Warning),
            EvidenceState::Altered => ("altered", Style::Bad),
            EvidenceState::Forged => ("forged", Style::Bad),
            EvidenceState::Withdrawn => ("withdrawn", Style::Dim),
        };
        let ends = filed.ends.map_or_else(String::new, |ends| {
            let left = ends.duration_since(now).as_secs();
            let day = ends.strftime("%Y-%m-%d");
            if left > 0 { format!("{day} (in {})", time::span(left)) } else { day.to_string() }
        });
        table.row([
            filed.evidence.content.kind().into(),
            Cell::styled(state, style),
            filed.evidence.issued.to_string().into(),
            ends.into(),
            signed_by(filed.evidence.proof.as_ref()),
            filed.evidence.title.as_str().into(),
            filed.evidence.id.to_string().into(),
        ]);
    }
    table
}

fn signed_by(proof: Option<&Proof>) -> Cell {
    let Some(proof) = proof else { return "".into() };
    match proof.outcome {
        ProofOutcome::Valid => {
            let signer = proof.auditor.as_ref().or(proof.signer.as_ref());
            Cell::styled(signer.cloned().unwrap_or_default(), Style::Good)
        }
        ProofOutcome::UnknownSigner => Cell::styled("unknown signer", Style::Warning),
        ProofOutcome::Invalid => Cell::styled("broken", Style::Bad),
    }
}

fn requests(view: &DossierView) -> Table {
    let mut table = Table::new(["WANTED", "STATE", "DUE", "~WHY", "ID"]);
    for asked in &view.requests {
        let (state, style, why) = match &asked.state {
            RequestState::Open if !asked.sent.is_empty() => ("to be read", Style::Warning, ""),
            RequestState::Open => ("open", Style::Warning, ""),
            RequestState::Answered { .. } => ("answered", Style::Good, ""),
            RequestState::Refused { reason, .. } => ("refused", Style::Bad, reason.as_str()),
            RequestState::Withdrawn { .. } => ("withdrawn", Style::Dim, ""),
        };
        table.row([
            asked.request.wanted.as_str().into(),
            Cell::styled(state, style),
            asked.request.due.to_string().into(),
            why.into(),
            asked.request.id.to_string().into(),
        ]);
    }
    table
}

fn vulnerabilities(view: &DossierView) -> Table {
    let mut table = Table::new(["ID", "SEVERITY", "OPEN", "VENDOR SAYS", "~TITLE"]);
    for known in &view.vulnerabilities {
        let days = known.open_days;
        let (open, style) = match (known.closed, known.critical) {
            (true, _) => (format!("closed after {days} days"), Style::Dim),
            (false, true) => (format!("{days} days"), Style::Bad),
            (false, false) => (format!("{days} days"), Style::Plain),
        };
        let severity = match (known.critical, known.vulnerability.cvss_tenths) {
            (true, _) => "critical".to_owned(),
            (false, Some(score)) => format!("{}.{}", score / 10, score % 10),
            (false, None) => "unknown".to_owned(),
        };
        let word = match known.word {
            None => "",
            Some(Exploitability::NotAffected) => "not affected",
            Some(Exploitability::Affected) => "affected",
            Some(Exploitability::Fixed) => "fixed",
            Some(Exploitability::UnderInvestigation) => "under investigation",
        };
        table.row([
            known.vulnerability.id.as_str().into(),
            severity.into(),
            Cell::styled(open, style),
            word.into(),
            known.vulnerability.title.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

fn matches(view: &DossierView) -> Table {
    let mut table = Table::new(["LIST", "ENTRY", "SCORE", "WORD", "~NAME", "~WHY"]);
    for known in &view.matches {
        let (word, style) = match known.word {
            None => ("nobody's yet", Style::Warning),
            Some(MatchWord::Cleared) => ("somebody else", Style::Dim),
            Some(MatchWord::Confirmed) => ("confirmed", Style::Bad),
        };
        let score = known.found.score;
        table.row([
            known.list.as_str().into(),
            known.found.entry.as_str().into(),
            format!("{}.{:03}", score / 1_000, score % 1_000).into(),
            Cell::styled(word, style),
            known.found.name.as_str().into(),
            known.found.why.as_str().into(),
        ]);
    }
    table
}

fn breaches(view: &DossierView) -> Table {
    let mut table = Table::new(["KNOWN TO IT", "TOLD US", "STATE", "~WHAT", "ID"]);
    for breach in &view.breaches {
        let (state, style) = if breach.closed { ("closed", Style::Dim) } else { ("open", Style::Bad) };
        table.row([
            time::instant(breach.aware).into(),
            time::instant(breach.noticed).into(),
            Cell::styled(state, style),
            breach.what.as_str().into(),
            breach.id.to_string().into(),
        ]);
    }
    table
}

fn exceptions(view: &DossierView) -> Table {
    let mut table = Table::new(["STOP", "STATE", "UNTIL", "PROPOSED", "CONFIRMED", "~CONTROL", "ID"]);
    for exception in &view.exceptions {
        let (state, style) = match exception.state {
            ExceptionState::Proposed => ("waits for a second person", Style::Warning),
            ExceptionState::InForce => ("in force", Style::Good),
            ExceptionState::Ended => ("ended", Style::Dim),
        };
        let subject = exception.subject.as_deref().map(|of| format!(" {of}")).unwrap_or_default();
        table.row([
            format!("{}{subject}", exception.stop.name()).into(),
            Cell::styled(state, style),
            time::instant(exception.until).into(),
            exception.proposed_by.clone().unwrap_or_default().into(),
            exception.confirmed_by.clone().unwrap_or_default().into(),
            exception.control.as_str().into(),
            exception.id.to_string().into(),
        ]);
    }
    table
}

fn findings(view: &DossierView) -> Table {
    let mut table = Table::new(["SEVERITY", "STATE", "OWNER", "DUE", "~TITLE", "ID"]);
    for finding in &view.findings {
        let severity = serde_json::to_value(finding.severity).unwrap_or_default();
        table.row([
            severity.as_str().unwrap_or_default().into(),
            (if finding.closed { "closed" } else { "open" }).into(),
            finding.owner.clone().unwrap_or_default().into(),
            finding.due.map(|due| due.to_string()).unwrap_or_default().into(),
            finding.title.as_str().into(),
            finding.id.to_string().into(),
        ]);
    }
    table
}

fn tasks(view: &DossierView) -> Table {
    let mut table = Table::new(["STATE", "OWNER", "DUE", "~TITLE", "ID"]);
    for task in &view.tasks {
        table.row([
            (if task.done { "done" } else { "open" }).into(),
            task.owner.clone().unwrap_or_default().into(),
            task.due.map(|due| due.to_string()).unwrap_or_default().into(),
            task.title.as_str().into(),
            task.id.to_string().into(),
        ]);
    }
    table
}

fn audits(view: &DossierView) -> Table {
    let mut table = Table::new(["DUE", "EVERY", "LAST", "~SCOPE", "ID"]);
    for audit in &view.audits {
        table.row([
            audit.due.map(|due| due.to_string()).unwrap_or_default().into(),
            audit.every_months.map(|months| format!("{months} months")).unwrap_or_default().into(),
            audit.done.map(|done| done.strftime("%Y-%m-%d").to_string()).unwrap_or_default().into(),
            audit.scope.as_str().into(),
            audit.id.to_string().into(),
        ]);
    }
    table
}
