//! Documents and facts that come in, are proven, changed or withdrawn.

use std::collections::BTreeSet;

use portcullis_ids::ids::EvidenceId;

use super::{Case, News, check_sha256, check_text, conflict, invalid, room, taken, unknown};
use crate::change::Change;
use crate::dossier::Filed;
use crate::evidence::{AnswerRow, AnswerStanding, Content, Evidence, Proof, ProofOutcome, Soc2};
use crate::order::DossierRefusal;
use crate::questionnaire::{ANSWER_CHARS_MAX, COMMENT_CHARS_MAX, ID_CHARS_MAX, QUESTIONS_MAX};

const TESTS_MAX: usize = 5_000;

impl Case<'_> {
    pub(super) fn evidence(&self, change: &Change) -> Option<News> {
        Some(match change {
            Change::EvidenceAdded { evidence } => self.added(evidence),
            Change::EvidenceProven { evidence, proof } => self.proven(*evidence, proof),
            Change::DocumentChanged { evidence, expected, found } => {
                self.altered(*evidence, expected, found.as_deref())
            }
            Change::DocumentMended { evidence, .. } => self.mended(*evidence),
            Change::EvidenceWithdrawn { evidence, .. } => self.withdrawn(*evidence),
            Change::DocumentExpired { sha256, .. } => self.expired(sha256),
            _ => return None,
        })
    }

    fn filed(&self, evidence: EvidenceId) -> Result<&Filed, DossierRefusal> {
        self.dossier.evidence.get(&evidence).map_or_else(|| unknown("evidence", evidence), Ok)
    }

    fn added(&self, evidence: &Evidence) -> News {
        if let Some(known) = self.dossier.evidence.get(&evidence.id) {
            let same = Evidence { added_at: known.evidence.added_at, ..evidence.clone() } == known.evidence;
            return if same { Ok(false) } else { Err(taken("evidence", evidence.id)) };
        }
        room("pieces of evidence", self.dossier.evidence.len())?;
        check_text("title", &evidence.title)?;
        check_text("issuer", &evidence.issuer)?;
        self.dates(evidence)?;
        if let Some(document) = &evidence.document {
            check_sha256("digest of the document", &document.sha256)?;
            self.new_document(evidence, &document.sha256)?;
        }
        if let Some(report) = evidence.content.soc2() {
            self.report(report)?;
        }
        if let Content::Questionnaire { name, answered, unanswered, not_applicable, rows } = &evidence.content
        {
            check_text("name of the questionnaire", name)?;
            self.answers(rows, [*answered, *unanswered, *not_applicable])?;
        }
        Ok(true)
    }

    fn dates(&self, evidence: &Evidence) -> Result<(), DossierRefusal> {
        self.check_past_day("day of issue", evidence.issued)?;
        let (from, to) = (evidence.period_from, evidence.period_to);
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            return invalid("the period ends before it begins", "write the first day as `period_from`");
        }
        if let Some(day) = from.max(to).filter(|day| *day > evidence.issued) {
            let message = format!("it can't have looked at `{day}`, which is after it was issued");
            return invalid(message, "write how long it holds as `expires`");
        }
        if let Some(expires) = evidence.expires.filter(|expires| *expires < evidence.issued) {
            let message = format!("it expires on `{expires}`, before it was issued");
            return invalid(message, "check both days on the paper");
        }
        if let Content::BridgeLetter { until } = &evidence.content
            && *until < evidence.issued
        {
            let message = format!("the letter holds until `{until}`, before it was issued");
            return invalid(message, "check both days on the paper");
        }
        Ok(())
    }

    /// One paper is one piece of evidence: counted twice it would look like two sources.
    fn new_document(&self, evidence: &Evidence, sha256: &str) -> Result<(), DossierRefusal> {
        let same = |filed: &&Filed| {
            let document = filed.evidence.document.as_ref();
            filed.withdrawn.is_none()
                && filed.expired.is_none()
                && document.is_some_and(|document| document.sha256 == sha256)
                && filed.evidence.content.kind() == evidence.content.kind()
        };
        match self.dossier.evidence.values().find(same) {
            Some(filed) => {
                let message =
                    format!("the same document is there already, as evidence `{}`", filed.evidence.id);
                conflict(message, "withdraw that one first, if something in it is wrong")
            }
            None => Ok(()),
        }
    }

    /// Counts that its own rows belie would be believed by whoever reads no rows.
    fn answers(&self, rows: &[AnswerRow], counts: [u32; 3]) -> Result<(), DossierRefusal> {
        if rows.is_empty() {
            return Ok(());
        }
        if rows.len() > QUESTIONS_MAX {
            return invalid(
                format!("there are more than {QUESTIONS_MAX} answers"),
                "split the questionnaire",
            );
        }
        let mut found = [0_u32; 3];
        let [answered, unanswered, not_applicable] = &mut found;
        let mut questions = BTreeSet::new();
        for row in rows {
            check_text("id of a question", &row.question)?;
            let long = |text: &Option<String>, most: usize| {
                text.as_ref().is_some_and(|text| text.chars().count() > most)
            };
            if row.question.chars().count() > ID_CHARS_MAX
                || long(&row.answer, ANSWER_CHARS_MAX)
                || long(&row.comment, COMMENT_CHARS_MAX)
            {
                let message = format!("the answer to `{}` is too long", row.question);
                return invalid(message, "say it in fewer words, and add the paper as evidence");
            }
            if !questions.insert(row.question.to_lowercase()) {
                return invalid(format!("`{}` is answered twice", row.question), "give each answer once");
            }
            let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
            let empty = match row.standing {
                AnswerStanding::Unknown => false,
                AnswerStanding::NotApplicable => !said(&row.comment),
                _ => !said(&row.answer),
            };
            if empty {
                let message =
                    format!("nothing is said to `{}`, and it would count all the same", row.question);
                return invalid(
                    message,
                    "what isn't answered is `unknown`; `not_applicable` needs a comment",
                );
            }
            match row.standing {
                AnswerStanding::Unknown => *unanswered += 1,
                AnswerStanding::NotApplicable => *not_applicable += 1,
                _ => *answered += 1,
            }
            if let Some(evidence) = row.evidence {
                self.check_good(evidence)?;
            }
        }
        if found != counts {
            return invalid(
                "the answers are not as many as it says",
                "count them again, by what each is worth",
            );
        }
        Ok(())
    }

    fn report(&self, report: &Soc2) -> Result<(), DossierRefusal> {
        if report.tests.len() > TESTS_MAX {
            return invalid(format!("there are more than {TESTS_MAX} tests"), "give each row once");
        }
        for test in &report.tests {
            check_text("criterion of a test", &test.criterion)?;
            if test.deviations > test.samples {
                let message = format!("`{}` deviates more often than it was sampled", test.criterion);
                return invalid(message, "check both numbers in the report");
            }
            if let Some(mended) = test.remediated_by {
                self.check_good(mended)?;
            }
            if let Some(vulnerability) = &test.vulnerability {
                self.check_vulnerability(vulnerability)?;
            }
        }
        Ok(())
    }

    fn proven(&self, evidence: EvidenceId, proof: &Proof) -> News {
        let filed = self.filed(evidence)?;
        if filed.withdrawn.is_some() {
            return conflict(format!("evidence `{evidence}` was withdrawn"), "nothing rests on it any more");
        }
        self.check_past("time of the verification", proof.at)?;
        let same = |known: &Proof| Proof { at: known.at, ..proof.clone() } == *known;
        Ok(!filed.evidence.proof.as_ref().is_some_and(same))
    }

    fn altered(&self, evidence: EvidenceId, expected: &str, found: Option<&str>) -> News {
        let filed = self.filed(evidence)?;
        let Some(document) = &filed.evidence.document else {
            return invalid(format!("evidence `{evidence}` has no document"), "name the one that has it");
        };
        if document.sha256 != expected || found == Some(expected) {
            return invalid(
                format!("the document of evidence `{evidence}` has the digest `{}`", document.sha256),
                "compare the digest of the stored document with this one",
            );
        }
        let known = filed.altered.as_ref();
        Ok(filed.withdrawn.is_none()
            && filed.expired.is_none()
            && known.is_none_or(|known| known.found.as_deref() != found))
    }

    /// That the bytes are the right ones again the program sees; that a broken signature is settled a person says.
    fn mended(&self, evidence: EvidenceId) -> News {
        let filed = self.filed(evidence)?;
        let proof = filed.evidence.proof.as_ref();
        if self.by.is_none() && proof.is_some_and(|proof| proof.outcome == ProofOutcome::Invalid) {
            return Err(DossierRefusal::NobodyAnswers);
        }
        Ok(filed.is_broken())
    }

    /// Taking a paper back must not take back what it says against the vendor, nor leave what rests on it in the air.
    fn withdrawn(&self, evidence: EvidenceId) -> News {
        let filed = self.filed(evidence)?;
        if filed.withdrawn.is_some() {
            return Ok(false);
        }
        if filed.is_broken() {
            let message = format!("the document or signature of evidence `{evidence}` is broken");
            return conflict(message, "find out why and settle that first");
        }
        if filed.evidence.content.soc2().is_some_and(|report| report.opinion.is_refusing()) {
            let message = format!("the auditor's opinion in evidence `{evidence}` speaks against the vendor");
            return conflict(message, "add the newer report, which takes its place");
        }
        match self.dossier.resting_on(evidence).next() {
            Some(first) => {
                let message = format!("{first} rests on evidence `{evidence}`");
                conflict(message, "settle that first, on other evidence")
            }
            None => Ok(true),
        }
    }

    /// What nobody has filed is gone without a trace but this one.
    fn expired(&self, sha256: &str) -> News {
        check_sha256("digest of the document", sha256)?;
        if let Some(why) = self.dossier.needs_document(sha256, self.now) {
            return conflict(format!("document `{sha256}` is needed: {why}"), "it goes when that is over");
        }
        let gone = self.dossier.evidence.values().any(|filed| {
            let document = filed.evidence.document.as_ref();
            filed.expired.is_some() && document.is_some_and(|document| document.sha256 == sha256)
        });
        Ok(!gone || self.dossier.of_document(sha256).next().is_some())
    }
}
