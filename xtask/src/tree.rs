//! The files of the repository, read once.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Larger files are data, which no check reads.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Every text file that is tracked, or new and not ignored.
#[derive(Debug)]
pub struct Tree {
    pub root: PathBuf,
    pub files: Vec<TextFile>,
}

#[derive(Debug)]
pub struct TextFile {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

impl Tree {
    /// # Errors
    /// When git can't list the files.
    pub fn read(root: &Path) -> Result<Self, String> {
        let listed = output(
            Command::new("git")
                .current_dir(root)
                .args(["ls-files", "-z", "--cached", "--others"])
                .arg("--exclude-standard"),
        )?;
        let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        let files = paths
            .into_iter()
            .filter_map(|path| {
                // Listed and gone is a deletion that is not committed yet.
                let bytes =
                    std::fs::read(root.join(path)).ok().filter(|bytes| bytes.len() <= TEXT_BYTES_MAX)?;
                Some(TextFile { path: path.to_owned(), text: String::from_utf8(bytes).ok()? })
            })
            .collect();
        Ok(Self { root: root.to_owned(), files })
    }

    pub fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// # Errors
    /// When there is no such file.
    pub fn text(&self, path: &str) -> Result<&str, String> {
        self.file(path).map(|file| file.text.as_str()).ok_or_else(|| format!("`{path}` is missing"))
    }

    pub fn with_ending(&self, ending: &'static str) -> impl Iterator<Item = &TextFile> {
        self.files.iter().filter(move |file| file.path.ends_with(ending))
    }
}

/// What `command` prints.
///
/// # Errors
/// That it can't be run, or what it complains about.
pub fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|error| format!("`{program}` can't be run: {error}"))?;
    if !done.status.success() {
        let complaint = String::from_utf8_lossy(&done.stderr);
        return Err(format!("`{program}` failed: {}", complaint.trim()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The 1-based line of a byte.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
