//! What the reserve does to files, in one place: a test can have any of it fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Allocate,
    Write { offset_bytes: u64, bytes: usize },
    Sync,
    Rename,
    SyncDirectory,
}

/// What happens instead.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Fails with this number of `errno`, and nothing was done.
    Error(i32),
    /// A write takes only this many bytes; the rest is tried again.
    Short(usize),
}

#[cfg(test)]
pub(crate) type Plan = std::sync::Arc<dyn Fn(Step) -> Option<Fault> + Send + Sync>;

/// Files as they are, or as a test wants them.
#[derive(Clone, Default)]
pub(crate) struct Files {
    #[cfg(test)]
    pub(crate) plan: Option<Plan>,
}

impl Files {
    /// For this user alone, and empty.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        self.meet(Step::Create)?;
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    /// Promises blocks, where the file system can.
    pub(crate) fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.meet(Step::Allocate)?;
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn write_all_at(
        &self,
        file: &File,
        mut bytes: &[u8],
        mut offset_bytes: u64,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let short = self.meet(Step::Write { offset_bytes, bytes: bytes.len() })?;
            let part = short.and_then(|short| bytes.get(..short)).unwrap_or(bytes);
            match file.write_at(part, offset_bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset_bytes += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.meet(Step::Sync)?;
        file.sync_all()
    }

    /// The new name holds after a power loss, too.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Step::Rename)?;
        fs::rename(from, to)?;
        self.meet(Step::SyncDirectory)?;
        sync_directory_of(to)
    }

    #[cfg(test)]
    fn meet(&self, step: Step) -> io::Result<Option<usize>> {
        match self.plan.as_ref().and_then(|plan| plan(step)) {
            None => Ok(None),
            Some(Fault::Short(bytes)) => Ok(Some(bytes)),
            Some(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests have faults")]
    fn meet(&self, _: Step) -> io::Result<Option<usize>> {
        Ok(None)
    }
}

/// Brings the names in the directory that `path` lies in to the disk.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
