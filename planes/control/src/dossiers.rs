//! Dossiers as people look at them.

mod next;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use portcullis_api::dossiers::{
    AuditView, BreachView, ChangeMade, DocumentGone, DossierView, EvidenceState, EvidenceView,
    ExceptionState, ExceptionView, FindingView, MatchView, NextAccess, OffboardingView, OutlookView,
    RequestView, ScreeningView, ShellSignView, StepView, TaskView, UndeclaredView, VendorLine,
    VulnerabilityView,
};
use portcullis_assurance::Dossier;
use portcullis_assurance::assessment::{Step, StepState};
use portcullis_assurance::change::Change;
use portcullis_assurance::days::date_of;
use portcullis_assurance::dossier::{Filed, StopException};
use portcullis_assurance::shell;
use portcullis_assurance::stops::{self, OwnedKnown, StopMode};
use portcullis_domain::access::Access;
use portcullis_domain::ids::{OperatorId, VendorId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::{Resource, State};

use crate::oauth::evidence::sent_for;
use crate::severing::operator_name;

/// How far lists look for the next change of access.
const LOOK_AHEAD_DAYS: i64 = 365;
const DAY_HOURS: i64 = 24;

/// One line for each vendor, the worst access first, and then by name: `limit` of them behind `after`.
pub fn lines(
    state: &State,
    now: Timestamp,
    limit: usize,
    after: Option<(Access, &str)>,
) -> (Vec<VendorLine>, bool) {
    let papers = state.papers(None);
    let mut places: Vec<(Reverse<Access>, &str, &Resource)> = state
        .of_kind(Kind::Vendor)
        .filter_map(|(name, vendor)| {
            let held = stops::at(&papers.known(name, vendor)?.known(), now);
            let by_hand = state.held_by_hand(VendorId(vendor.id)).level;
            Some((Reverse(stops::access(&held).max(by_hand)), name, vendor))
        })
        .collect();
    places.sort_by_key(|(access, name, _)| (*access, *name));
    let after = after.map(|(access, name)| (Reverse(access), name));
    let mut rest =
        places.iter().filter(|(access, name, _)| after.is_none_or(|after| (*access, *name) > after));
    // Looking ahead costs most: it is done for those of the page alone.
    let page = rest.by_ref().take(limit).filter_map(|(_, name, vendor)| {
        let known = papers.known(name, vendor)?;
        Some(line(state, name, VendorId(vendor.id), &known, now))
    });
    let page = page.collect();
    (page, rest.next().is_some())
}

fn line(state: &State, name: &str, vendor: VendorId, known: &OwnedKnown, now: Timestamp) -> VendorLine {
    let held = stops::at(&known.known(), now);
    let by_hand = state.held_by_hand(vendor);
    let access = stops::access(&held).max(by_hand.level);
    let enforced = held.iter().find(|held| held.mode == StopMode::Enforce && held.access == access);
    let said = by_hand.reasons.first().filter(|reason| reason.level == access);
    let why = enforced
        .map(|held| held.fact.clone())
        .or_else(|| said.map(|reason| reason.sentence.clone()))
        .filter(|_| access > Access::Clear);
    let open = known.dossier.missing_steps().len();
    VendorLine {
        vendor: name.to_owned(),
        access,
        tier: known.tier,
        admission: known.dossier.admission,
        approved: Step::ALL.len() - open,
        steps: Step::ALL.len(),
        observed: held.iter().filter(|held| held.mode == StopMode::Observe).count(),
        why,
        next: next_access(known, by_hand.level, now),
    }
}

fn next_access(known: &OwnedKnown, by_hand: Access, now: Timestamp) -> Option<NextAccess> {
    let stretches = stops::outlook(&known.known(), now, ahead(now, LOOK_AHEAD_DAYS));
    let first = stretches.first().map(|first| first.access.max(by_hand))?;
    let next = stretches.iter().find(|stretch| stretch.access.max(by_hand) != first)?;
    Some(NextAccess { at: next.from, access: next.access.max(by_hand) })
}

/// What becomes of a vendor's access within `days` if nobody does anything.
pub fn outlook(state: &State, name: &str, now: Timestamp, days: i64) -> Option<OutlookView> {
    let vendor = VendorId(state.resource(Kind::Vendor, name)?.id);
    let known = state.known(vendor)?;
    Some(OutlookView {
        vendor: name.to_owned(),
        stretches: stops::outlook(&known.known(), now, ahead(now, days)),
        warnings: stops::warnings(&known.known(), now),
    })
}

fn ahead(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(DAY_HOURS * days)).unwrap_or(Timestamp::MAX)
}

