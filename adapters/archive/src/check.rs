//! Whether a file is what the ledger says, down to each row; and that a row stands in it.

use portcullis_domain::archive::{Content, SealedFile, SealedFiles};
use portcullis_domain::decision::DecisionId;
use portcullis_ledger::tree::{Frontier, inclusion_proof, leaf_hash};
use portcullis_ledger::{Hash, LedgerError, hex};

use crate::archive::Proof;
use crate::{Archive, ArchiveError, decode};

impl Archive {
    /// Reads a whole file: its digest, and every row with the root over them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, sealed: &SealedFile) -> Result<(), ArchiveError> {
        self.forget(&sealed.file);
        let mut tree = Frontier::default();
        self.leaves(sealed, &mut |leaf| tree.append(leaf_hash(leaf)))?;
        let damaged = |why: String| ArchiveError::damaged(&self.path(&sealed.file), why);
        if tree.size() != sealed.rows {
            return Err(damaged(format!(
                "it has `{}` rows, and the ledger says `{}`",
                tree.size(),
                sealed.rows
            )));
        }
        let root = hex(&tree.root());
        if root != sealed.rows_root {
            return Err(damaged(format!(
                "its rows have the root `{root}`, and the ledger says `{}`",
                sealed.rows_root
            )));
        }
        Ok(())
    }

    /// Proves a decision that is in a file.
    ///
    /// # Errors
    /// A file can't be read. `None`: it is in none.
    pub fn prove(&self, files: &SealedFiles, id: DecisionId) -> Result<Option<Proof>, ArchiveError> {
        let Some((sealed, place)) = self.place(files, id)? else { return Ok(None) };
        let (mut hashes, mut proven) = (Vec::new(), Vec::new());
        self.leaves(sealed, &mut |leaf| {
            if hashes.len() == place {
                proven = leaf.to_vec();
            }
            hashes.push(leaf_hash(leaf));
        })?;
        let (index, size) = (place as u64, hashes.len() as u64);
        let at = |index: u64| -> Result<Hash, LedgerError> {
            let hash = usize::try_from(index).ok().and_then(|index| hashes.get(index));
            hash.copied().ok_or(LedgerError::Range { from: index, size })
        };
        let path = inclusion_proof(index, size, at)?;
        Ok(Some(Proof { file: sealed.clone(), index, leaf: proven, path }))
    }

    pub(crate) fn leaves(
        &self,
        sealed: &SealedFile,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ArchiveError> {
        let mut leaf = Vec::new();
        let failed = |error: ArchiveError| error.to_string();
        self.open(sealed)?.visit(None, None, &mut |_, batch| {
            match sealed.content {
                Content::Decisions => {
                    for row in decode::rows(batch)? {
                        leaf.clear();
                        row.leaf(&mut leaf).map_err(failed)?;
                        take(&leaf);
                    }
                }
                Content::Outcomes => {
                    for row in decode::late_outcomes(batch)? {
                        leaf.clear();
                        row.leaf(&mut leaf).map_err(failed)?;
                        take(&leaf);
                    }
                }
            }
            Ok(())
        })
    }
}
