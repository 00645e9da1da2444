//! Break-glass credentials: sealed away, for the night in which nobody can sign in. They close paths, and open none.

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::ids::OperatorId;

/// Hours for which a credential is good after its first use.
pub const OPEN_HOURS: i64 = 24;
pub const CREDENTIALS_MAX: usize = 16;
pub const NAME_CHARACTERS_MAX: usize = 64;

/// A credential was made, and lies sealed where the installation keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BreakGlassSeal {
    /// What it does is by this id: no person's.
    pub id: OperatorId,
    /// Of the envelope, such as `safe-of-the-night-shift`: no person's.
    pub name: String,
    /// Lower-case hex; the credential itself is nowhere.
    pub token_sha256: String,
    pub by: OperatorId,
    pub time: Timestamp,
}

/// Somebody has used it for the first time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BreakGlassOpening {
    pub id: OperatorId,
    pub time: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BreakGlassRemoval {
    pub id: OperatorId,
    pub by: OperatorId,
    pub time: Timestamp,
}

/// A credential, and whether its seal is broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakGlass {
    pub seal: BreakGlassSeal,
    pub opened_at: Option<Timestamp>,
}

impl BreakGlass {
    /// Whether it still counts.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        let until = self.opened_at.map(|opened| opened.checked_add(OPEN_HOURS.hours()).unwrap_or(opened));
        until.is_none_or(|until| now < until)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BreakGlassRefusal {
    #[error(
        "this can't be the name of a credential\nhint: use 1 to {NAME_CHARACTERS_MAX} characters, without `/`"
    )]
    Name,
    #[error(
        "a break-glass credential `{0}` is there already\nhint: remove that one first, or choose another name"
    )]
    Exists(String),
    #[error(
        "there are {CREDENTIALS_MAX} break-glass credentials, which is the most\nhint: remove those that nobody keeps any more"
    )]
    TooMany,
}
