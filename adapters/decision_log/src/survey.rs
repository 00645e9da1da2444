use std::path::{Path, PathBuf};

use crate::segment::{self, HEADER_BYTES, Header, SUFFIX_DAMAGED, io_error};
use crate::{LogError, Missing, journal};

/// What a directory of segments looks like from outside; reads headers only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub segments: usize,
    pub bytes: u64,
    /// Not closed: being written, or left by a crash, in which case the next start recovers them. Which of
    /// the two is not asked: that takes a lock, which a start at the same moment would find.
    pub open: Vec<PathBuf>,
    /// What recovery could make nothing of, for a human to look at; journals of segments too.
    pub set_aside: Vec<PathBuf>,
    /// Those that must be there and aren't.
    pub missing: Vec<Missing>,
}

/// Looks at a directory, also while it is being written.
///
/// # Errors
/// [`LogError::Io`].
pub fn survey(directory: impl AsRef<Path>) -> Result<Survey, LogError> {
    let directory = directory.as_ref();
    let mut survey = Survey::default();
    for listed in segment::list(directory)? {
        let Some(file) = segment::open(&listed.path, false)? else { continue };
        survey.segments += 1;
        survey.bytes += file.metadata().map_err(io_error("look at", &listed.path))?.len();
        let header = Header::parse(&segment::read(&file, &listed.path, HEADER_BYTES)?);
        let closed = header.is_ok_and(|header| header.state.is_closed());
        if !closed {
            survey.open.push(listed.path);
        }
    }
    let aside = segment::list_suffixed(directory, SUFFIX_DAMAGED)?;
    survey.set_aside = aside.into_iter().map(|listed| listed.path).collect();
    survey.set_aside.extend(journal::set_aside(directory)?);
    survey.missing = journal::missing(directory)?;
    Ok(survey)
}
