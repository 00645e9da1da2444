//! What is cut, on disk: a file for each cut, written before anything is done about it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use portcullis_ids::ids::SeveranceId;
use portcullis_network::cut::Cut;

#[derive(Debug, thiserror::Error)]
#[error("cuts can't be kept in `{}`: {source}\nhint: give `--state` a folder that the enforcer may write", path.display())]
pub struct JournalError {
    path: PathBuf,
    source: io::Error,
}

#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the folder, making it if needed, with all cuts that are held. A file that can't be read is kept aside and told.
    pub fn open(folder: &Path) -> Result<(Self, BTreeMap<SeveranceId, Cut>), JournalError> {
        let failed = |source| JournalError { path: folder.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let mut cuts = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = fs::read(&path).map_err(failed)?;
            match serde_json::from_slice::<Cut>(&read) {
                Ok(cut) => {
                    cuts.insert(cut.severance, cut);
                }
                // Control tells it again; meanwhile the kernel holds it, unless the machine was started anew.
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "a cut can't be read, and is put aside");
                    fs::rename(&path, path.with_extension("unreadable")).map_err(failed)?;
                }
            }
        }
        Ok((Self { folder: folder.to_owned() }, cuts))
    }

    /// Holds a cut over the death of the process. Whole or not at all.
    pub fn hold(&self, cut: &Cut) -> Result<(), JournalError> {
        let path = self.path(cut.severance);
        let write = || -> io::Result<()> {
            let new = path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            io::Write::write_all(&mut file, &serde_json::to_vec(cut)?)?;
            fs::rename(&new, &path)
        };
        write().map_err(|source| JournalError { path: path.clone(), source })
    }

    pub fn release(&self, severance: SeveranceId) {
        let path = self.path(severance);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It would be cut again at the next start, until control says that it is lifted.
                tracing::error!(%error, path = %path.display(), "a lifted cut can't be removed");
            }
            _ => {}
        }
    }

    fn path(&self, severance: SeveranceId) -> PathBuf {
        self.folder.join(format!("{severance}.json"))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_network::cut::Scope;
    use portcullis_network::plan::NetworkPlan;
    use uuid::Uuid;

    use super::*;

    fn cut(number: u128) -> Cut {
        let scope = Scope::Vendor { id: portcullis_ids::ids::VendorId(Uuid::from_u128(1)) };
        NetworkPlan::default().cut(scope, SeveranceId(Uuid::from_u128(number)))
    }

    #[test]
    fn what_is_held_is_there_at_the_next_start_and_what_is_torn_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("cuts");
        let (journal, none) = Journal::open(&at).unwrap();
        assert!(none.is_empty());
        journal.hold(&cut(1)).unwrap();
        journal.hold(&cut(2)).unwrap();
        journal.hold(&cut(2)).unwrap();
        journal.release(SeveranceId(Uuid::from_u128(1)));
        journal.release(SeveranceId(Uuid::from_u128(3)));
        fs::write(at.join("torn.json"), b"{\"severance\":").unwrap();
        // Broken off before its name was given: it was never held.
        fs::write(at.join("half.new"), b"{").unwrap();
        let (_, held) = Journal::open(&at).unwrap();
        assert_eq!(held.into_values().collect::<Vec<_>>(), [cut(2)]);
        assert!(at.join("torn.unreadable").exists());
    }

    #[test]
    fn a_folder_that_can_not_be_written_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = Journal::open(&file.join("cuts")).unwrap_err().to_string();
        assert!(error.contains("file/cuts") && error.contains("hint:"), "{error}");
    }
}
