//! The body of every refusal of control: RFC 9457, `application/problem+json`.

use portcullis_domain::spec::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The media type of [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What is wrong, where, and what to do about it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Names the sort of problem, as its title does: `urn:portcullis:problem:still-in-use`.
    #[serde(rename = "type", default)]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What is wrong this time, in words.
    #[serde(default)]
    pub detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Public reason codes, where a decision lies behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Each thing that doesn't hold in what was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultView>,
}

impl Problem {
    /// `title` says what sort of problem it is, `detail` what is wrong this time.
    #[must_use]
    pub fn new(status: u16, title: impl Into<String>, detail: impl Into<String>) -> Self {
        let title = title.into();
        Self { kind: kind_of(&title), status, title, detail: detail.into(), ..Self::default() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Takes a message whose last lines may be `hint: …` apart into detail and hint.
    #[must_use]
    pub fn of_message(status: u16, title: impl Into<String>, message: &str) -> Self {
        let (detail, hint) = split_hint(message);
        Self { hint, ..Self::new(status, title, detail) }
    }
}

/// Titles are constants: one title, one type.
fn kind_of(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '\'');
    let words: Vec<String> =
        words.filter(|word| !word.is_empty()).map(|word| word.replace('\'', "").to_lowercase()).collect();
    format!("urn:portcullis:problem:{}", words.join("-"))
}

/// A message and the hint that follows it, if one does: on a line of its own, or after a comma.
#[must_use]
pub fn split_hint(message: &str) -> (String, Option<String>) {
    let parted = message.split_once("\nhint: ").or_else(|| message.split_once(", hint: "));
    match parted {
        Some((detail, hint)) => (detail.to_owned(), Some(hint.to_owned())),
        None => (message.to_owned(), None),
    }
}

/// One thing that doesn't hold, with its place. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FaultView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// RFC 6901 pointer into the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl std::fmt::Display for FaultView {
    /// `FILE:LINE:COLUMN: MESSAGE`, then the hint on a line of its own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            f.write_str(" ")?;
        }
        if let (Some(kind), Some(name)) = (self.kind, &self.name) {
            write!(f, "{kind} `{name}`: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_makes_the_type() {
        for (title, kind) in [
            ("still in use", "urn:portcullis:problem:still-in-use"),
            ("what was declared doesn't hold", "urn:portcullis:problem:what-was-declared-doesnt-hold"),
            ("I'm a teapot", "urn:portcullis:problem:im-a-teapot"),
        ] {
            assert_eq!(Problem::new(400, title, "x").kind, kind);
        }
    }

    #[test]
    fn a_hint_is_parted_from_its_message() {
        let hinted = Some("try".to_owned());
        for (message, expect) in [
            ("a\nhint: try", ("a".to_owned(), hinted.clone())),
            ("a, hint: try", ("a".to_owned(), hinted)),
            ("a", ("a".to_owned(), None)),
        ] {
            assert_eq!(split_hint(message), expect);
        }
    }
}
