//! Folding a change in: total, and without any judgement.

use jiff::{Span, Timestamp};
use portcullis_ids::ids::EvidenceId;

use super::{
    Altered, Asked, Audit, AuthorisedSigner, Breach, Dossier, Ended, Filed, Finding, JudgedMatch, KnownMatch,
    KnownVulnerability, Offboarding, OffboardingDone, StatedExploitability, StopException, Task,
    UndeclaredData,
};
use crate::assessment::{Admission, StepState};
use crate::change::{Change, Entry};
use crate::days::starts;
use crate::entity::{EntityRecord, EntitySource};
use crate::evidence::{Evidence, ProofOutcome, Severity};
use crate::request::RequestState;
use crate::screening::{Match, MatchWord, Screening};
use crate::vulnerability::Vulnerability;

impl Dossier {
    /// Folds a change in; it can't fail.
    pub fn apply(&mut self, entry: &Entry) {
        self.version += 1;
        match &entry.change {
            Change::EntityChecked { .. }
            | Change::StepAssigned { .. }
            | Change::StepDecided { .. }
            | Change::Admitted
            | Change::AdmittedProvisionally { .. }
            | Change::AdmissionEnded { .. }
            | Change::Screened { .. }
            | Change::MatchJudged { .. }
            | Change::SignerAuthorised { .. } => self.apply_identity(entry),
            Change::EvidenceAdded { .. }
            | Change::EvidenceProven { .. }
            | Change::DocumentChanged { .. }
            | Change::DocumentMended { .. }
            | Change::EvidenceWithdrawn { .. }
            | Change::DocumentExpired { .. }
            | Change::EvidenceRequested { .. }
            | Change::RequestAnswered { .. }
            | Change::RequestRefused { .. }
            | Change::RequestWithdrawn { .. } => self.apply_evidence(entry),
            Change::VulnerabilityFound { .. }
            | Change::ExploitabilityStated { .. }
            | Change::VulnerabilityClosed { .. }
            | Change::BreachNoticed { .. }
            | Change::BreachClosed { .. }
            | Change::UndeclaredDataSeen { .. }
            | Change::UndeclaredDataSettled { .. }
            | Change::ExceptionProposed { .. }
            | Change::ExceptionConfirmed { .. }
            | Change::ExceptionEnded { .. } => self.apply_facts(entry),
            Change::FindingOpened { .. }
            | Change::FindingClosed { .. }
            | Change::TaskOpened { .. }
            | Change::TaskDone { .. }
            | Change::Reminded { .. }
            | Change::OffboardingBegun { .. }
            | Change::DeletionCertified { .. }
            | Change::OffboardingEnded { .. }
            | Change::AuditPlanned { .. }
            | Change::AuditDone { .. }
            | Change::OffboardingCancelled { .. } => self.apply_work(entry),
        }
    }

    fn apply_identity(&mut self, entry: &Entry) {
        match &entry.change {
            Change::EntityChecked { record } => self.note_entity(record),
            Change::StepAssigned { step, owner, due } => {
                let standing = self.steps.entry(*step).or_default();
                standing.owner.clone_from(owner);
                standing.due = *due;
            }
            Change::StepDecided { step, state, reason } => {
                let standing = self.steps.entry(*step).or_default();
                standing.state = *state;
                standing.by = entry.by;
                standing.at = Some(entry.time);
                standing.reason = Some(reason.clone());
            }
            Change::Admitted => {
                self.admission = Admission::Yes { since: entry.time, by: entry.by };
                self.offboarding = None;
            }
            Change::AdmittedProvisionally { until } => {
                let since = match self.admission {
                    Admission::Provisional { since, .. } => since,
                    _ => entry.time,
                };
                self.admission = Admission::Provisional { since, until: *until, by: entry.by };
                self.offboarding = None;
            }
            Change::AdmissionEnded { .. } => self.admission = Admission::No,
            Change::Screened { screening } => self.note_screening(screening),
            Change::MatchJudged { list, entry: listed, word, reason } => {
                if let Some(found) = self.matches.get_mut(&(list.clone(), listed.clone())) {
                    found.word = Some(JudgedMatch {
                        word: *word,
                        reason: reason.clone(),
                        by: entry.by,
                        at: entry.time,
                    });
                }
            }
            Change::SignerAuthorised { name, evidence, reason } => self.signers.push(AuthorisedSigner {
                name: name.clone(),
                evidence: *evidence,
                reason: reason.clone(),
                by: entry.by,
                at: entry.time,
            }),
            _ => {}
        }
    }

