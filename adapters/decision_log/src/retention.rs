use std::io;
use std::path::Path;

use crate::segment::{self, HEADER_BYTES, Header, Listed, State, io_error};
use crate::{Disk, LogError, journal};

/// Deletes the oldest sealed segments until another one fits, and calls `deleted` for each. What is in no sealed
/// file stays: when there is nothing else, there is no room.
///
/// # Errors
/// [`LogError::NoSpace`] when all that is left is in use, or not sealed yet.
pub(crate) fn make_room(
    disk: &Disk,
    directory: &Path,
    segment_bytes: usize,
    bytes_max: u64,
    mut deleted: impl FnMut(&Listed),
) -> Result<(), LogError> {
    let mut total_bytes = segment_bytes as u64;
    let mut sealed = Vec::new();
    for listed in segment::list(directory)? {
        let Some(file) = segment::open(&listed.path, false)? else { continue };
        total_bytes += file.metadata().map_err(io_error("look at", &listed.path))?.len();
        // A header that can't be read keeps its file: recovery judges it.
        if let Ok(header) = Header::parse(&segment::read(&file, &listed.path, HEADER_BYTES)?)
            && header.state == State::Sealed
        {
            sealed.push((header.created_ms, listed, file));
        }
    }
    sealed.sort_by_key(|(created_ms, listed, _)| (*created_ms, listed.core, listed.sequence));
    for (_, listed, file) in sealed {
        if total_bytes <= bytes_max {
            break;
        }
        // Somebody is looking at it just now.
        if file.try_lock().is_err() {
            continue;
        }
        match journal::remove(disk, &listed) {
            Ok(()) => deleted(&listed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("remove", &listed.path)(error)),
        }
        let length = file.metadata().map_err(io_error("look at", &listed.path))?.len();
        total_bytes = total_bytes.saturating_sub(length);
    }
    if total_bytes <= bytes_max { Ok(()) } else { Err(LogError::NoSpace { directory: directory.to_owned() }) }
}

/// Deletes all sealed segments, and calls `deleted` for each.
///
/// # Errors
/// [`LogError::Io`].
pub(crate) fn remove_sealed(
    disk: &Disk,
    directory: &Path,
    mut deleted: impl FnMut(&Listed),
) -> Result<(), LogError> {
    for listed in segment::list(directory)? {
        let Some(file) = segment::open(&listed.path, false)? else { continue };
        let header = Header::parse(&segment::read(&file, &listed.path, HEADER_BYTES)?);
        if !header.is_ok_and(|header| header.state == State::Sealed) || file.try_lock().is_err() {
            continue;
        }
        match journal::remove(disk, &listed) {
            Ok(()) => deleted(&listed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("remove", &listed.path)(error)),
        }
    }
    Ok(())
}
