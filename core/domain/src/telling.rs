//! Telling a vendor's people what was closed, and what is open again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{SubjectId, VendorId};

/// That one of a vendor's people was told, or could not be. Name and address are where the vendor is declared, sealed under
/// a key of that person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VendorTelling {
    /// Id of the severance or the restoration.
    pub matter: Uuid,
    pub vendor: VendorId,
    pub contact: SubjectId,
    pub outcome: TellingOutcome,
    pub time: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TellingOutcome {
    /// The mail server has taken the letter.
    Told,
    /// It was tried for days, and is tried no more.
    GivenUp,
}
