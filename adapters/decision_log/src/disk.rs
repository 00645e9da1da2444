//! Everything that changes files, in one place: a test can have any of it fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::map::SegmentMap;

/// What is about to be done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new file, empty.
    Create,
    /// Its blocks (`fallocate`).
    Allocate,
    Write {
        offset_bytes: usize,
        bytes: usize,
    },
    /// Of all that was written to the file (`fsync`).
    Sync,
    /// Of a part of the mapped file (`msync`).
    SyncMapped {
        offset_bytes: usize,
        bytes: usize,
    },
    /// The path is the old one.
    Rename,
    Remove,
    /// Of the names in a directory.
    SyncDirectory,
}

/// What a test has happen instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this number of `errno`, and nothing was done.
    Error(i32),
    /// A write takes only this many bytes, and says so; the rest is tried again.
    Short(usize),
}

/// Asked before each operation. A simulated disk can look at the file there, too.
pub trait Faults: Send + Sync {
    fn meet(&self, operation: Operation, path: &Path) -> Option<Fault>;
}

/// The disk, as it is or as a test wants it.
#[derive(Clone, Default)]
pub struct Disk {
    faults: Option<Arc<dyn Faults>>,
}

impl Disk {
    /// A disk that fails when `faults` says so. For tests.
    pub fn failing(faults: Arc<dyn Faults>) -> Self {
        Self { faults: Some(faults) }
    }

    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        self.meet(Operation::Create, path)?;
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
    }

    /// Gives every page its block now, so that a full disk shows here: a mapped page without a block behind
    /// it would be a SIGBUS.
    pub(crate) fn allocate(&self, file: &File, path: &Path, bytes: usize) -> io::Result<()> {
        let promised = self.meet(Operation::Allocate, path).and_then(|_| promise_blocks(file, bytes));
        match promised {
            // Some file systems can't promise blocks: there the zeros are written.
            Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {
                let zeros = vec![0; 1 << 16];
                let mut offset_bytes = 0;
                while offset_bytes < bytes {
                    let part = zeros.get(..zeros.len().min(bytes - offset_bytes)).unwrap_or_default();
                    self.write_all_at(file, path, part, offset_bytes)?;
                    offset_bytes += part.len();
                }
                // Delayed allocation ends here.
                self.sync(file, path)
            }
            other => other,
        }
    }

    pub(crate) fn write_all_at(
        &self,
        file: &File,
        path: &Path,
        mut bytes: &[u8],
        mut offset_bytes: usize,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let operation = Operation::Write { offset_bytes, bytes: bytes.len() };
            let short = self.meet(operation, path)?.unwrap_or(bytes.len());
            let part = bytes.get(..short).unwrap_or(bytes);
            match file.write_at(part, offset_bytes as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset_bytes += written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.meet(Operation::Sync, path)?;
        file.sync_all()
    }

    pub(crate) fn sync_mapped(
        &self,
        map: &SegmentMap,
        path: &Path,
        offset_bytes: usize,
        bytes: usize,
    ) -> io::Result<()> {
        self.meet(Operation::SyncMapped { offset_bytes, bytes }, path)?;
        map.flush(offset_bytes, bytes)
    }

    /// The new name holds after a power loss, too.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Operation::Rename, from)?;
        fs::rename(from, to)?;
        self.sync_directory(to)
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.meet(Operation::Remove, path)?;
        fs::remove_file(path)
    }

    /// The directory that `path` lies in.
    pub(crate) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        self.meet(Operation::SyncDirectory, directory)?;
        File::open(directory)?.sync_all()
    }

    fn meet(&self, operation: Operation, path: &Path) -> io::Result<Option<usize>> {
        match self.faults.as_ref().and_then(|faults| faults.meet(operation, path)) {
            None => Ok(None),
            Some(Fault::Short(bytes)) => Ok(Some(bytes)),
            Some(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
        }
    }
}

fn promise_blocks(file: &File, bytes: usize) -> io::Result<()> {
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, bytes as u64) {
            // A signal came; what it has promised so far stays.
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Two disks are the same when the same faults befall them.
impl PartialEq for Disk {
    fn eq(&self, other: &Self) -> bool {
        match (&self.faults, &other.faults) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Disk {}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.faults.is_some() { "Disk(failing)" } else { "Disk" })
    }
}
