//! The directory that a process keeps its state in, held by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Obstacle, io_obstacle};
use crate::files::sync_directory_of;

/// The version of the directory's layout, as `FORMAT` holds it.
pub const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";

/// The lock file always has this length, so that taking the lock needs no
/// space on a full disk.
const LOCK_BYTES: usize = 16;

/// A data directory, locked until this is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// Its lock ends with it, however the process ends.
    _lock: File,
}

/// Why a data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    #[error(
        "`{}` is used by {}\nhint: stop it, or choose another directory", path.display(),
        pid.map_or("another process".to_owned(), |pid| format!("process `{pid}`"))
    )]
    LockedBy { path: PathBuf, pid: Option<u32> },
    #[error(
        "`{}` has format `{found}`, this program uses `{expected}`\nhint: use the program that made it, or choose another directory", path.display()
    )]
    ForeignVersion { path: PathBuf, found: String, expected: u32 },
    #[error("`{}` is not a directory\nhint: choose another path, or move the file away", path.display())]
    NotADirectory { path: PathBuf },
    #[error(
        "`{}` has files but no `FORMAT`\nhint: choose an empty or a new directory", path.display()
    )]
    NotOurs { path: PathBuf },
    #[error("`{}` is not writable\nhint: make it writable for this user", path.display())]
    NotWritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no space for `{}`\nhint: free some space on its disk", path.display())]
    NoSpace {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` can't be used\nhint: look at the disk's health, and at the system log", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl DataDirectory {
    /// Makes the directory for this user alone if it is missing, locks it,
    /// and checks its format. The holder's process id stands in `LOCK`.
    ///
    /// # Errors
    /// See [`DataDirectoryError`]; each message has a hint.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirectoryError> {
        let path = path.into();
        create(&path)?;
        let lock = lock(&path)?;
        check_format(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

fn create(path: &Path) -> Result<(), DataDirectoryError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(DataDirectoryError::NotADirectory { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(DataDirectoryError::NotADirectory { path: path.to_owned() });
        }
        Err(error) => return Err(failed(path, error)),
    }
    let made: Vec<_> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        // The ledger is synced into it: then its own name must hold too.
        .and_then(|()| made.into_iter().rev().try_for_each(sync_directory_of))
        .map_err(|error| failed(path, error))
}

fn lock(path: &Path) -> Result<File, DataDirectoryError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path.join(LOCK_FILE))
        .map_err(|error| failed(path, error))?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        return Err(if error == rustix::io::Errno::WOULDBLOCK {
            DataDirectoryError::LockedBy { path: path.to_owned(), pid: holder(&file) }
        } else {
            failed(path, error.into())
        });
    }
    let line = format!("{:<width$}\n", std::process::id(), width = LOCK_BYTES - 1);
    file.write_all_at(line.as_bytes(), 0).map_err(|error| failed(path, error))?;
    Ok(file)
}

/// The process that wrote its id, if it got so far.
fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(LOCK_BYTES as u64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn check_format(path: &Path) -> Result<(), DataDirectoryError> {
    match fs::read_to_string(path.join(FORMAT_FILE)) {
        Ok(found) if found.trim() == FORMAT.to_string() => Ok(()),
        Ok(found) => {
            let found = found.trim().chars().take(32).collect();
            Err(DataDirectoryError::ForeignVersion { path: path.to_owned(), found, expected: FORMAT })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => found_format(path),
        Err(error) => Err(failed(path, error)),
    }
}

/// Writes `FORMAT` whole or not at all, into an empty directory only: what
/// else lies there isn't ours to mix with.
fn found_format(path: &Path) -> Result<(), DataDirectoryError> {
    let temporary = format!("{FORMAT_FILE}.new");
    let write = || {
        // Databases of addresses may have been installed before the first start.
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name();
            if name != LOCK_FILE && name != temporary.as_str() && name != "lost+found" && name != "intel" {
                return Ok(false);
            }
        }
        let file = path.join(&temporary);
        fs::write(&file, format!("{FORMAT}\n"))?;
        File::open(&file)?.sync_all()?;
        fs::rename(&file, path.join(FORMAT_FILE))?;
        File::open(path)?.sync_all()?;
        Ok(true)
    };
    match write() {
        Ok(true) => Ok(()),
        Ok(false) => Err(DataDirectoryError::NotOurs { path: path.to_owned() }),
        Err(error) => Err(failed(path, error)),
    }
}

fn failed(path: &Path, source: io::Error) -> DataDirectoryError {
    let path = path.to_owned();
    match io_obstacle(&source) {
        Obstacle::Full => DataDirectoryError::NoSpace { path, source },
        Obstacle::ReadOnly => DataDirectoryError::NotWritable { path, source },
        Obstacle::Locked | Obstacle::Device => DataDirectoryError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn made_for_this_user_alone_and_held_by_one() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("a/b");
        let held = DataDirectory::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        match DataDirectory::open(&path).unwrap_err() {
            DataDirectoryError::LockedBy { pid, .. } => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other}"),
        }
        drop(held);
        assert_eq!(DataDirectory::open(&path).unwrap().join("x"), path.join("x"));
    }

    #[test]
    fn other_formats_files_and_strangers_are_refused() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("data");
        drop(DataDirectory::open(&path).unwrap());
        fs::write(path.join(FORMAT_FILE), "2\n").unwrap();
        let error = DataDirectory::open(&path).unwrap_err();
        assert!(
            matches!(&error, DataDirectoryError::ForeignVersion { found, expected: 1, .. } if found == "2")
        );
        assert!(error.to_string().contains("hint: "));

        let file = world.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            assert!(matches!(DataDirectory::open(path), Err(DataDirectoryError::NotADirectory { .. })));
        }
        assert!(matches!(DataDirectory::open(world.path()), Err(DataDirectoryError::NotOurs { .. })));
    }

    #[test]
    fn what_a_crash_left_behind_is_taken_over() {
        let world = tempfile::tempdir().unwrap();
        fs::write(world.path().join(LOCK_FILE), "4194303        \n").unwrap();
        fs::write(world.path().join("FORMAT.new"), "").unwrap();
        drop(DataDirectory::open(world.path()).unwrap());
        assert_eq!(fs::read_to_string(world.path().join(FORMAT_FILE)).unwrap(), "1\n");
    }
}
