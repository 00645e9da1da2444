//! What answers are worth.

use std::collections::BTreeMap;

use portcullis_ids::ids::EvidenceId;

use super::{
    ANSWER_CHARS_MAX, COMMENT_CHARS_MAX, ID_CHARS_MAX, Kind, QUESTIONS_MAX, Question, Questionnaire,
};
use crate::evidence::{AnswerRow, AnswerStanding, Content};
use crate::intake::day_of_text;
use crate::sheet::tidy;

/// One answer as it was given.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Given {
    pub id: String,
    /// Where the questions come with the answers.
    pub text: String,
    pub answer: String,
    pub comment: String,
    pub evidence: Option<EvidenceId>,
    /// Where it stands, such as `row 7`.
    pub place: String,
}

/// What a set of answers comes to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Answered {
    pub rows: Vec<AnswerRow>,
    pub answered: u32,
    pub unanswered: u32,
    pub not_applicable: u32,
    /// Why an answer that was given counts as none.
    pub notes: Vec<String>,
    /// Nothing can be taken with these.
    pub faults: Vec<String>,
}

impl Answered {
    #[must_use]
    pub fn content(&self, name: &str) -> Content {
        Content::Questionnaire {
            name: name.to_owned(),
            answered: self.answered,
            unanswered: self.unanswered,
            not_applicable: self.not_applicable,
            rows: self.rows.clone(),
        }
    }
}

/// What all usual spellings of a short answer mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    Yes,
    No,
    Partly,
    NotApplicable,
}

/// Only an answer that is nothing but the word, or begins with it and a stop, is one: `No exceptions were found` isn't no.
#[must_use]
pub fn word(text: &str) -> Option<Word> {
    let text = tidy(text).to_lowercase();
    let stops = |letter: char| matches!(letter, ',' | '.' | ';' | ':' | '!' | '(' | '–' | '—');
    let bare = |text: &str| text.trim_matches(|letter: char| stops(letter) || letter == ' ').to_owned();
    whole_word(&bare(&text)).or_else(|| {
        let end = text.find(stops).or_else(|| text.find(" - "))?;
        whole_word(&bare(text.get(..end)?))
    })
}

fn whole_word(text: &str) -> Option<Word> {
    Some(match text {
        "yes" | "y" | "ja" | "j" | "oui" | "si" | "sí" | "true" | "✓" | "✔" | "✅" | "implemented"
        | "fully implemented" | "in place" | "compliant" | "fully compliant" => Word::Yes,
        "no" | "n" | "nein" | "non" | "false" | "✗" | "✘" | "❌" | "not implemented" | "not in place"
        | "non-compliant" | "not compliant" => Word::No,
        "partial"
        | "partially"
        | "partly"
        | "teilweise"
        | "partially implemented"
        | "in progress"
        | "planned" => Word::Partly,
        "na" | "n/a" | "n.a" | "n a" | "not applicable" | "nicht anwendbar" | "nicht zutreffend"
        | "entfällt" | "sans objet" | "no aplica" => Word::NotApplicable,
        _ => return None,
    })
}

impl Questionnaire {
    /// Puts answers beside the questions; each question has a row, whether it was answered or not.
    #[must_use]
    pub fn judge(&self, given: &[Given]) -> Answered {
        let mut answered = Answered::default();
        let by_id = unique(given, &mut answered.faults);
        for question in self.questions().take(QUESTIONS_MAX) {
            let given = by_id.get(question.id.trim().to_lowercase().as_str()).copied();
            answered.take(question, given);
        }
        let known =
            |id: &str| self.questions().any(|question| question.id.trim().eq_ignore_ascii_case(id.trim()));
        for stranger in given.iter().filter(|given| !known(&given.id)).take(20) {
            answered.faults.push(format!(
                "{}: there is no question `{}` in `{}`",
                stranger.place, stranger.id, self.name
            ));
        }
        answered
    }
}

/// Answers to questions that came with them: each is one of yes or no, and yes supports the control.
#[must_use]
pub fn judge_foreign(given: &[Given]) -> Answered {
    let mut answered = Answered::default();
    unique(given, &mut answered.faults);
    if given.len() > QUESTIONS_MAX {
        answered.faults.push(format!("there are more than {QUESTIONS_MAX} questions"));
    }
    for given in given.iter().take(QUESTIONS_MAX) {
        let question = Question {
            id: given.id.clone(),
            text: given.text.clone(),
            domain: super::table::domain_of(&given.id),
            kind: Kind::YesNo,
            choices: Vec::new(),
            supports: Vec::new(),
            evidence: Vec::new(),
        };
        answered.take(&question, Some(given));
    }
    answered
}

