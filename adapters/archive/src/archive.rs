//! The folder of sealed files.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_domain::archive::{Content, SealedFile, SealedFiles};
use portcullis_ledger::Hash;

use crate::ArchiveError;
use crate::name::{FileName, Hour};
use crate::open::{Identity, digest, parse};
use crate::summary::Summary;
use crate::write::{SUFFIX_DIGEST, SUFFIX_NEW, sync_folder};

/// Files that are remembered as verified; beyond, all are verified anew.
const REMEMBERED_MAX: usize = 16_384;

/// Writes, reads and queries sealed files. Which of them count is said by who asks: the ledger knows.
pub struct Archive {
    folder: PathBuf,
    verified: Mutex<HashMap<String, (Identity, Arc<Summary>)>>,
}

/// What lies in the folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub files: Vec<FileName>,
    /// What a crash left of files in the making.
    pub unfinished: Vec<PathBuf>,
    /// What was set aside, for a human to look at.
    pub set_aside: Vec<PathBuf>,
}

/// That a decision stands in a file: with the file's event, that the ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub file: SealedFile,
    /// Of the row in the file, from 0.
    pub index: u64,
    /// Canonical JSON of the row.
    pub leaf: Vec<u8>,
    /// From the leaf to the file's `rows_root` (RFC 6962, section 2.1.1).
    pub path: Vec<Hash>,
}

impl Archive {
    /// Nothing is touched before it is needed.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self { folder: folder.as_ref().to_owned(), verified: Mutex::default() }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// [`ArchiveError::Io`]; a folder that isn't there holds nothing.
    pub fn list(&self) -> Result<Listing, ArchiveError> {
        let mut listing = Listing::default();
        for folder in entries(&self.folder)? {
            if !folder.is_dir() {
                continue;
            }
            let date = folder.file_name().unwrap_or_default().display().to_string();
            for path in entries(&folder)? {
                let file = path.file_name().unwrap_or_default().display().to_string();
                let suffix = path.extension().and_then(|suffix| suffix.to_str());
                match suffix {
                    Some("parquet") => match format!("{date}/{file}").parse() {
                        Ok(name) => listing.files.push(name),
                        Err(_) => listing.set_aside.push(path),
                    },
                    Some(SUFFIX_NEW) => listing.unfinished.push(path),
                    Some("damaged") => listing.set_aside.push(path),
                    _ => {}
                }
            }
        }
        listing.files.sort_unstable();
        Ok(listing)
    }

    /// Removes what a crash left of files in the making.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn sweep(&self, listing: &Listing) -> Result<(), ArchiveError> {
        for path in &listing.unfinished {
            fs::remove_file(path).map_err(ArchiveError::io("remove", path))?;
        }
        Ok(())
    }

    /// A whole file that nobody has recorded: what its event must say. It must have the digest that was written beside it.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] and its like: then it is no file of ours.
    pub fn adopt(&self, name: FileName) -> Result<SealedFile, ArchiveError> {
        let file = name.to_string();
        let (path, opened) = self.open_file(&file)?;
        let beside = path.with_added_extension(SUFFIX_DIGEST);
        let said = fs::read_to_string(&beside).map_err(ArchiveError::io("read", &beside))?;
        let (bytes, sha256) = digest(&opened, &path)?;
        if said.split(' ').next() != Some(sha256.as_str()) {
            return Err(ArchiveError::damaged(&path, "its digest is not the one that was written beside it"));
        }
        let opened = parse(path, opened)?;
        let damaged = |why: &str| ArchiveError::damaged(&opened.path, why);
        let said = opened.said("portcullis.schema").unwrap_or_default().to_owned();
        let Some(schema) = crate::schema::version_of(&said, name.content) else {
            return Err(ArchiveError::ForeignSchema { path: opened.path, schema: said });
        };
        let rows_root = opened.said("portcullis.rows_root").unwrap_or_default().to_owned();
        let rows = u64::try_from(opened.metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        let mut sealed = SealedFile {
            file,
            content: name.content,
            schema,
            hour: name.hour.start(),
            rows,
            bytes,
            sha256,
            rows_root,
            first: Default::default(),
            last: Default::default(),
            event: None,
        };
        let ids = self.ids_of(&sealed)?;
        sealed.first = ids.iter().min().copied().ok_or_else(|| damaged("it has no rows"))?;
        sealed.last = ids.iter().max().copied().unwrap_or(sealed.first);
        self.check(&sealed)?;
        Ok(sealed)
    }

    /// Keeps a file that can't be used out of the way, under another name.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn set_aside(&self, name: FileName) -> Result<PathBuf, ArchiveError> {
        let path = self.path(&name.to_string());
        let aside = path.with_added_extension("damaged");
        fs::rename(&path, &aside).map_err(ArchiveError::io("rename", &path))?;
        Ok(aside)
    }

    /// Deletes a file whose rows are elsewhere or kept no longer.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; one that is gone already is none.
    pub fn remove(&self, file: &str) -> Result<(), ArchiveError> {
        let path = self.path(file);
        for path in [path.with_added_extension(SUFFIX_DIGEST), path.clone()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ArchiveError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        let Some(folder) = path.parent() else { return Ok(()) };
        // Only an empty one goes.
        let emptied = fs::remove_dir(folder).is_ok();
        let synced = if emptied { &self.folder } else { folder };
        if synced.is_dir() { sync_folder(synced) } else { Ok(()) }
    }

    /// The next part's name for an hour, beside those that are there and those that ever were.
    #[must_use]
    pub fn next_name(&self, hour: Hour, content: Content, files: &SealedFiles) -> FileName {
        let range = (hour.start(), String::new())..=(hour.start(), "~".to_owned());
        let recorded = files.range(range).filter_map(|((_, file), _)| file.parse::<FileName>().ok());
        let folder = FileName { hour, content, part: 1, revision: 0 }.folder();
        let on_disk = entries(&self.folder.join(&folder)).unwrap_or_default();
        let on_disk = on_disk.iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let name = name.split(".parquet").next()?;
            format!("{folder}/{name}.parquet").parse::<FileName>().ok()
        });
        let alike = recorded.chain(on_disk).filter(|name| (name.hour, name.content) == (hour, content));
        let part = alike.map(|name| name.part).max().unwrap_or(0) + 1;
        FileName { hour, content, part, revision: 0 }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(crate) fn remember(&self, file: &str, identity: Identity, summary: Summary) {
        let mut verified = self.lock();
        if verified.len() >= REMEMBERED_MAX {
            verified.clear();
        }
        verified.insert(file.to_owned(), (identity, Arc::new(summary)));
    }

    pub(crate) fn verified(&self, file: &str, identity: Identity) -> bool {
        self.known(file, identity).is_some()
    }

    pub(crate) fn known(&self, file: &str, identity: Identity) -> Option<Arc<Summary>> {
        let verified = self.lock();
        let (known, summary) = verified.get(file)?;
        (*known == identity).then(|| Arc::clone(summary))
    }

    /// So that the next opening verifies it anew.
    pub(crate) fn forget(&self, file: &str) {
        self.lock().remove(file);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Identity, Arc<Summary>)>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files by hour, the newest hour first.
pub(crate) fn by_hour(files: &SealedFiles) -> impl Iterator<Item = (Hour, Vec<&SealedFile>)> {
    let mut hours: BTreeMap<Hour, Vec<&SealedFile>> = BTreeMap::new();
    for ((hour, _), sealed) in files {
        hours.entry(Hour::of(*hour)).or_default().push(sealed);
    }
    hours.into_iter().rev()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let failed = ArchiveError::io("list", folder);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(&failed)?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}
