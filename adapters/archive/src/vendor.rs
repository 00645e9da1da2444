//! The rows of one vendor in a sealed file, one by one, and the hashes that lead from them to the file's root.

use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::ids::VendorId;
use portcullis_ledger::Hash;
use portcullis_ledger::tree::leaf_hash;

use crate::decode;
use crate::query::Filter;
use crate::row::{LateOutcome, Row};
use crate::{Archive, ArchiveError};

/// A row of a sealed file.
#[derive(Clone, PartialEq, Debug)]
pub enum Sealed {
    Decision(Box<Row>),
    Outcome(LateOutcome),
}

impl Sealed {
    /// Its leaf: canonical JSON, without a newline.
    ///
    /// # Errors
    /// None that is known.
    pub fn leaf(&self, to: &mut Vec<u8>) -> Result<(), ArchiveError> {
        match self {
            Self::Decision(row) => row.leaf(to),
            Self::Outcome(late) => late.leaf(to),
        }
    }
}

impl Archive {
    /// Whether a file may hold rows of a vendor.
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn may_hold(&self, sealed: &SealedFile, vendor: VendorId) -> Result<bool, ArchiveError> {
        let filter = Filter { vendor: Some(vendor), ..Filter::default() };
        Ok(self.summary(sealed)?.may_hold(&filter, true))
    }

    /// Visits the rows of a vendor with their places in the file, from 0, in the file's order, until `take` says that it is enough.
    ///
    /// # Errors
    /// The file can't be read, or is damaged. [`ArchiveError::GivenUp`]: `take` had enough.
    pub fn rows_of(
        &self,
        sealed: &SealedFile,
        vendor: VendorId,
        take: &mut dyn FnMut(u64, Sealed) -> bool,
    ) -> Result<(), ArchiveError> {
        let opened = self.open(sealed)?;
        // Decisions are sorted by vendor, outcomes by their decisions.
        let ranges = (sealed.content == Content::Decisions).then(|| opened.rows_of_vendors(&[vendor]));
        let mut enough = false;
        let visited = opened.visit(ranges.as_deref(), None, &mut |place, batch| {
            let mut one = |at: usize, row: Sealed| {
                enough = enough || !take(place(at) as u64, row);
                if enough { Err("it was given up".to_owned()) } else { Ok(()) }
            };
            match sealed.content {
                Content::Decisions => {
                    for (at, row) in decode::rows(batch)?.into_iter().enumerate() {
                        if row.record.vendor == Some(vendor) {
                            one(at, Sealed::Decision(Box::new(row)))?;
                        }
                    }
                }
                Content::Outcomes => {
                    for (at, late) in decode::late_outcomes(batch)?.into_iter().enumerate() {
                        if late.vendor == Some(vendor) {
                            one(at, Sealed::Outcome(late))?;
                        }
                    }
                }
            }
            Ok(())
        });
        if enough { Err(ArchiveError::GivenUp) } else { visited }
    }

    /// The hashes of all rows of a file, in its order: at most [`crate::PART_ROWS_MAX`].
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn leaf_hashes(&self, sealed: &SealedFile) -> Result<Vec<Hash>, ArchiveError> {
        let mut hashes = Vec::new();
        self.leaves(sealed, &mut |leaf| hashes.push(leaf_hash(leaf)))?;
        Ok(hashes)
    }

    /// A sealed file as it lies on the disk, for whoever copies it: its digest was found to be the recorded one.
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn whole(&self, sealed: &SealedFile) -> Result<std::fs::File, ArchiveError> {
        self.open(sealed)?;
        Ok(self.open_file(&sealed.file)?.1)
    }
}
