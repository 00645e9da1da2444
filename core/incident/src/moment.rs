//! Moments that clocks count from: when somebody knew, determined, classified.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Most characters of a moment's name.
const NAME_MAX: usize = 40;

/// Name of a moment; `lower_snake`. Files of an installation's own may name further ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct MomentName(String);

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is no name of a moment\nhint: write up to {NAME_MAX} small letters, digits and `_`, such as `we_aware`"
)]
pub struct MomentNameError(String);

/// Those that the program itself knows, with what they mean.
pub const KNOWN: [(&str, &str); 8] = [
    (VENDOR_AWARE, "the vendor became aware of its breach"),
    (VENDOR_NOTIFIED, "the vendor's notice reached us"),
    (WE_AWARE, "we became aware of the incident"),
    ("determined_material", "we determined that the incident is material"),
    ("determined_notifiable", "we determined that a notification incident has occurred"),
    ("classified_major", "we classified the incident as major"),
    ("classified_not_major", "we classified the incident as not major"),
    ("data_owner_notified", "the owner of the data was notified"),
];

pub const VENDOR_AWARE: &str = "vendor_aware";
pub const VENDOR_NOTIFIED: &str = "vendor_notified";
pub const WE_AWARE: &str = "we_aware";

impl MomentName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it means; its name, where an installation has named it.
    #[must_use]
    pub fn meaning(&self) -> &str {
        let known = KNOWN.iter().find(|(name, _)| *name == self.0);
        known.map_or(self.0.as_str(), |(_, meaning)| meaning)
    }

    #[must_use]
    pub fn vendor_aware() -> Self {
        Self(VENDOR_AWARE.to_owned())
    }

    #[must_use]
    pub fn vendor_notified() -> Self {
        Self(VENDOR_NOTIFIED.to_owned())
    }

    #[must_use]
    pub fn we_aware() -> Self {
        Self(WE_AWARE.to_owned())
    }
}

impl fmt::Display for MomentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MomentName {
    type Err = MomentNameError;

    fn from_str(text: &str) -> Result<Self, MomentNameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let starts = text.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
        if starts && text.len() <= NAME_MAX && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(MomentNameError(text.chars().take(60).collect()))
    }
}

impl<'de> Deserialize<'de> for MomentName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
