//! What somebody says of a source, and why it can't be one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use portcullis_api::sources::SourceKind;
use serde::{Deserialize, Serialize};

use super::SOURCES_MAX;

/// One of `sources` in `settings.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Small letters, digits and hyphens; a list is called so in the dossiers.
    pub name: String,
    pub kind: SourceKind,
    /// `https`. For `gleif` that of its API; for `registry` with `{number}` in the place of a company's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of `registry`: where officers of a company are told, with `{number}` as above; in a folder `NUMBER.officers.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officers_url: Option<String>,
    /// Read again at each refresh. For `registry` a folder with `NUMBER.json` of each company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    #[serde(default = "day")]
    pub refresh_seconds: u32,
    /// PEM of the authority of its certificate, where the system doesn't know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Headers whose values are secret, such as a key of the API: files that hold them, read at each fetch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header_files: BTreeMap<String, PathBuf>,
    /// Of `registry`: only vendors of this jurisdiction, such as `GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
}

fn day() -> u32 {
    86_400
}

/// Why a source can't be one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("`sources` of `settings.json` has {0}, at most {SOURCES_MAX}")]
    Many(usize),
    #[error("source `{0}`: that is no name\nhint: up to 63 small letters, digits and hyphens, and not `own`")]
    Name(String),
    #[error("two of `sources` are called `{0}`\nhint: each has a name of its own")]
    Twice(String),
    #[error("source `{0}` needs either `url` or `file`")]
    Place(String),
    #[error("source `{0}`: its `url` isn't `https`")]
    Url(String),
    #[error("source `{0}`: a register's `url` has `{{number}}` in the place of a company's number")]
    Number(String),
    #[error(
        "source `{0}`: only a register with a `url` has an `officers_url`, and that has `{{number}}` in it, too"
    )]
    Officers(String),
    #[error("source `{0}`: `refresh_seconds` may be 60 to 2592000")]
    Refresh(String),
    #[error("source `{name}`: `{path}` can't be read: {error}")]
    Authority { name: String, path: String, error: String },
}

impl SourceSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let name = || self.name.clone();
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = !self.name.is_empty() && self.name.len() <= 63 && self.name.bytes().all(letter);
        if !named || self.name == portcullis_assurance::screening::OWN_LIST {
            return Err(SettingsError::Name(self.name.chars().take(80).collect()));
        }
        if let Some(url) = &self.officers_url {
            if self.kind != SourceKind::Registry || self.url.is_none() || !url.contains("{number}") {
                return Err(SettingsError::Officers(name()));
            }
            if !url.starts_with("https://") {
                return Err(SettingsError::Url(name()));
            }
        }
        match (&self.url, &self.file) {
            (Some(url), None) if !url.starts_with("https://") => return Err(SettingsError::Url(name())),
            (Some(url), None) if self.kind == SourceKind::Registry && !url.contains("{number}") => {
                return Err(SettingsError::Number(name()));
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => return Err(SettingsError::Place(name())),
        }
        if !(60..=2_592_000).contains(&self.refresh_seconds) {
            return Err(SettingsError::Refresh(name()));
        }
        Ok(())
    }

    /// Registers tell of officers.
    pub(super) fn names_people(&self) -> bool {
        matches!(self.kind, SourceKind::Gleif | SourceKind::Registry)
    }

    /// Its address or path.
    pub(super) fn shown(&self) -> String {
        let file = || self.file.as_ref().map(|file| file.display().to_string());
        self.url.clone().or_else(file).unwrap_or_default()
    }
}
