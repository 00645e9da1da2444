//! Sealed files of the decision log, and what keeps or ends them, as the ledger records them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decision::DecisionId;
use crate::ids::{OperatorId, VendorId};

/// How long a vendor's decisions are kept when its manifest doesn't say, in days.
pub const DECISIONS_DAYS_DEFAULT: u32 = 400;
/// The shortest and the longest that a manifest may say.
pub const DECISIONS_DAYS: std::ops::RangeInclusive<u32> = 1..=36_500;

/// What the rows of a sealed file are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Decisions, each with its outcome if that was known.
    Decisions,
    /// Outcomes that came after their decisions had been sealed.
    Outcomes,
}

impl Content {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Outcomes => "outcomes",
        }
    }
}

/// A file as it was when it was sealed: from then on it is this or damaged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedFile {
    /// Path below the archive's folder.
    pub file: String,
    pub content: Content,
    /// Version of the file's schema.
    pub schema: u16,
    /// Begin of the hour in which the rows' decisions were made.
    pub hour: Timestamp,
    pub rows: u64,
    pub bytes: u64,
    /// Lower-case hex of the whole file's SHA-256.
    pub sha256: String,
    /// Lower-case hex of the Merkle root (RFC 6962) over the rows' leaves in the file's order.
    pub rows_root: String,
    /// The oldest and the newest decision in it.
    pub first: DecisionId,
    pub last: DecisionId,
    /// Place of its event in the ledger, once it is there.
    #[serde(skip)]
    pub event: Option<u64>,
}

/// Rows were taken out of a file, because they were kept long enough.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expiry {
    pub file: String,
    /// What holds the rows that stay; nothing when none does.
    pub replaced_by: Option<SealedFile>,
    /// Whose rows went; nil for rows of no known vendor.
    pub vendors: Vec<VendorId>,
    /// How many rows went.
    pub rows: u64,
    pub time: Timestamp,
}

/// Keeps everything of a vendor, whatever its retention says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LegalHold {
    pub vendor: VendorId,
    /// Its name when the hold was placed.
    pub name: String,
    pub reason: String,
    pub by: OperatorId,
    pub time: Timestamp,
}

/// Ends a hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HoldLift {
    pub vendor: VendorId,
    pub name: String,
    pub reason: String,
    pub by: OperatorId,
    pub time: Timestamp,
}

/// Every sealed file that is in force, by its hour and its name.
pub type SealedFiles = std::collections::BTreeMap<(Timestamp, String), SealedFile>;