fn unique<'a>(given: &'a [Given], faults: &mut Vec<String>) -> BTreeMap<String, &'a Given> {
    let mut by_id: BTreeMap<String, &Given> = BTreeMap::new();
    for one in given {
        if one.id.chars().count() > ID_CHARS_MAX {
            faults.push(format!(
                "{}: the id of the question is longer than {ID_CHARS_MAX} characters",
                one.place
            ));
        }
        if let Some(first) = by_id.insert(one.id.trim().to_lowercase(), one) {
            faults.push(format!("{}: `{}` was answered already, in {}", one.place, one.id, first.place));
        }
    }
    faults.truncate(50);
    by_id
}

impl Answered {
    fn take(&mut self, question: &Question, given: Option<&Given>) {
        let empty = Given::default();
        let given = given.unwrap_or(&empty);
        let (answer, comment) = (tidy(&given.answer), tidy(&given.comment));
        let (standing, why) = judged(question, &answer, &comment);
        match standing {
            AnswerStanding::Unknown => self.unanswered += 1,
            AnswerStanding::NotApplicable => self.not_applicable += 1,
            _ => self.answered += 1,
        }
        if let Some(why) = why {
            self.notes.push(format!("`{}`: {why}", question.id));
        }
        let cut = |text: &str, most: usize| {
            Some(text.chars().take(most).collect::<String>()).filter(|text| !text.is_empty())
        };
        self.rows.push(AnswerRow {
            question: question.id.trim().to_owned(),
            domain: question.domain,
            standing,
            answer: cut(&answer, ANSWER_CHARS_MAX),
            comment: cut(&comment, COMMENT_CHARS_MAX),
            evidence: given.evidence,
        });
    }
}

/// What an answer is worth, and why it counts as none although something was written.
fn judged(question: &Question, answer: &str, comment: &str) -> (AnswerStanding, Option<String>) {
    let unknown = |why: String| (AnswerStanding::Unknown, Some(why));
    if answer.is_empty() {
        return (AnswerStanding::Unknown, None);
    }
    let word = word(answer);
    if word == Some(Word::NotApplicable) {
        let said = comment.chars().filter(|letter| letter.is_alphabetic()).count() >= 3;
        return if said {
            (AnswerStanding::NotApplicable, None)
        } else {
            unknown("`not applicable` needs a word on why".to_owned())
        };
    }
    if is_placeholder(answer) {
        return unknown(format!("`{}` says nothing", short(answer)));
    }
    let supports = |answer: &str| {
        if question.is_supported_by(answer) { AnswerStanding::Supports } else { AnswerStanding::Against }
    };
    match question.kind {
        Kind::YesNo => match word {
            Some(Word::Yes) => (supports("yes"), None),
            Some(Word::No) => (supports("no"), None),
            Some(Word::Partly) => (AnswerStanding::Partly, None),
            _ => unknown(format!("`{}` is neither yes nor no", short(answer))),
        },
        Kind::Choice => {
            let chosen = question.choices.iter().find(|choice| choice.trim().eq_ignore_ascii_case(answer));
            match chosen {
                // Without a word on what supports it, a choice says something and no more.
                Some(_) if question.supports.is_empty() => (AnswerStanding::Stated, None),
                Some(chosen) => (supports(chosen), None),
                None => unknown(format!("`{}` is none of {}", short(answer), question.choices.join(", "))),
            }
        }
        Kind::Text => (AnswerStanding::Stated, None),
        Kind::Date => match day_of_text(answer) {
            Ok(_) => (AnswerStanding::Stated, None),
            Err(why) => unknown(why),
        },
        Kind::Number => {
            let digits = answer.split(' ').next().unwrap_or_default();
            match digits.parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => (AnswerStanding::Stated, None),
                _ => unknown(format!("`{}` is no number", short(answer))),
            }
        }
    }
}

fn is_placeholder(answer: &str) -> bool {
    let bare = answer.to_lowercase();
    crate::intake::is_placeholder(answer)
        || ["see ", "refer to", "as above", "same as", "ask "].iter().any(|begin| bare.starts_with(begin))
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
