use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::LogError;
use crate::frame::{Frame, Frames, id_ms};
use crate::segment::{self, HEADER_BYTES, Header, HeaderFault, SEGMENT_BYTES_MAX, State};

/// Reads a directory of segments, also while it is being written, by this process or another.
///
/// It reads copies of the files and not mappings: a frame that is just being written is seen whole or not at
/// all, and a segment that is deleted meanwhile does no harm. Sealed segments are passed over.
#[derive(Clone, Debug)]
pub struct Reader {
    directory: PathBuf,
}

/// A closed segment in which something is no frame; what follows there was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    pub offset_bytes: usize,
}

impl Reader {
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self { directory: directory.as_ref().to_owned() }
    }

    /// All frames with this id, in the order they were appended: a decision, then its outcome. Closed segments
    /// that hold no id of that time aren't read.
    ///
    /// # Errors
    /// [`LogError::ForeignVersion`] or [`LogError::Io`]. Damaged segments are only logged.
    pub fn find(&self, id: [u8; 16]) -> Result<Vec<Frame>, LogError> {
        let at_ms = id_ms(&id);
        let (sources, mut damage) = self.sources(at_ms, at_ms.saturating_add(1))?;
        let mut found = Vec::new();
        for source in sources {
            source.read(&mut damage, |frame| {
                if frame.id == id {
                    found.push(frame);
                }
            })?;
        }
        for damage in damage {
            tracing::warn!(path = %damage.path.display(), offset_bytes = damage.offset_bytes, "a segment is damaged");
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Visits all frames whose id's time is in `since_ms..until_ms`, the oldest id first, merged over all
    /// cores. Holds only segments in memory whose times overlap. Frames that are appended meanwhile may be
    /// missing. Answers which damage it met.
    ///
    /// # Errors
    /// [`LogError::ForeignVersion`] or [`LogError::Io`].
    pub fn scan(
        &self,
        since_ms: u64,
        until_ms: u64,
        visit: &mut dyn FnMut(&Frame) -> ControlFlow<()>,
    ) -> Result<Vec<Damage>, LogError> {
        let (mut sources, mut damage) = self.sources(since_ms, until_ms)?;
        sources.sort_by_key(Source::earliest_ms);
        let mut sources = VecDeque::from(sources);
        let mut waiting = BinaryHeap::new();
        loop {
            let waiting_ms = waiting.peek().map(|Reverse(frame): &Reverse<Frame>| frame.id_ms());
            // A segment not yet read may hold a frame as early as the earliest that waits.
            let source = sources.pop_front_if(|source| {
                waiting_ms.is_none_or(|waiting_ms| source.earliest_ms() <= waiting_ms)
            });
            if let Some(source) = source {
                source.read(&mut damage, |frame| {
                    if (since_ms..until_ms).contains(&frame.id_ms()) {
                        waiting.push(Reverse(frame));
                    }
                })?;
                continue;
            }
            let Some(Reverse(frame)) = waiting.pop() else { return Ok(damage) };
            if visit(&frame).is_break() {
                return Ok(damage);
            }
        }
    }

    /// The segments that may hold ids of these times, opened: from now on they can't vanish.
    fn sources(&self, since_ms: u64, until_ms: u64) -> Result<(Vec<Source>, Vec<Damage>), LogError> {
        let (mut sources, mut damage) = (Vec::new(), Vec::new());
        for listed in segment::list(&self.directory)? {
            let path = listed.path;
            let Some(file) = segment::open(&path, false)? else { continue };
            match Header::parse(&segment::read(&file, &path, HEADER_BYTES)?) {
                // All of it is in sealed files, and it may go at any moment.
                Ok(header) if header.state == State::Sealed => {}
                Ok(header) => {
                    let source = Source { path, file, header };
                    if source.may_hold(since_ms, until_ms) {
                        sources.push(source);
                    }
                }
                Err(HeaderFault::ForeignVersion(version)) => {
                    return Err(LogError::ForeignVersion { path, version });
                }
                Err(HeaderFault::Unreadable) => damage.push(Damage { path, offset_bytes: 0 }),
            }
        }
        Ok((sources, damage))
    }
}

struct Source {
    path: PathBuf,
    file: File,
    header: Header,
}

impl Source {
    fn may_hold(&self, since_ms: u64, until_ms: u64) -> bool {
        // The range of a segment that isn't closed may grow, or be older than its frames after a crash.
        self.header.state != State::Closed
            || self
                .header
                .id_ms
                .as_ref()
                .is_some_and(|range| *range.start() < until_ms && since_ms <= *range.end())
    }

    fn earliest_ms(&self) -> u64 {
        match &self.header.id_ms {
            Some(range) if self.header.state == State::Closed => *range.start(),
            _ => 0,
        }
    }

    fn read(&self, damage: &mut Vec<Damage>, mut visit: impl FnMut(Frame)) -> Result<(), LogError> {
        let bytes = segment::read(&self.file, &self.path, SEGMENT_BYTES_MAX)?;
        let mut frames = Frames::new(&bytes);
        for frame in frames.by_ref() {
            visit(frame.to_frame(self.header.core, self.header.sequence));
        }
        // In a segment that isn't closed, a frame being written may look torn: the log ends before it.
        if self.header.state == State::Closed && !frames.ended() {
            damage.push(Damage { path: self.path.clone(), offset_bytes: frames.offset_bytes() });
        }
        Ok(())
    }
}
