//! Taking rows out that were kept long enough: a new file, and never a change of the old one.

use std::collections::BTreeSet;

use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::ids::VendorId;

use crate::name::FileName;
use crate::{Archive, ArchiveError, decode};

impl Archive {
    /// Whose rows a file holds.
    ///
    /// # Errors
    /// It can't be read.
    pub fn vendors(&self, sealed: &SealedFile) -> Result<Vec<Option<VendorId>>, ArchiveError> {
        Ok(self.summary(sealed)?.vendors().collect())
    }

    /// Writes what is left of a file without the rows of `vendors`, under its next name; `None` when nothing is left. The
    /// old file stays where it is.
    ///
    /// # Errors
    /// It can't be read, or the new one not be written.
    pub fn without(
        &self,
        sealed: &SealedFile,
        vendors: &BTreeSet<Option<VendorId>>,
        pace: &mut dyn FnMut(usize),
    ) -> Result<Option<SealedFile>, ArchiveError> {
        let name: FileName = sealed.file.parse()?;
        let opened = self.open(sealed)?;
        let gone = |vendor: &Option<VendorId>| vendors.contains(vendor);
        match sealed.content {
            Content::Decisions => {
                let rows = opened.all(decode::rows)?;
                let kept = rows.filter(|row| row.as_ref().map_or(true, |row| !gone(&row.record.vendor)));
                self.write(name.revised(), kept, pace)
            }
            Content::Outcomes => {
                let rows = opened.all(decode::late_outcomes)?;
                let kept = rows.filter(|row| row.as_ref().map_or(true, |row| !gone(&row.vendor)));
                self.write(name.revised(), kept, pace)
            }
        }
    }
}
