//! Personal data in events: marked, so that the store can seal it under a key of its subject.
//!
//! In a manifest a personal field is a plain string. In an event it is the marker object
//! `{"$personal": {"subject": UUID, "text": "…"}}`, which the store encrypts before hashing; once
//! the subject's key is destroyed it reads back as `{"$personal": {"subject": UUID, "erased": true}}`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::ids::SubjectId;

/// The member by which a marker is known.
pub const MARKER: &str = "$personal";

/// What is shown in place of a text whose key was destroyed.
pub const ERASED: &str = "(erased)";

/// A text about a person; printed for debugging, and so in a log, it is `****`.
#[derive(Clone, PartialEq, Eq)]
pub enum Personal {
    /// As written in a manifest, not yet given a subject.
    Plain(String),
    /// Held under the key of its subject.
    Held { subject: SubjectId, text: String },
    /// The subject's key was destroyed.
    Erased { subject: SubjectId },
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("****"),
            Self::Held { subject, .. } => write!(f, "**** of {subject}"),
            Self::Erased { subject } => write!(f, "{ERASED} of {subject}"),
        }
    }
}

impl Personal {
    /// The text to show.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Held { text, .. } => text,
            Self::Erased { .. } => ERASED,
        }
    }

    #[must_use]
    pub fn subject(&self) -> Option<SubjectId> {
        match self {
            Self::Plain(_) => None,
            Self::Held { subject, .. } | Self::Erased { subject } => Some(*subject),
        }
    }

    /// The same text under `subject`, if it had none.
    #[must_use]
    pub fn held_by(self, subject: SubjectId) -> Self {
        match self {
            Self::Plain(text) => Self::Held { subject, text },
            other => other,
        }
    }

    /// Forgets the text if it belongs to `subject`.
    pub fn erase(&mut self, subject: SubjectId) {
        if self.subject() == Some(subject) {
            *self = Self::Erased { subject };
        }
    }
}

/// Replaces every marker in `value` by the text it holds: what a person or a manifest sees.
#[must_use]
pub fn reveal(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            if let Some(inner) = members.get(MARKER) {
                let text = inner.get("text").and_then(Value::as_str).unwrap_or(ERASED);
                return Value::String(text.to_owned());
            }
            Value::Object(members.into_iter().map(|(name, inner)| (name, reveal(inner))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(reveal).collect()),
        other => other,
    }
}

impl Serialize for Personal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Held { subject, text } => {
                json!({ MARKER: { "subject": subject, "text": text } }).serialize(serializer)
            }
            Self::Erased { subject } => {
                json!({ MARKER: { "subject": subject, "erased": true } }).serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Personal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Inner {
            subject: SubjectId,
            text: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Plain(String),
            Marked {
                #[serde(rename = "$personal")]
                inner: Inner,
            },
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Plain(text)) => Ok(Self::Plain(text)),
            Ok(Form::Marked { inner: Inner { subject, text: Some(text) } }) => {
                Ok(Self::Held { subject, text })
            }
            Ok(Form::Marked { inner: Inner { subject, text: None } }) => Ok(Self::Erased { subject }),
            Err(_) => Err(D::Error::custom("expected a text")),
        }
    }
}

impl JsonSchema for Personal {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PersonalText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "description": "A text about a person; it can be erased from the ledger." })
    }
}
