//! What is cut, on disk: a file for each cut. It is written beside the cut and never before it: a disk that is slow, or full,
//! keeps nothing open.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_ids::ids::SeveranceId;
use portcullis_network::cut::Cut;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How often it is tried to write what could not be written.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
#[error("cuts can't be kept in `{}`: {source}\nhint: give `--state` a folder that the enforcer may write", path.display())]
pub struct JournalError {
    path: PathBuf,
    source: io::Error,
}

/// Cuts whose last change is not on disk yet; with the reason where it was tried.
pub(crate) type Unkept = BTreeMap<SeveranceId, Option<String>>;

/// Copies are of one journal.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    retry: Duration,
    /// What is to be written; none for a cut whose file has to go.
    wanted: Mutex<BTreeMap<SeveranceId, Option<Arc<Cut>>>>,
    come: Notify,
    unkept: watch::Sender<Unkept>,
}

impl Journal {
    /// Opens the folder, making it if needed, with all cuts that are held. A file that can't be read is put aside and told:
    /// the others are cut all the same.
    pub fn open(folder: &Path) -> Result<(Self, BTreeMap<SeveranceId, Cut>), JournalError> {
        Self::open_with(folder, RETRY)
    }

    pub fn open_with(
        folder: &Path,
        retry: Duration,
    ) -> Result<(Self, BTreeMap<SeveranceId, Cut>), JournalError> {
        let failed = |source| JournalError { path: folder.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let mut cuts = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    tracing::error!(%error, folder = %folder.display(), "a file of a cut can't be listed");
                    continue;
                }
            };
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = fs::read(&path).and_then(|read| Ok(serde_json::from_slice::<Cut>(&read)?));
            match read {
                Ok(cut) => {
                    cuts.insert(cut.severance, cut);
                }
                Err(error) => put_aside(&path, &error),
            }
        }
        let shared = Shared {
            folder: folder.to_owned(),
            retry,
            wanted: Mutex::default(),
            come: Notify::new(),
            unkept: watch::channel(Unkept::default()).0,
        };
        Ok((Self(Arc::new(shared)), cuts))
    }

    /// Holds a cut over the death of the process, soon. Whole or not at all.
    pub fn hold(&self, cut: Arc<Cut>) {
        self.want(cut.severance, Some(cut));
    }

    pub fn release(&self, severance: SeveranceId) {
        self.want(severance, None);
    }

    pub fn unkept(&self) -> watch::Receiver<Unkept> {
        self.0.unkept.subscribe()
    }

    /// Writes what is wanted, for as long as somebody waits for it.
    pub async fn run(self) {
        let Self(shared) = self;
        let mut failed = false;
        loop {
            let come = shared.come.notified();
            if failed {
                let _ = timeout(shared.retry, come).await;
            } else {
                come.await;
            }
            failed = false;
            let wanted = std::mem::take(&mut *shared.wanted());
            for (severance, cut) in wanted {
                let (folder, writing) = (shared.folder.clone(), cut.clone());
                let work = move || write(&folder, severance, writing.as_deref());
                let written = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
                if let Err(error) = written.and_then(|written| written) {
                    failed = true;
                    shared.tell_failed(severance, cut, &error);
                } else if !shared.wanted().contains_key(&severance) {
                    shared.unkept.send_modify(|unkept| {
                        unkept.remove(&severance);
                    });
                }
            }
        }
    }

    fn want(&self, severance: SeveranceId, cut: Option<Arc<Cut>>) {
        self.0.wanted().insert(severance, cut);
        self.0.unkept.send_modify(|unkept| {
            unkept.insert(severance, None);
        });
        self.0.come.notify_one();
    }
}

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, BTreeMap<SeveranceId, Option<Arc<Cut>>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was wanted meanwhile goes before.
    fn tell_failed(&self, severance: SeveranceId, cut: Option<Arc<Cut>>, error: &io::Error) {
        let folder = self.folder.display();
        if cut.is_some() {
            // It is cut all the same; control tells it again after a restart.
            tracing::error!(%error, %severance, %folder, "a cut is not kept over a restart; it is tried on");
        } else {
            // It would be cut again at the next start, until control says that it is lifted.
            tracing::error!(%error, %severance, %folder, "a lifted cut can't be removed; it is tried on");
        }
        self.wanted().entry(severance).or_insert(cut);
        self.unkept.send_modify(|unkept| {
            unkept.insert(severance, Some(format!("`{folder}`: {error}")));
        });
    }
}

/// Control tells it again; meanwhile the kernel holds it, unless the machine was started anew.
fn put_aside(path: &Path, error: &io::Error) {
    let aside = path.with_extension("unreadable");
    tracing::error!(%error, path = %path.display(), aside = %aside.display(), "a cut can't be read, and is put aside");
    if let Err(error) = fs::rename(path, &aside) {
        tracing::error!(%error, path = %path.display(), "what can't be read stays where it is");
    }
}

/// Whole or not at all, and on the disk itself when it returns.
fn write(folder: &Path, severance: SeveranceId, cut: Option<&Cut>) -> io::Result<()> {
    let path = folder.join(format!("{severance}.json"));
    match cut {
        Some(cut) => {
            let new = path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            io::Write::write_all(&mut file, &serde_json::to_vec(cut)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
        }
        None => match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        },
    }
    // The name, too.
    fs::File::open(folder)?.sync_all()
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

    async fn until(journal: &Journal, holds: impl FnMut(&Unkept) -> bool) {
        let mut unkept = journal.unkept();
        let waiting = timeout(Duration::from_secs(20), unkept.wait_for(holds)).await;
        waiting.expect("in time").unwrap();
    }

    #[tokio::test]
    async fn what_is_held_is_there_at_the_next_start_and_what_can_not_be_read_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("cuts");
        let (journal, none) = Journal::open(&at).unwrap();
        assert!(none.is_empty());
        let writing = tokio::spawn(journal.clone().run());
        for number in [1, 2, 2] {
            journal.hold(Arc::new(cut(number)));
            until(&journal, Unkept::is_empty).await;
        }
        journal.release(SeveranceId(Uuid::from_u128(1)));
        journal.release(SeveranceId(Uuid::from_u128(3)));
        until(&journal, Unkept::is_empty).await;
        writing.abort();
        fs::write(at.join("torn.json"), b"{\"severance\":").unwrap();
        // What the disk doesn't give: reading a folder fails for root, too.
        fs::create_dir(at.join("broken.json")).unwrap();
        // Broken off before its name was given: it was never held.
        fs::write(at.join("half.new"), b"{").unwrap();
        let (_, held) = Journal::open(&at).unwrap();
        assert_eq!(held.into_values().collect::<Vec<_>>(), [cut(2)]);
        assert!(at.join("torn.unreadable").exists() && at.join("broken.unreadable").exists());
    }

    #[tokio::test]
    async fn what_can_not_be_written_is_told_and_written_as_soon_as_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("cuts");
        let (journal, _) = Journal::open_with(&at, Duration::from_millis(5)).unwrap();
        let _writing = tokio::spawn(journal.clone().run());
        fs::remove_dir(&at).unwrap();
        journal.hold(Arc::new(cut(1)));
        until(&journal, |unkept| unkept.values().any(Option::is_some)).await;
        // What is wanted last is what counts.
        journal.hold(Arc::new(cut(2)));
        journal.release(SeveranceId(Uuid::from_u128(1)));
        fs::create_dir(&at).unwrap();
        until(&journal, Unkept::is_empty).await;
        let (_, held) = Journal::open(&at).unwrap();
        assert_eq!(held.into_values().collect::<Vec<_>>(), [cut(2)]);
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
