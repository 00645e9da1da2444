//! The folder of an export: files are added, and none is ever changed but `checkpoint`.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use portcullis_ledger::tiles::{Tile, TileName, partial_tiles, read_tile};

use crate::settings::write_whole;

const CHECKPOINT: &str = "checkpoint";
/// What a folder of ours may hold; a crash may have left the last two.
const OURS: [&str; 6] = [CHECKPOINT, "tile", "payload", "lost+found", "checkpoint.new", PART];
const PART: &str = ".part";

pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes the folder if it is missing; one with other files in it is not touched.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("can't make `{shown}`"))?;
        for entry in fs::read_dir(path).with_context(|| format!("can't read `{shown}`"))? {
            let name = entry?.file_name();
            if !OURS.iter().any(|ours| name == *ours) {
                bail!(
                    "`{shown}` has files of something else, such as `{}`\nhint: name a new folder, or that of an earlier export",
                    name.display()
                );
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    /// The checkpoint of the export before, if there was one.
    pub(super) fn checkpoint(&self) -> Result<Option<String>> {
        let path = self.path.join(CHECKPOINT);
        match fs::read_to_string(&path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read `{}`", path.display())),
        }
    }

    /// The tiles of a tree of `size` leaves that aren't full, as files of an earlier export.
    pub(super) fn partial_tiles(&self, size: u64) -> Result<Vec<Tile>> {
        let read = |name: TileName| {
            let path = self.path.join(name.path());
            let bytes = fs::read(&path).with_context(|| format!("can't read `{}`", path.display()))?;
            Ok(Tile { name, hashes: read_tile(&name, &bytes)? })
        };
        partial_tiles(size).into_iter().map(read).collect()
    }

    /// Adds a file. One that is there already must be the same.
    pub(super) fn add(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        match File::open(&path) {
            Ok(found) => self.same(name, found, &mut &*bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let part = self.path.join(PART);
                fs::write(&part, bytes).with_context(|| format!("can't write `{}`", part.display()))?;
                move_to(&part, &path)
            }
            Err(error) => Err(error).with_context(|| format!("can't read `{}`", path.display())),
        }
    }

    /// A file that is written line by line, and gets its name at the end.
    pub(super) fn begin(&self, name: &'static str) -> Result<Part> {
        let folder = self.path.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        let path = folder.join(PART);
        let file = File::create(&path).with_context(|| format!("can't write `{}`", path.display()))?;
        Ok(Part { path, file: BufWriter::new(file) })
    }

    /// Gives a file its name. One that is there already must be the same.
    pub(super) fn finish(&self, part: Part, name: &str) -> Result<()> {
        let Part { path: from, file } = part;
        let doing = || format!("can't write `{}`", from.display());
        file.into_inner().map_err(io::IntoInnerError::into_error).with_context(doing)?;
        let path = self.path.join(name);
        match File::open(&path) {
            Ok(found) => {
                let mut new = BufReader::new(File::open(&from).with_context(doing)?);
                self.same(name, found, &mut new)?;
                fs::remove_file(&from).with_context(doing)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => move_to(&from, &path),
            Err(error) => Err(error).with_context(|| format!("can't read `{}`", path.display())),
        }
    }

    /// Everything else is on the disk before the checkpoint that speaks of it.
    pub(super) fn close(&self, checkpoint: &str) -> Result<()> {
        let folder =
            File::open(&self.path).with_context(|| format!("can't open `{}`", self.path.display()))?;
        rustix::fs::syncfs(&folder).with_context(|| format!("can't sync `{}`", self.path.display()))?;
        write_whole(&self.path.join(CHECKPOINT), checkpoint.as_bytes(), 0o644)
    }

    fn same(&self, name: &str, found: File, expected: &mut dyn io::Read) -> Result<()> {
        let path = self.path.join(name);
        let equal = equal(&mut BufReader::new(found), expected)
            .with_context(|| format!("can't read `{}`", path.display()))?;
        if !equal {
            bail!(
                "`{}` is there already, and is not what the ledger holds: the file or the ledger was changed\nhint: keep this folder as it is, and export to a new one",
                path.display()
            );
        }
        Ok(())
    }
}

/// A file on its way.
pub(super) struct Part {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Part {
    pub(super) fn line(&mut self, text: &str) -> Result<()> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
        written.with_context(|| format!("can't write `{}`", self.path.display()))
    }
}

fn move_to(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("can't write `{}`", to.display());
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(doing)?;
    }
    fs::rename(from, to).with_context(doing)
}

fn equal(left: &mut dyn io::Read, right: &mut dyn io::Read) -> io::Result<bool> {
    let (mut left, mut right) = (BufReader::new(left).bytes(), BufReader::new(right).bytes());
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => return Ok(true),
            (left, right) if left != right => return Ok(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_added_and_never_changed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("new/export")).unwrap();
        directory.add("tile/0/000.p/1", b"abc").unwrap();
        directory.add("tile/0/000.p/1", b"abc").unwrap();
        for other in ["abd", "ab", "abcd", ""] {
            assert!(directory.add("tile/0/000.p/1", other.as_bytes()).is_err(), "{other}");
        }
        for (text, holds) in [("a", true), ("a", true), ("b", false)] {
            let mut part = directory.begin("payload").unwrap();
            part.line(text).unwrap();
            assert_eq!(directory.finish(part, "payload/000").is_ok(), holds, "{text}");
        }
        directory.close("note").unwrap();
        assert_eq!(directory.checkpoint().unwrap().as_deref(), Some("note"));
        assert!(Directory::open(&folder.path().join("new/export")).is_ok());
    }

    #[test]
    fn a_folder_of_something_else_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("letter.txt"), "").unwrap();
        let error = Directory::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("letter.txt") && error.contains("hint: "), "{error}");
    }
}
