//! How long a document must stay, whatever its kind's days say.

use jiff::Timestamp;
use portcullis_ids::ids::EvidenceId;

use super::{Dossier, Filed};
use crate::days::date_of;

impl Dossier {
    /// Why a stored document is needed still; none where nothing rests on it any more.
    #[must_use]
    pub fn needs_document(&self, sha256: &str, now: Timestamp) -> Option<String> {
        self.of_document(sha256).find_map(|filed| self.needs(filed, now))
    }

    /// The evidence that names the document, withdrawn or not, where it isn't gone yet.
    pub fn of_document<'a>(&'a self, sha256: &'a str) -> impl Iterator<Item = &'a Filed> {
        self.evidence.values().filter(move |filed| {
            let document = filed.evidence.document.as_ref();
            filed.expired.is_none() && document.is_some_and(|document| document.sha256 == sha256)
        })
    }

    /// What would hang in the air without this evidence.
    pub fn resting_on(&self, evidence: EvidenceId) -> impl Iterator<Item = String> {
        let weaknesses = self.vulnerabilities.iter().filter(move |(_, known)| match &known.closed {
            None => known.evidence.contains(&evidence),
            Some(closed) => closed.evidence == Some(evidence),
        });
        let findings = self.findings.iter().filter(move |(_, finding)| {
            finding.closed.as_ref().is_some_and(|closed| closed.evidence == Some(evidence))
        });
        let leaving = self.offboarding.as_ref().filter(move |leaving| leaving.deletion == Some(evidence));
        let weaknesses = weaknesses.map(|(id, _)| format!("vulnerability `{id}`"));
        let findings = findings.map(|(id, _)| format!("finding `{id}`"));
        weaknesses.chain(findings).chain(leaving.map(|_| "the certified deletion".to_owned()))
    }

    fn needs(&self, filed: &Filed, now: Timestamp) -> Option<String> {
        if filed.withdrawn.is_some() {
            return None;
        }
        let evidence = &filed.evidence;
        if filed.is_broken() {
            return Some(format!("the document or signature of evidence `{}` is broken", evidence.id));
        }
        let ends = evidence.ends();
        // What says something for ever is kept as long as its kind is.
        if now < ends && ends < Timestamp::MAX {
            return Some(format!("evidence `{}` is in force until {}", evidence.id, date_of(ends)));
        }
        let resting = self.resting_on(evidence.id).next();
        resting.map(|first| format!("{first} rests on evidence `{}`", evidence.id))
    }
}
