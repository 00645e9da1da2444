//! Questions to a vendor, and what its answers are worth.
//!
//! An answer is the vendor's own word: it supports a control, speaks against it, or says nothing. What is empty, or isn't
//! understood, is unknown: neither yes, nor no, nor nothing.

mod answers;
pub mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::assessment::Step;
use crate::evidence::{Content, Domain};

pub use answers::{Answered, Given, Word, judge_foreign, word};

/// Questions of one questionnaire, and rows of one set of answers.
pub const QUESTIONS_MAX: usize = 1_000;
pub(crate) const ANSWER_CHARS_MAX: usize = 500;
pub(crate) const COMMENT_CHARS_MAX: usize = 1_000;
pub(crate) const ID_CHARS_MAX: usize = 40;
const TEXT_CHARS_MAX: usize = 1_000;
const CHOICES_MAX: usize = 20;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Questionnaire {
    pub name: String,
    pub title: String,
    pub sections: Vec<Section>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Section {
    pub title: String,
    /// The step of the assessment that its answers are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    pub questions: Vec<Question>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Such as `ENC-1`: what answers name.
    pub id: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    #[serde(default)]
    pub kind: Kind,
    /// Of `choice`: the answers that there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The answers that speak for the control: `yes` where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supports: Vec<String>,
    /// Kinds of evidence that would show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    YesNo,
    Choice,
    Text,
    Date,
    Number,
}

impl Kind {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::YesNo => "yes or no",
            Self::Choice => "choice",
            Self::Text => "text",
            Self::Date => "date",
            Self::Number => "number",
        }
    }
}

impl Questionnaire {
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.sections.iter().flat_map(|section| &section.questions)
    }

    /// All that is wrong with it, for whoever writes one.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.name.trim().is_empty() || self.name.chars().count() > ID_CHARS_MAX {
            faults.push(format!("its name is empty, or longer than {ID_CHARS_MAX} characters"));
        }
        let count = self.questions().count();
        if count == 0 || count > QUESTIONS_MAX {
            faults.push(format!("it has {count} questions, where 1 to {QUESTIONS_MAX} may be"));
        }
        let mut ids = BTreeSet::new();
        for question in self.questions().take(QUESTIONS_MAX) {
            let id = &question.id;
            if !ids.insert(id) {
                faults.push(format!("`{id}` is there twice"));
            }
            faults.extend(question.faults().into_iter().map(|fault| format!("`{id}`: {fault}")));
        }
        faults
    }
}

impl Question {
    /// The answers that support the control.
    pub(crate) fn is_supported_by(&self, answer: &str) -> bool {
        if self.supports.is_empty() {
            return self.kind == Kind::YesNo && answer == "yes";
        }
        self.supports.iter().any(|support| support.trim().eq_ignore_ascii_case(answer.trim()))
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, message: String| {
            if wrong {
                faults.push(message);
            }
        };
        fault(
            self.id.trim().is_empty() || self.id.chars().count() > ID_CHARS_MAX,
            format!("its id is empty, or longer than {ID_CHARS_MAX} characters"),
        );
        fault(
            self.text.trim().is_empty() || self.text.chars().count() > TEXT_CHARS_MAX,
            format!("its text is empty, or longer than {TEXT_CHARS_MAX} characters"),
        );
        let choice = self.kind == Kind::Choice;
        fault(
            choice == self.choices.is_empty() || self.choices.len() > CHOICES_MAX,
            format!("a choice, and nothing else, has choices, {CHOICES_MAX} at most"),
        );
        for support in &self.supports {
            let known = match self.kind {
                Kind::YesNo => matches!(support.as_str(), "yes" | "no"),
                Kind::Choice => self.choices.contains(support),
                _ => false,
            };
            fault(!known, format!("`{support}` can't be answered, and so supports nothing"));
        }
        for wanted in &self.evidence {
            fault(
                !Content::KINDS.contains(&wanted.as_str()),
                format!("there is no evidence of kind `{wanted}`"),
            );
        }
        faults
    }
}
