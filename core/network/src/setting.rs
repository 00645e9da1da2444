//! Settings as charon takes them: over its socket, or as the text of a file.

use std::fmt::Write as _;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// A value, a list of values, or a section of named settings in the order in which people read them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Setting {
    Text(String),
    List(Vec<String>),
    Section(Vec<(String, Setting)>),
}

impl Setting {
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A section of `settings`.
    #[must_use]
    pub fn section<const COUNT: usize>(settings: [(&str, Self); COUNT]) -> Self {
        Self::Section(settings.into_iter().map(|(name, setting)| (name.to_owned(), setting)).collect())
    }

    /// Puts a setting at the end of a section; nothing happens to what is none.
    pub fn push(&mut self, name: &str, setting: Self) {
        if let Self::Section(settings) = self {
            settings.push((name.to_owned(), setting));
        }
    }

    /// The setting that is found by going down through sections.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let Self::Section(settings) = self else { return None };
        settings.iter().find(|(name, _)| name == first)?.1.at(rest)
    }

    /// Likewise, to change it.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let Self::Section(settings) = self else { return None };
        settings.iter_mut().find(|(name, _)| name == first)?.1.at_mut(rest)
    }

    /// As `swanctl.conf` has it, named `name` and `depth` levels deep.
    pub fn write(&self, out: &mut String, name: &str, depth: usize) {
        let indent = "  ".repeat(depth);
        // Writing to a text can't fail.
        let _ = match self {
            Self::Text(text) => writeln!(out, "{indent}{name} = {}", quoted(text)),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
                writeln!(out, "{indent}{name} = {}", values.join(", "))
            }
            Self::Section(settings) => {
                let _ = writeln!(out, "{indent}{name} {{");
                for (name, setting) in settings {
                    setting.write(out, name, depth + 1);
                }
                writeln!(out, "{indent}}}")
            }
        };
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => values.serialize(serializer),
            Self::Section(settings) => {
                let mut map = serializer.serialize_map(Some(settings.len()))?;
                for (name, setting) in settings {
                    map.serialize_entry(name, setting)?;
                }
                map.end()
            }
        }
    }
}

/// Bare where charon's reader takes it so; what would end a quoted text is not let through.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/%@".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let inner: String = text.chars().filter(|letter| !letter.is_control()).collect();
    format!("\"{}\"", inner.replace('\\', "\\\\").replace('"', "\\\""))
}
