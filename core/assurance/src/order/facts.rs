//! Weaknesses, breaches and undeclared data.

use jiff::Timestamp;
use portcullis_ids::ids::EvidenceId;

use super::{Case, News, check_text, invalid, room, taken, unknown};
use crate::change::Change;
use crate::dossier::{Breach, KnownVulnerability};
use crate::order::DossierRefusal;
use crate::vulnerability::Vulnerability;

impl Case<'_> {
    pub(super) fn facts(&self, change: &Change) -> Option<News> {
        Some(match change {
            Change::VulnerabilityFound { vulnerability, evidence } => self.found(vulnerability, *evidence),
            Change::ExploitabilityStated { vulnerability, word, justification, evidence } => {
                self.weakness(vulnerability).and_then(|known| {
                    evidence.map_or(Ok(()), |evidence| self.check_good(evidence))?;
                    Ok(known.word.as_ref().is_none_or(|stated| {
                        (stated.word, &stated.justification, stated.evidence)
                            != (*word, justification, *evidence)
                    }))
                })
            }
            Change::VulnerabilityClosed { vulnerability, proof, .. } => {
                self.weakness(vulnerability).and_then(|known| {
                    proof.map_or(Ok(()), |proof| self.check_good(proof))?;
                    if self.by.is_none() && proof.is_none() {
                        return Err(DossierRefusal::NobodyAnswers);
                    }
                    Ok(known.closed.is_none())
                })
            }
            Change::BreachNoticed { id, aware, noticed, what, .. } => match self.dossier.breaches.get(id) {
                Some(Breach { aware: known, noticed: told, what: known_what, .. }) => {
                    let same = (known, told, known_what) == (aware, noticed, what);
                    if same { Ok(false) } else { Err(taken("breach", id)) }
                }
                None => self.breach(*aware, *noticed, what),
            },
            Change::BreachClosed { id, .. } => match self.dossier.breaches.get(id) {
                Some(breach) => Ok(breach.closed.is_none()),
                None => unknown("breach", id),
            },
            Change::UndeclaredDataSeen { class, at, .. } => check_text("class", class)
                .and_then(|()| self.check_past("time", *at))
                .and_then(|()| room("classes of undeclared data", self.dossier.undeclared.len()))
                .map(|()| self.dossier.undeclared.get(class).is_none_or(|known| *at < known.at)),
            Change::UndeclaredDataSettled { class, .. } => {
                if self.dossier.undeclared.contains_key(class) {
                    Ok(true)
                } else {
                    unknown("undeclared data", class)
                }
            }
            _ => return None,
        })
    }

    fn weakness(&self, id: &str) -> Result<&KnownVulnerability, DossierRefusal> {
        self.dossier.vulnerabilities.get(id).map_or_else(|| unknown("vulnerability", id), Ok)
    }

    pub(super) fn check_vulnerability(&self, vulnerability: &Vulnerability) -> Result<(), DossierRefusal> {
        check_text("id of the vulnerability", &vulnerability.id)?;
        if let Some(score) = vulnerability.cvss_tenths.filter(|score| *score > 100) {
            return invalid(format!("`{score}` tenths are no CVSS score"), "use 0 to 100");
        }
        let dates = [
            ("vendor's awareness", vulnerability.vendor_aware),
            ("publication", vulnerability.published),
            ("listing", vulnerability.kev_listed),
        ];
        for (what, at) in dates {
            at.map_or(Ok(()), |at| self.check_past(what, at))?;
        }
        Ok(())
    }

    /// The same source again is no news: what was closed stays closed until something new says otherwise.
    fn found(&self, vulnerability: &Vulnerability, evidence: Option<EvidenceId>) -> News {
        self.check_vulnerability(vulnerability)?;
        evidence.map_or(Ok(()), |evidence| self.check_good(evidence))?;
        let Some(known) = self.dossier.vulnerabilities.get(&vulnerability.id) else {
            room("vulnerabilities", self.dossier.vulnerabilities.len())?;
            return Ok(true);
        };
        let from_known = evidence.is_some_and(|evidence| known.evidence.contains(&evidence));
        if known.closed.is_some() {
            return Ok(!from_known);
        }
        let mut worse = known.vulnerability.clone();
        worse.worsen(vulnerability);
        Ok(worse != known.vulnerability || (evidence.is_some() && !from_known))
    }

    fn breach(&self, aware: Timestamp, noticed: Timestamp, what: &str) -> News {
        check_text("breach", what)?;
        self.check_past("notice", noticed)?;
        if noticed < aware {
            let message = "the vendor can't have told before it knew";
            return invalid(message, "`aware` is when the vendor knew, `noticed` when it told us");
        }
        room("breaches", self.dossier.breaches.len())?;
        Ok(true)
    }
}
