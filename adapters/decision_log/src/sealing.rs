//! Segments as the one sees them who brings their frames into sealed files.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::frame::{Frames, id_ms};
use crate::segment::{
    self, HEADER_BYTES, Header, HeaderFault, SEALED, SEGMENT_BYTES_MAX, STATE_OFFSET_BYTES, State, io_error,
};
use crate::{Damage, Disk, LogError, journal};

/// One segment, and never another one: a sequence may come again after somebody has emptied the directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentKey {
    pub core: u16,
    pub sequence: u64,
    pub created_ms: u64,
}

/// A segment that isn't sealed, opened: it can't vanish while it is read.
#[derive(Debug)]
pub struct Unsealed {
    pub key: SegmentKey,
    pub path: PathBuf,
    /// Whether it is whole, and nobody writes to it.
    pub closed: bool,
    /// Latest time of an id in it, in milliseconds.
    pub latest_ms: u64,
    pub bytes: u64,
    file: File,
}

/// A frame where it lies.
#[derive(Clone, Copy, Debug)]
pub struct FrameRef<'a> {
    pub offset_bytes: usize,
    pub kind: u8,
    pub version: u8,
    pub id: [u8; 16],
    /// Zero when unknown.
    pub vendor: [u8; 16],
    pub payload: &'a [u8],
}

impl FrameRef<'_> {
    /// The time in the id, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn id_ms(&self) -> u64 {
        id_ms(&self.id)
    }
}

/// What was read of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visited {
    /// Where the next frame would stand.
    pub end_bytes: usize,
    /// In a closed segment, where something is no frame.
    pub damage: Option<Damage>,
}

/// All segments that hold frames which may be in no sealed file, by core and sequence.
///
/// # Errors
/// [`LogError::ForeignVersion`] or [`LogError::Io`]. A header that can't be read is logged: recovery judges it.
pub fn unsealed(directory: impl AsRef<Path>) -> Result<Vec<Unsealed>, LogError> {
    let mut all = Vec::new();
    for listed in segment::list(directory.as_ref())? {
        let path = listed.path;
        let Some(file) = segment::open(&path, true)? else { continue };
        let header = match Header::parse(&segment::read(&file, &path, HEADER_BYTES)?) {
            Ok(header) => header,
            Err(HeaderFault::ForeignVersion(version)) => {
                return Err(LogError::ForeignVersion { path, version });
            }
            Err(HeaderFault::Unreadable) => {
                tracing::warn!(path = %path.display(), "the header of a segment can't be read");
                continue;
            }
        };
        if header.state == State::Sealed {
            continue;
        }
        all.push(Unsealed {
            key: SegmentKey { core: header.core, sequence: header.sequence, created_ms: header.created_ms },
            closed: header.state == State::Closed,
            latest_ms: header.id_ms.map_or(0, |range| *range.end()),
            bytes: file.metadata().map_err(io_error("look at", &path))?.len(),
            path,
            file,
        });
    }
    Ok(all)
}

impl Unsealed {
    /// Visits the frames in their order. Of one that is being written, those that are whole now.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn visit(&self, mut visit: impl FnMut(FrameRef<'_>)) -> Result<Visited, LogError> {
        let bytes = segment::read(&self.file, &self.path, SEGMENT_BYTES_MAX)?;
        let mut frames = Frames::new(&bytes);
        for frame in frames.by_ref() {
            visit(FrameRef {
                offset_bytes: frame.offset_bytes,
                kind: frame.kind,
                version: frame.version,
                id: *frame.id,
                vendor: *frame.vendor,
                payload: frame.payload,
            });
        }
        let end_bytes = frames.offset_bytes();
        let damaged = self.closed && !frames.ended();
        let damage = damaged.then(|| Damage { path: self.path.clone(), offset_bytes: end_bytes });
        Ok(Visited { end_bytes, damage })
    }

    /// Says in the segment that all its frames are in sealed files: it may be deleted from now on. `false` when its
    /// writer still has it: then it is too early.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn mark_sealed(&self) -> Result<bool, LogError> {
        if !self.closed || self.file.try_lock().is_err() {
            return Ok(false);
        }
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let told = journal::may_go(&Disk::default(), directory, self.key.core, self.key.sequence);
        // Who deletes it tries again.
        journal::warn_unless(told, &self.path);
        let marked = self
            .file
            .write_all_at(&SEALED.to_le_bytes(), STATE_OFFSET_BYTES as u64)
            // Lost in a power loss, it is only found out once more.
            .and_then(|()| self.file.sync_data());
        let unlocked = self.file.unlock();
        marked.and(unlocked).map_err(io_error("mark", &self.path))?;
        Ok(true)
    }
}
