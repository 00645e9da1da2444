//! Looking through everything that is kept.

use portcullis_ids::ids::VendorId;

use crate::{Documents, Error};

/// A document that isn't as it was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Found {
    pub vendor: VendorId,
    pub sha256: String,
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum What {
    /// It isn't what was put; the digest of what it is now, if it opens.
    Changed { found: Option<String>, why: String },
    /// It should be there, and isn't.
    Missing,
    /// The disk doesn't give it: that says nothing of the document, and must be looked at again.
    Unreadable { why: String },
}

impl Documents {
    /// Reads every document that is there, and every one of `expected`; answers those that aren't as they were.
    ///
    /// # Errors
    /// [`Error::Io`], if a folder can't be read.
    pub fn verify_all(&self, expected: &[(VendorId, String)]) -> Result<Vec<Found>, Error> {
        let mut all: Vec<(VendorId, String)> = expected.to_vec();
        for vendor in self.vendors()? {
            all.extend(self.files(vendor)?.into_iter().map(|(_, sha256)| (vendor, sha256)));
        }
        all.sort();
        all.dedup();
        Ok(all.into_iter().filter_map(|(vendor, sha256)| self.verify(vendor, sha256)).collect())
    }

    fn verify(&self, vendor: VendorId, sha256: String) -> Option<Found> {
        let what = match self.get(vendor, &sha256) {
            Ok(_) => return None,
            Err(Error::Missing { .. }) => What::Missing,
            Err(Error::Changed { found, why, .. }) => What::Changed { found, why: why.to_owned() },
            Err(other) => What::Unreadable { why: other.to_string() },
        };
        Some(Found { vendor, sha256, what })
    }
}
