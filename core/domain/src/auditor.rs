//! Auditors whose signatures over documents count.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::PublicKey;
use crate::ids::{AuditorId, OperatorId};

/// Somebody has looked at an auditor's keys or certificates, and registers them under its name. Others of the same
/// auditor are events of their own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AuditorRegistration {
    pub id: AuditorId,
    /// As reports name it: a firm, no person.
    pub name: String,
    /// Keys, and roots as certificates: whoever these vouch for signs as this auditor.
    pub keys: Vec<PublicKey>,
    pub by: OperatorId,
    pub time: Timestamp,
}

/// What the auditor signs from now on counts as unsigned; what was verified before stays as it was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditorRemoval {
    pub id: AuditorId,
    pub name: String,
    /// May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub by: OperatorId,
    pub time: Timestamp,
}

/// A registered auditor, with who registered what.
#[derive(Clone, PartialEq, Debug)]
pub struct Auditor {
    pub id: AuditorId,
    pub keys: Vec<AuditorKey>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct AuditorKey {
    pub key: PublicKey,
    pub by: OperatorId,
    pub since: Timestamp,
}

/// Why an auditor isn't registered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuditorRefusal {
    #[error(
        "this can't be an auditor's name\nhint: write the firm as its reports do, in 1 to {NAME_CHARACTERS_MAX} characters without `/`"
    )]
    Name,
    #[error("no key and no root is given\nhint: give the auditor's public key (JWK) or a root (PEM)")]
    Nothing,
    #[error(
        "`{thumbprint}` is registered for auditor `{auditor}`\nhint: one key says one name; remove that auditor first, if it is another one's"
    )]
    Taken { thumbprint: String, auditor: String },
    #[error(
        "auditor `{auditor}` would have more than {most} keys and roots\nhint: remove those that are over"
    )]
    TooManyKeys { auditor: String, most: usize },
    #[error("there are {most} auditors, which is the most\nhint: remove those that sign nothing any more")]
    TooMany { most: usize },
}

pub const NAME_CHARACTERS_MAX: usize = 100;
pub const AUDITORS_MAX: usize = 200;
/// Each signature is tried with all keys that its `kid` names, or with all of them.
pub const AUDITOR_KEYS_MAX: usize = 16;
