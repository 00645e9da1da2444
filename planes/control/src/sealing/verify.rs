//! Whether every sealed file is what the ledger says.

use portcullis_api::decisions::{FileFault, FilesReport};
use portcullis_archive::{Archive, FileName};
use portcullis_domain::archive::SealedFiles;

use super::SealError;

/// Reads every file to its last row. **Blocks** for as long as that takes.
///
/// # Errors
/// The folder can't be listed.
pub(crate) fn verify(archive: &Archive, files: &SealedFiles) -> Result<FilesReport, SealError> {
    let mut report = FilesReport::default();
    let mut fault = |file: String, why: String| report.faults.push(FileFault { file, why });
    for sealed in files.values() {
        match archive.check(sealed) {
            Ok(()) => {
                report.files += 1;
                report.rows += sealed.rows;
                report.bytes += sealed.bytes;
            }
            Err(error) => fault(sealed.file.clone(), portcullis_archive::chain(&error)),
        }
    }
    let listing = archive.list()?;
    let recorded: Vec<FileName> = files.values().filter_map(|sealed| sealed.file.parse().ok()).collect();
    for name in listing.files.iter().filter(|name| !recorded.contains(name)) {
        fault(name.to_string(), "no event of the ledger names it; the next start looks at it".to_owned());
    }
    for path in listing.unfinished.iter().chain(&listing.set_aside) {
        let why = "it is half-written, was set aside, or is no file of ours".to_owned();
        let file = path.strip_prefix(archive.folder()).unwrap_or(path);
        fault(file.display().to_string(), why);
    }
    report.good = report.faults.is_empty();
    Ok(report)
}
