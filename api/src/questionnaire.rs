//! Questionnaires and answers as people write them: YAML or JSON.

use portcullis_assurance::questionnaire::{Given, Questionnaire};
use serde::Deserialize;
use serde_json::Value;

/// The one that comes with the program.
pub const DEFAULT: &str = include_str!("questionnaire/default.yaml");

/// Bytes of a file.
pub const BYTES_MAX: usize = 1024 * 1024;

/// Reads a questionnaire, and says all that is wrong with it.
///
/// # Errors
/// Everything that is wrong, a sentence each.
pub fn read(text: &str) -> Result<Questionnaire, Vec<String>> {
    let read: Questionnaire = parse(text).map_err(|error| vec![error])?;
    let faults = read.faults();
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

/// Whether a file holds answers rather than questions.
#[must_use]
pub fn holds_answers(text: &str) -> bool {
    text.lines().any(|line| line.trim_start_matches(['{', '"', ' ']).starts_with("answers"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    /// Name of the questionnaire.
    questionnaire: String,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    id: String,
    #[serde(default)]
    answer: Value,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    evidence: Option<String>,
}

/// Reads answers, and the name of the questionnaire that they are to.
///
/// # Errors
/// Where it is, and what is wrong with it.
pub fn read_answers(text: &str) -> Result<(String, Vec<Given>), String> {
    let read: Answers = parse(text)?;
    let given = read.answers.into_iter().map(|answer| {
        let evidence = answer
            .evidence
            .map(|id| id.trim().parse().map_err(|_| format!("`{}`: `{id}` is no id of evidence", answer.id)));
        Ok(Given {
            place: format!("answer `{}`", answer.id),
            id: answer.id,
            text: String::new(),
            answer: match answer.answer {
                Value::Null => String::new(),
                Value::Bool(true) => "yes".to_owned(),
                Value::Bool(false) => "no".to_owned(),
                Value::String(text) => text,
                other => other.to_string(),
            },
            comment: answer.comment,
            evidence: evidence.transpose()?,
        })
    });
    Ok((read.questionnaire, given.collect::<Result<_, String>>()?))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("the file has more than {BYTES_MAX} bytes"));
    }
    serde_saphyr::from_str_with_options(text, crate::manifest::options()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_default_one_is_sound_and_covers_every_domain() {
        let read = read(DEFAULT).unwrap();
        let mut domains: BTreeMap<_, usize> = BTreeMap::new();
        read.questions().for_each(|question| *domains.entry(question.domain.unwrap()).or_default() += 1);
        assert_eq!((read.questions().count(), domains.len()), (45, 9), "{domains:?}");
        assert!(domains.values().all(|count| *count >= 4), "{domains:?}");
        let steps: std::collections::BTreeSet<_> =
            read.sections.iter().map(|section| section.step.unwrap()).collect();
        assert_eq!(steps.len(), 6);
    }

    #[test]
    fn answers_are_what_was_written() {
        let text = "questionnaire: default\nanswers:\n- { id: ENC-2, answer: yes }\n- { id: ENC-3, answer: false, comment: soon }\n- { id: VUL-1, answer: 7 }\n- { id: GOV-1 }\n";
        let (name, given) = read_answers(text).unwrap();
        assert_eq!(name, "default");
        let shown: Vec<_> = given.iter().map(|given| given.answer.as_str()).collect();
        assert_eq!(shown, ["yes", "no", "7", ""]);
        for wrong in [
            "answers: 5",
            "questionnaire: d\nanswers:\n- { id: A, answr: x }",
            "questionnaire: d\nanswers:\n- { id: A, evidence: nonsense }",
        ] {
            assert!(read_answers(wrong).is_err(), "{wrong}");
        }
        assert!(holds_answers(text) && !holds_answers(DEFAULT));
    }

    #[test]
    fn everything_wrong_with_a_questionnaire_is_said() {
        let text = "name: x\ntitle: y\nsections:\n- title: z\n  questions:\n  - { id: A, text: q, kind: choice }\n  - { id: A, text: q, supports: [maybe], evidence: [rumour] }\n";
        let faults = read(text).unwrap_err().join("\n");
        for expect in [
            "`A` is there twice",
            "a choice, and nothing else",
            "`maybe` can't be answered",
            "no evidence of kind `rumour`",
        ] {
            assert!(faults.contains(expect), "{faults}");
        }
    }
}
