//! What is kept sealed of a tunnel's credentials.

use serde::{Deserialize, Serialize};

/// Both sides', until the vendor has its own.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Whether the vendor's secrets were shown: they aren't again.
    pub shown: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preshared_key: Option<String>,
    /// PEM: our certificate, then its intermediate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub our_chain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub our_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub their_chain: Option<String>,
    /// Where it was made here, and until it was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub their_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Of our WireGuard interface, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface_public_key: Option<String>,
}

impl Kept {
    /// None of what is something else.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
