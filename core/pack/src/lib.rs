//! Evidence packs: what a vendor read in a window, for auditors, regulators and lawyers.
//!
//! A pack is one tar archive that is verified without us: its manifest is signed by the key that the ledger's checkpoints are
//! signed with, its numbers are counted from sealed decisions, and each sealed file stands in the ledger by a proof in the
//! pack. The format is that of `docs/reference/evidence-pack.md`.
//!
//! Nothing here reads a disk: rows come in one by one ([`Counter`]), members go out as bytes, and [`verify`](verify::verify)
//! reads what it is handed.

pub mod evidence;
pub mod manifest;
pub mod report;
pub mod tar;
pub mod verify;
pub mod write;

mod counter;
mod gaps;
mod tally;

pub use counter::Counter;
pub use tally::{Amount, Counted, Names, Series, network_of};

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::ids::VendorId;

/// What a pack calls itself.
pub const FORMAT: &str = "portcullis-evidence-pack/1";

/// The longest window of one pack.
pub const WINDOW_DAYS_MAX: i64 = 400;

/// The members that each pack has.
pub const EVIDENCE: &str = "evidence.json";
pub const MINUTES: &str = "minutes.csv";
pub const REPORT: &str = "report.html";
pub const README: &str = "README.txt";
/// The last member of a pack that could not be finished: why.
pub const FAILED: &str = "FAILED.txt";
/// Rows that were read from the decision log, and from no sealed file.
pub const UNSEALED: &str = "unsealed.jsonl";

/// Which decisions are meant: those of a vendor that were made from a moment on, and before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub vendor: VendorId,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Why no pack has this window.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WindowError {
    #[error(
        "the window ends at `{to}`, before it begins at `{from}`\nhint: `from` is part of it, `to` is not"
    )]
    Empty { from: Timestamp, to: Timestamp },
    #[error(
        "the window has more than {WINDOW_DAYS_MAX} days\nhint: make several packs, each of a part of it"
    )]
    TooLong,
}

impl Window {
    /// # Errors
    /// It is empty, or too long.
    pub fn new(vendor: VendorId, from: Timestamp, to: Timestamp) -> Result<Self, WindowError> {
        if from >= to {
            return Err(WindowError::Empty { from, to });
        }
        if to.duration_since(from) > SignedDuration::from_hours(24 * WINDOW_DAYS_MAX) {
            return Err(WindowError::TooLong);
        }
        Ok(Self { vendor, from, to })
    }

    #[must_use]
    pub fn holds(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }
}