    /// What people vouch for is one source: a later word takes the place of an earlier one, whoever gave it.
    fn note_entity(&mut self, record: &EntityRecord) {
        if matches!(record.source, EntitySource::Manual { .. }) {
            self.entity.retain(|source, _| !matches!(source, EntitySource::Manual { .. }));
        }
        self.entity.insert(record.source.clone(), record.clone());
    }

    fn note_screening(&mut self, screening: &Screening) {
        for ((list, _), known) in &mut self.matches {
            if *list == screening.list {
                known.present = false;
            }
        }
        for found in &screening.matches {
            let key = (screening.list.clone(), found.entry.clone());
            match self.matches.get_mut(&key) {
                Some(known) => known.see(found),
                None => {
                    let known =
                        KnownMatch { found: found.clone(), since: screening.at, present: true, word: None };
                    self.matches.insert(key, known);
                }
            }
        }
        self.screenings.insert(screening.list.clone(), screening.clone());
    }

    fn apply_evidence(&mut self, entry: &Entry) {
        let ended = |reason: &str| Some(ended(entry, reason, None));
        match &entry.change {
            Change::EvidenceAdded { evidence } => self.file(evidence),
            Change::EvidenceProven { evidence, proof } => {
                if let Some(filed) = self.evidence.get_mut(evidence) {
                    filed.evidence.proof = Some(proof.clone());
                }
            }
            Change::DocumentChanged { evidence, expected, found } => {
                if let Some(filed) = self.evidence.get_mut(evidence) {
                    let (expected, found) = (expected.clone(), found.clone());
                    filed.altered = Some(Altered { expected, found, at: entry.time });
                }
            }
            Change::DocumentMended { evidence, .. } => {
                if let Some(filed) = self.evidence.get_mut(evidence) {
                    filed.altered = None;
                    // A broken signature says nothing any more, for good or ill.
                    let broken = |proof: &crate::evidence::Proof| proof.outcome == ProofOutcome::Invalid;
                    filed.evidence.proof = filed.evidence.proof.take().filter(|proof| !broken(proof));
                }
            }
            Change::EvidenceWithdrawn { evidence, reason } => {
                if let Some(filed) = self.evidence.get_mut(evidence) {
                    filed.withdrawn = ended(reason);
                }
            }
            Change::DocumentExpired { sha256, reason, .. } => {
                let gone = Some(self::ended(entry, reason, None));
                let names = |filed: &&mut Filed| {
                    let document = filed.evidence.document.as_ref();
                    filed.expired.is_none() && document.is_some_and(|document| document.sha256 == *sha256)
                };
                for filed in self.evidence.values_mut().filter(names) {
                    filed.expired.clone_from(&gone);
                }
            }
            Change::EvidenceRequested { request } => {
                let asked = Asked { request: request.clone(), state: RequestState::Open };
                self.requests.insert(request.id, asked);
            }
            Change::RequestAnswered { request, evidence } => {
                let state = RequestState::Answered { evidence: *evidence, at: entry.time };
                self.requests.entry(*request).and_modify(|asked| asked.state = state);
            }
            Change::RequestRefused { request, reason } => {
                let state = RequestState::Refused { reason: reason.clone(), at: entry.time };
                self.requests.entry(*request).and_modify(|asked| asked.state = state);
            }
            Change::RequestWithdrawn { request } => {
                let state = RequestState::Withdrawn { at: entry.time };
                self.requests.entry(*request).and_modify(|asked| asked.state = state);
            }
            _ => {}
        }
    }

    /// The vulnerabilities among an auditor's exceptions run on their own clocks from here.
    fn file(&mut self, evidence: &Evidence) {
        for test in evidence.content.soc2().iter().flat_map(|report| &report.tests) {
            let mended = test.remediated_by.is_some_and(|by| self.evidence.contains_key(&by));
            if let Some(vulnerability) = test.vulnerability.as_ref().filter(|_| !mended) {
                let critical = test.severity == Some(Severity::Critical);
                self.note_vulnerability(vulnerability, Some(evidence.id), critical, starts(evidence.issued));
            }
        }
        let filed = Filed { evidence: evidence.clone(), altered: None, withdrawn: None, expired: None };
        self.evidence.insert(evidence.id, filed);
    }

