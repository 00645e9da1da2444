//! What can be severed and restored, by id, never by name.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, IntegrationId, VendorId};

/// What a severance closes. A name may be given to a new vendor; an id never is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    Vendor {
        id: VendorId,
    },
    Integration {
        id: IntegrationId,
    },
    Client {
        id: ClientId,
    },
    /// One key of a client in every context, by thumbprint: a record cut severs this.
    Key {
        client: ClientId,
        thumbprint: String,
    },
    /// One key of a client in one context.
    Session {
        client: ClientId,
        session: String,
    },
}

impl Target {
    /// The id of the resource that it is, or is of.
    #[must_use]
    pub fn id(&self) -> uuid::Uuid {
        match self {
            Self::Vendor { id } => id.0,
            Self::Integration { id } => id.0,
            Self::Client { id } | Self::Key { client: id, .. } | Self::Session { client: id, .. } => id.0,
        }
    }

    /// Whether restoring it takes two people, and new keys.
    #[must_use]
    pub fn needs_two(&self) -> bool {
        matches!(self, Self::Vendor { .. } | Self::Integration { .. })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vendor { id } => write!(f, "vendor/{id}"),
            Self::Integration { id } => write!(f, "integration/{id}"),
            Self::Client { id } => write!(f, "client/{id}"),
            Self::Key { thumbprint, .. } => write!(f, "key/{thumbprint}"),
            Self::Session { session, .. } => write!(f, "session/{session}"),
        }
    }
}

/// A target as a person writes it: `vendor/NAME`, `integration/NAME`, `client/NAME`, `key/THUMBPRINT`, `session/ID`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetName {
    Vendor(String),
    Integration(String),
    Client(String),
    Key(String),
    Session(String),
}

impl std::str::FromStr for TargetName {
    type Err = TargetNameError;

    fn from_str(text: &str) -> Result<Self, TargetNameError> {
        let refused = || TargetNameError(text.to_owned());
        let (kind, name) = text.split_once('/').ok_or_else(refused)?;
        if name.is_empty() {
            return Err(refused());
        }
        let name = name.to_owned();
        match kind {
            "vendor" => Ok(Self::Vendor(name)),
            "integration" => Ok(Self::Integration(name)),
            "client" => Ok(Self::Client(name)),
            "key" => Ok(Self::Key(name)),
            "session" => Ok(Self::Session(name)),
            _ => Err(refused()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a target\nhint: write `vendor/NAME`, `integration/NAME`, `client/NAME`, `key/THUMBPRINT` or `session/ID`"
)]
pub struct TargetNameError(pub String);
