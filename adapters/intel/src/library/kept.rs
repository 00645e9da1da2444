//! The last good copy of each feed, so that it outlives a restart while the newest can't be used.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

/// Copies what was read. Without a copy the feed serves all the same: it is told, and no more.
pub fn keep(folder: &Path, name: &str, from: &Path) {
    if let Err(error) = copy(folder, name, from) {
        tracing::warn!(feed = name, %error, "the last good copy of a feed can't be kept");
    }
}

pub fn forget(folder: &Path, name: &str) {
    let _ = fs::remove_file(path(folder, name));
}

/// The copy is as old as what it is a copy of.
fn copy(folder: &Path, name: &str, from: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let to = path(folder, name);
    let modified = fs::metadata(from)?.modified()?;
    let is_there = fs::metadata(&to).is_ok_and(|kept| {
        kept.modified().is_ok_and(|kept| kept == modified)
            && fs::metadata(from).is_ok_and(|from| from.len() == kept.len())
    });
    if is_there {
        return Ok(());
    }
    let new = folder.join(format!("{name}.new"));
    fs::copy(from, &new)?;
    let file = File::options().write(true).open(&new)?;
    file.set_modified(modified)?;
    file.sync_all()?;
    fs::rename(&new, &to)
}