    fn note_vulnerability(
        &mut self,
        vulnerability: &Vulnerability,
        evidence: Option<EvidenceId>,
        called_critical: bool,
        noted: Timestamp,
    ) {
        let known =
            self.vulnerabilities.entry(vulnerability.id.clone()).or_insert_with(|| KnownVulnerability {
                vulnerability: vulnerability.clone(),
                called_critical,
                evidence: Default::default(),
                noted,
                word: None,
                closed: None,
            });
        known.vulnerability.worsen(vulnerability);
        known.called_critical |= called_critical;
        known.noted = known.noted.min(noted);
        known.evidence.extend(evidence);
        // What was closed and is found again is open, with the word on it gone.
        if known.closed.take().is_some() {
            known.word = None;
        }
    }

    fn apply_facts(&mut self, entry: &Entry) {
        match &entry.change {
            Change::VulnerabilityFound { vulnerability, evidence } => {
                self.note_vulnerability(vulnerability, *evidence, false, entry.time);
            }
            Change::ExploitabilityStated { vulnerability, word, justification, evidence } => {
                if let Some(known) = self.vulnerabilities.get_mut(vulnerability) {
                    known.word = Some(StatedExploitability {
                        word: *word,
                        justification: justification.clone(),
                        evidence: *evidence,
                        at: entry.time,
                    });
                }
            }
            Change::VulnerabilityClosed { vulnerability, proof, reason } => {
                if let Some(known) = self.vulnerabilities.get_mut(vulnerability) {
                    known.closed = Some(ended(entry, reason, *proof));
                }
            }
            Change::BreachNoticed { id, aware, noticed, what, window_hours } => {
                let breach = Breach {
                    aware: *aware,
                    noticed: *noticed,
                    what: what.clone(),
                    window_hours: *window_hours,
                    closed: None,
                };
                self.breaches.insert(*id, breach);
            }
            Change::BreachClosed { id, reason } => {
                if let Some(breach) = self.breaches.get_mut(id) {
                    breach.closed = Some(ended(entry, reason, None));
                }
            }
            Change::UndeclaredDataSeen { class, route, at } => {
                let seen = UndeclaredData { route: route.clone(), at: *at };
                let known = self.undeclared.entry(class.clone()).or_insert(seen);
                known.at = known.at.min(*at);
            }
            Change::UndeclaredDataSettled { class, .. } => {
                self.undeclared.remove(class);
            }
            Change::ExceptionProposed { id, stop, subject, control, until } => {
                let exception = StopException {
                    stop: *stop,
                    subject: subject.clone(),
                    control: control.clone(),
                    until: *until,
                    proposed_by: entry.by,
                    proposed_at: entry.time,
                    confirmed_by: None,
                    confirmed_at: None,
                    ended: None,
                };
                self.exceptions.insert(*id, exception);
            }
            Change::ExceptionConfirmed { id } => {
                if let Some(exception) = self.exceptions.get_mut(id) {
                    exception.confirmed_by = entry.by;
                    exception.confirmed_at = Some(entry.time);
                }
            }
            Change::ExceptionEnded { id, reason } => {
                if let Some(exception) = self.exceptions.get_mut(id) {
                    exception.ended = Some(ended(entry, reason, None));
                }
            }
            _ => {}
        }
    }