/// All that is known of the vendor called `name`, if there is one.
pub fn view(state: &State, name: &str, now: Timestamp) -> Option<DossierView> {
    let vendor = VendorId(state.resource(Kind::Vendor, name)?.id);
    let known = state.known(vendor)?;
    let held = stops::at(&known.known(), now);
    let warnings = stops::warnings(&known.known(), now);
    let by_hand = state.held_by_hand(vendor);
    let dossier = &*known.dossier;
    let who = |by: Option<OperatorId>| by.map(|by| operator_name(state, by));
    Some(DossierView {
        vendor: name.to_owned(),
        legal_name: known.legal_name.clone(),
        version: dossier.version,
        access: stops::access(&held).max(by_hand.level),
        tier: known.tier,
        admission: dossier.admission,
        hold: (by_hand.level > Access::Clear).then(|| by_hand.into()),
        steps: Step::ALL.into_iter().map(|step| step_view(dossier, step, &who)).collect(),
        entity: dossier.entity.values().cloned().collect(),
        shell_signs: shell_signs(&known, now),
        evidence: dossier.evidence.values().map(|filed| evidence_view(filed, now)).collect(),
        requests: dossier
            .requests
            .values()
            .map(|asked| RequestView {
                request: asked.request.clone(),
                state: asked.state.clone(),
                sent: sent_for(dossier, asked.request.id),
            })
            .collect(),
        vulnerabilities: vulnerabilities(dossier, now),
        matches: matches(dossier),
        exceptions: dossier
            .exceptions
            .iter()
            .map(|(id, exception)| ExceptionView {
                id: *id,
                stop: exception.stop,
                subject: exception.subject.clone(),
                control: exception.control.clone(),
                until: exception.until,
                proposed_by: who(exception.proposed_by),
                confirmed_by: who(exception.confirmed_by),
                state: exception_state(exception, now),
            })
            .collect(),
        findings: findings(dossier),
        tasks: tasks(dossier),
        screenings: dossier
            .screenings
            .values()
            .map(|screening| ScreeningView {
                list: screening.list.clone(),
                at: screening.at,
                matches: screening.matches.len(),
            })
            .collect(),
        breaches: breaches(dossier),
        undeclared: undeclared(dossier),
        signers: dossier.signers.iter().map(|signer| signer.name.clone()).collect(),
        audits: audits(dossier),
        offboarding: dossier.offboarding.as_ref().map(|leaving| OffboardingView {
            plan: leaving.plan.clone(),
            ends: leaving.ends,
            deletion_certified: leaving.deletion.is_some(),
            done: leaving.done.is_some(),
        }),
        next: next::commands(name, &known, &held, now),
        stops: held,
        warnings,
    })
}

/// Beside each name that a contract has, or the declared one.
fn shell_signs(known: &OwnedKnown, now: Timestamp) -> Vec<ShellSignView> {
    let named: BTreeSet<&str> = known
        .contracts
        .iter()
        .map(|contract| contract.vendor_name.as_deref().unwrap_or(&known.legal_name))
        .chain(known.contracts.is_empty().then_some(known.legal_name.as_str()))
        .collect();
    let mut views: Vec<ShellSignView> = Vec::new();
    for record in known.dossier.entity.values() {
        for name in &named {
            for sign in shell::signs(record, Some(name), date_of(now)) {
                let (sentence, source) = (sign.to_string(), record.source.clone());
                let view = ShellSignView { sign: sign.name().to_owned(), sentence, source };
                if !views.contains(&view) {
                    views.push(view);
                }
            }
        }
    }
    views
}

fn step_view(dossier: &Dossier, step: Step, who: &impl Fn(Option<OperatorId>) -> Option<String>) -> StepView {
    let standing = dossier.steps.get(&step).cloned().unwrap_or_default();
    StepView {
        step,
        state: standing.state,
        owner: standing.owner,
        due: standing.due,
        by: who(standing.by),
        at: standing.at,
        reason: standing.reason,
        needs: if standing.state == StepState::Approved { Vec::new() } else { next::needs(dossier, step) },
    }
}

fn evidence_view(filed: &Filed, now: Timestamp) -> EvidenceView {
    let ends = filed.evidence.ends();
    let state = if filed.withdrawn.is_some() {
        EvidenceState::Withdrawn
    } else if filed.altered.is_some() {
        EvidenceState::Altered
    } else if filed.is_broken() {
        EvidenceState::Forged
    } else if ends <= now {
        EvidenceState::Expired
    } else {
        EvidenceState::InForce
    };
    let ends = (ends < Timestamp::MAX).then_some(ends);
    let removed = filed.expired.as_ref().map(|gone| DocumentGone { at: gone.at, why: gone.reason.clone() });
    EvidenceView { evidence: filed.evidence.clone(), state, ends, removed }
}

/// The open and critical ones first, the oldest of them before others.
fn vulnerabilities(dossier: &Dossier, now: Timestamp) -> Vec<VulnerabilityView> {
    let mut views: Vec<VulnerabilityView> = dossier
        .vulnerabilities
        .values()
        .map(|known| {
            let until = known.closed.as_ref().map_or(now, |closed| closed.at);
            VulnerabilityView {
                vulnerability: known.vulnerability.clone(),
                critical: known.is_critical(),
                since: known.since(),
                open_days: until.duration_since(known.since()).as_hours().max(0) / DAY_HOURS,
                word: known.word.as_ref().map(|stated| stated.word),
                closed: known.closed.is_some(),
            }
        })
        .collect();
    views.sort_by_key(|view| (view.closed, !view.critical, view.since));
    views
}

