use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::frame::{Frames, id_ms};
use crate::segment::{self, HEADER_BYTES, Header, HeaderFault, Listed, SEGMENT_BYTES_MAX, State, io_error};
use crate::{Disk, LogError, journal};

/// What became of a segment that nobody had closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub path: PathBuf,
    /// Whole frames in it.
    pub frames: usize,
    /// What was no whole frame, and is gone.
    pub cut: Option<Cut>,
    pub outcome: Outcome,
}

/// A torn tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where in the file it began.
    pub offset_bytes: usize,
    /// Up to the last byte that wasn't zero.
    pub bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its frames are kept.
    Closed,
    /// It had never been written to.
    Removed,
    /// Its header can't be read: it was renamed, and is left for a human.
    SetAside { path: PathBuf },
}

/// Closes all segments that a crash left open, of all cores; those that somebody is writing are left alone.
///
/// # Errors
/// [`LogError::ForeignVersion`] for a file of another format version, [`LogError::Io`] else.
/// A corrupt file is no error: what became of it is in the answer.
pub fn recover(directory: impl AsRef<Path>) -> Result<Vec<Recovered>, LogError> {
    let mut all = Vec::new();
    for listed in segment::list(directory.as_ref())? {
        if let Found::Recovered(recovered) = recover_segment(&Disk::default(), &listed)? {
            all.push(recovered);
        }
    }
    Ok(all)
}

/// The same for one core, for which nobody else may be writing.
pub(crate) fn recover_core(disk: &Disk, directory: &Path, core: u16) -> Result<Vec<Recovered>, LogError> {
    let mut all = Vec::new();
    for listed in segment::list(directory)? {
        if listed.core != core {
            continue;
        }
        match recover_segment(disk, &listed)? {
            Found::Recovered(recovered) => all.push(recovered),
            Found::InUse => return Err(LogError::CoreInUse { directory: directory.to_owned(), core }),
            Found::Closed => {}
        }
    }
    Ok(all)
}

enum Found {
    Closed,
    InUse,
    Recovered(Recovered),
}

fn recover_segment(disk: &Disk, listed: &Listed) -> Result<Found, LogError> {
    let path = &listed.path;
    let Some(file) = segment::open(path, true)? else { return Ok(Found::Closed) };
    let state = match Header::parse(&segment::read(&file, path, HEADER_BYTES)?) {
        Ok(header) => Some(header.state),
        Err(HeaderFault::ForeignVersion(version)) => {
            return Err(LogError::ForeignVersion { path: path.clone(), version });
        }
        Err(HeaderFault::Unreadable) => None,
    };
    if state.is_some_and(State::is_closed) {
        return Ok(Found::Closed);
    }
    if file.try_lock().is_err() {
        return Ok(Found::InUse);
    }
    let bytes = segment::read(&file, path, SEGMENT_BYTES_MAX)?;
    // Read again under the lock: its writer may have closed it a moment ago.
    match Header::parse(&bytes) {
        Ok(header) if header.state.is_closed() => Ok(Found::Closed),
        Ok(header) => close(disk, &file, listed, header, &bytes).map(Found::Recovered),
        Err(_) if bytes.iter().all(|&byte| byte == 0) => remove(disk, listed).map(Found::Recovered),
        Err(_) => set_aside(disk, listed).map(Found::Recovered),
    }
}

fn close(
    disk: &Disk,
    file: &File,
    listed: &Listed,
    mut header: Header,
    bytes: &[u8],
) -> Result<Recovered, LogError> {
    let path = &listed.path;
    let mut frames = Frames::new(bytes);
    let mut count = 0;
    header.id_ms = None;
    for frame in frames.by_ref() {
        let at = id_ms(frame.id);
        count += 1;
        header.id_ms =
            Some(header.id_ms.map_or(at..=at, |range| at.min(*range.start())..=at.max(*range.end())));
    }
    let cut = torn_tail(bytes, frames.offset_bytes());
    if count == 0 && cut.is_none() {
        return remove(disk, listed);
    }
    let failed = io_error("recover", path);
    // A file that was cut off may lack the last frame's padding.
    let (start, end) = (HEADER_BYTES, frames.offset_bytes().min(bytes.len()));
    // Written anew though it stands there: after a failed sync the kernel takes pages for clean that never
    // reached the disk, and would not write them by itself.
    let kept = bytes.get(start..end).unwrap_or_default();
    disk.write_all_at(file, path, kept, start).map_err(&failed)?;
    if let Some(cut) = cut {
        disk.write_all_at(file, path, &vec![0; cut.bytes], cut.offset_bytes).map_err(&failed)?;
    }
    // The frames before the header: a segment that says it is closed is whole.
    disk.sync(file, path).map_err(&failed)?;
    header.state = State::Closed;
    disk.write_all_at(file, path, &header.to_bytes(), 0).map_err(&failed)?;
    disk.sync(file, path).map_err(&failed)?;
    Ok(Recovered { path: path.to_owned(), frames: count, cut, outcome: Outcome::Closed })
}

/// Pages reach the disk in any order: whole frames may stand behind a gap. They were never synced, and
/// without their predecessors they are no log.
fn torn_tail(bytes: &[u8], offset_bytes: usize) -> Option<Cut> {
    let tail = bytes.get(offset_bytes..)?;
    let last = tail.iter().rposition(|&byte| byte != 0)?;
    Some(Cut { offset_bytes, bytes: last + 1 })
}

fn remove(disk: &Disk, listed: &Listed) -> Result<Recovered, LogError> {
    let path = &listed.path;
    match journal::remove(disk, listed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(Recovered { path: path.to_owned(), frames: 0, cut: None, outcome: Outcome::Removed }),
    }
}

fn set_aside(disk: &Disk, listed: &Listed) -> Result<Recovered, LogError> {
    let path = &listed.path;
    let aside = path.with_added_extension("damaged");
    disk.rename(path, &aside).map_err(io_error("rename", path))?;
    tracing::error!(path = %aside.display(), "a segment of the decision log can't be read, and is set aside");
    let directory = path.parent().unwrap_or(Path::new("."));
    journal::warn_unless(journal::may_go(disk, directory, listed.core, listed.sequence), &aside);
    let outcome = Outcome::SetAside { path: aside };
    Ok(Recovered { path: path.to_owned(), frames: 0, cut: None, outcome })
}