    fn apply_work(&mut self, entry: &Entry) {
        match &entry.change {
            Change::FindingOpened { id, title, severity, owner, due } => {
                let finding = Finding {
                    title: title.clone(),
                    severity: *severity,
                    owner: owner.clone(),
                    due: *due,
                    opened_at: entry.time,
                    closed: None,
                };
                self.findings.insert(*id, finding);
            }
            Change::FindingClosed { id, evidence, reason } => {
                if let Some(finding) = self.findings.get_mut(id) {
                    finding.closed = Some(ended(entry, reason, *evidence));
                }
            }
            Change::TaskOpened { id, title, owner, due } => {
                let (title, owner) = (title.clone(), owner.clone());
                let task = Task { title, owner, due: *due, opened_at: entry.time, done_at: None };
                self.tasks.insert(*id, task);
            }
            Change::TaskDone { id } => {
                if let Some(task) = self.tasks.get_mut(id) {
                    task.done_at = Some(entry.time);
                }
            }
            Change::Reminded { what } => {
                self.reminded.insert(what.clone());
            }
            Change::AuditPlanned { id, due, every_months, scope } => {
                let done = self.audits.remove(id).map(|audit| audit.done).unwrap_or_default();
                let (due, scope) = (Some(*due), scope.clone());
                self.audits.insert(*id, Audit { due, every_months: *every_months, scope, done });
            }
            Change::AuditDone { id, evidence, summary } => {
                if let Some(audit) = self.audits.get_mut(id) {
                    audit.done.push(ended(entry, summary, *evidence));
                    let months = audit.every_months.map(i64::from);
                    audit.due = audit.due.zip(months).and_then(|(due, months)| {
                        Span::new().try_months(months).ok().and_then(|span| due.checked_add(span).ok())
                    });
                }
            }
            _ => self.apply_offboarding(entry),
        }
    }

    fn apply_offboarding(&mut self, entry: &Entry) {
        match &entry.change {
            Change::OffboardingBegun { plan, ends } => {
                let (plan, begun_at) = (plan.clone(), entry.time);
                self.offboarding =
                    Some(Offboarding { plan, begun_at, ends: *ends, deletion: None, done: None });
            }
            Change::DeletionCertified { evidence } => {
                if let Some(offboarding) = &mut self.offboarding {
                    offboarding.deletion = Some(*evidence);
                }
            }
            Change::OffboardingEnded { kept, shredded } => {
                let (kept, shredded) = (kept.clone(), shredded.clone());
                if let Some(offboarding) = &mut self.offboarding {
                    offboarding.done = Some(OffboardingDone { at: entry.time, kept, shredded });
                }
                self.admission = Admission::Left { since: entry.time };
                // Documents are shredded with it: what rests on one counts no more.
                let shredded = || ended(entry, "shredded: the vendor left", None);
                for filed in self.evidence.values_mut().filter(|filed| filed.evidence.document.is_some()) {
                    filed.withdrawn.get_or_insert_with(shredded);
                }
                // Whoever comes back is looked at anew.
                for standing in self.steps.values_mut() {
                    standing.state = StepState::Open;
                }
            }
            Change::OffboardingCancelled { .. } => self.offboarding = None,
            _ => {}
        }
    }
}

impl KnownMatch {
    /// Seen again. Where the entry has changed, what people said of the old one is void; else the worse one stays.
    fn see(&mut self, found: &Match) {
        self.present = true;
        let same = self.found.name == found.name && self.found.identifier == found.identifier;
        if !same && self.word.as_ref().is_some_and(|judged| judged.word == MatchWord::Cleared) {
            self.word = None;
            self.found = found.clone();
            return;
        }
        let identifier = found.identifier.clone().or_else(|| self.found.identifier.clone());
        let score = self.found.score.max(found.score);
        self.found = Match { identifier, score, ..found.clone() };
    }
}

impl Vulnerability {
    /// Takes over what `other` says worse of the same weakness: an earlier date, a higher score.
    pub(crate) fn worsen(&mut self, other: &Self) {
        let earlier =
            |mine: Option<Timestamp>, theirs: Option<Timestamp>| [mine, theirs].into_iter().flatten().min();
        self.vendor_aware = earlier(self.vendor_aware, other.vendor_aware);
        self.published = earlier(self.published, other.published);
        self.kev_listed = earlier(self.kev_listed, other.kev_listed);
        self.cvss_tenths = self.cvss_tenths.max(other.cvss_tenths);
        self.known_exploited |= other.known_exploited;
        self.title = self.title.take().or_else(|| other.title.clone());
        self.component = self.component.take().or_else(|| other.component.clone());
    }
}

fn ended(entry: &Entry, reason: &str, evidence: Option<EvidenceId>) -> Ended {
    Ended { at: entry.time, by: entry.by, reason: reason.to_owned(), evidence }
}