fn matches(dossier: &Dossier) -> Vec<MatchView> {
    let known = dossier.matches.iter();
    known
        .map(|((list, _), known)| MatchView {
            list: list.clone(),
            found: known.found.clone(),
            since: known.since,
            present: known.present,
            word: known.word.as_ref().map(|judged| judged.word),
        })
        .collect()
}

fn exception_state(exception: &StopException, now: Timestamp) -> ExceptionState {
    if exception.in_force(now) {
        ExceptionState::InForce
    } else if exception.is_open(now) {
        ExceptionState::Proposed
    } else {
        ExceptionState::Ended
    }
}

fn findings(dossier: &Dossier) -> Vec<FindingView> {
    let mut views: Vec<FindingView> = dossier
        .findings
        .iter()
        .map(|(id, finding)| FindingView {
            id: *id,
            title: finding.title.clone(),
            severity: finding.severity,
            owner: finding.owner.clone(),
            due: finding.due,
            closed: finding.closed.is_some(),
        })
        .collect();
    views.sort_by_key(|view| (view.closed, Reverse(view.severity)));
    views
}

fn tasks(dossier: &Dossier) -> Vec<TaskView> {
    let mut views: Vec<TaskView> = dossier
        .tasks
        .iter()
        .map(|(id, task)| TaskView {
            id: *id,
            title: task.title.clone(),
            owner: task.owner.clone(),
            due: task.due,
            done: task.done_at.is_some(),
        })
        .collect();
    views.sort_by_key(|view| (view.done, view.due));
    views
}

fn breaches(dossier: &Dossier) -> Vec<BreachView> {
    let known = dossier.breaches.iter();
    known
        .map(|(id, breach)| BreachView {
            id: *id,
            aware: breach.aware,
            noticed: breach.noticed,
            what: breach.what.clone(),
            closed: breach.closed.is_some(),
        })
        .collect()
}

fn undeclared(dossier: &Dossier) -> Vec<UndeclaredView> {
    let known = dossier.undeclared.iter();
    known
        .map(|(class, seen)| UndeclaredView { class: class.clone(), route: seen.route.clone(), at: seen.at })
        .collect()
}

fn audits(dossier: &Dossier) -> Vec<AuditView> {
    let known = dossier.audits.iter();
    known
        .map(|(id, audit)| AuditView {
            id: *id,
            scope: audit.scope.clone(),
            due: audit.due,
            every_months: audit.every_months,
            done: audit.done.last().map(|done| done.at),
        })
        .collect()
}

/// In a few words, and without a person's name.
fn about(change: &Change) -> Option<String> {
    Some(match change {
        Change::StepDecided { step, state, .. } => {
            let state = match state {
                StepState::Open => "open",
                StepState::InProgress => "in progress",
                StepState::Approved => "approved",
                StepState::Rejected => "rejected",
            };
            format!("{} {state}", step.name())
        }
        Change::StepAssigned { step, .. } => step.name().to_owned(),
        Change::EntityChecked { record } => record.legal_name.clone(),
        Change::EvidenceAdded { evidence } => evidence.title.clone(),
        Change::EvidenceRequested { request } => request.wanted.clone(),
        Change::AdmittedProvisionally { until } => format!("until {until}"),
        Change::VulnerabilityFound { vulnerability, .. } => vulnerability.id.clone(),
        Change::ExploitabilityStated { vulnerability, .. }
        | Change::VulnerabilityClosed { vulnerability, .. } => vulnerability.clone(),
        Change::Screened { screening } => match screening.matches.len() {
            0 => format!("{}: no match", screening.list),
            1 => format!("{}: 1 match", screening.list),
            many => format!("{}: {many} matches", screening.list),
        },
        Change::ExceptionProposed { stop, .. } => stop.name().to_owned(),
        Change::FindingOpened { title, .. } | Change::TaskOpened { title, .. } => title.clone(),
        _ => return None,
    })
}

/// What a change is called, and the id of what it made.
pub fn made(change: &Change) -> ChangeMade {
    let id = match change {
        Change::EvidenceAdded { evidence } => Some(evidence.id.to_string()),
        Change::EvidenceRequested { request } => Some(request.id.to_string()),
        Change::ExceptionProposed { id, .. } => Some(id.to_string()),
        Change::BreachNoticed { id, .. } | Change::FindingOpened { id, .. } => Some(id.to_string()),
        Change::TaskOpened { id, .. } | Change::AuditPlanned { id, .. } => Some(id.to_string()),
        _ => None,
    };
    let written = serde_json::to_value(change).unwrap_or_default();
    let name = written.get("change").and_then(|name| name.as_str()).unwrap_or_default();
    ChangeMade { change: name.to_owned(), about: about(change), id }
}
