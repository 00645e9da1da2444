//! Copies that outlive the process.
//!
//! Of registers none is laid down: their records name people, and what matters of them is in the dossiers, under the keys
//! of those people. They are asked anew at a start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::ToSpan;
use portcullis_assurance::lei::Lei;
use portcullis_proof::digest;

use super::read::content;
use super::{Kept, Loaded, Remembered, Source};

/// Where a fetch writes before it is read.
pub(super) fn fetched(kept: &Kept, source: &Source) -> PathBuf {
    kept.folder.join(format!("{}.new", source.settings.name))
}

/// Beside its place first: nobody ever finds half of it.
pub(super) async fn lay_down(
    kept: &Kept,
    source: &Source,
    bytes: &[u8],
    remembered: &Remembered,
) -> Result<(), String> {
    let (copy, _) = paths(&kept.folder, &source.settings.name);
    whole(kept, &copy, bytes).await?;
    remember(kept, source, remembered).await
}

/// When it was had last, and how its server named it.
pub(super) async fn remember(kept: &Kept, source: &Source, remembered: &Remembered) -> Result<(), String> {
    let (_, beside) = paths(&kept.folder, &source.settings.name);
    let text = serde_json::to_vec(remembered).map_err(|error| error.to_string())?;
    whole(kept, &beside, &text).await
}

/// What the process before left is in use until there is something newer. **Blocks.**
pub(super) fn read_copy(source: &Source, folder: &Path, wanted: &BTreeSet<Lei>) -> Result<(), String> {
    let (copy, beside) = paths(folder, &source.settings.name);
    let Ok(text) = std::fs::read(beside) else { return Ok(()) };
    let Ok(remembered) = serde_json::from_slice::<Remembered>(&text) else { return Ok(()) };
    let Some(as_of) = remembered.as_of.filter(|_| remembered.place == source.settings.shown()) else {
        return Ok(());
    };
    if source.settings.names_people() {
        source.status().remembered = remembered;
        return Ok(());
    }
    let bytes = std::fs::read(copy).map_err(|error| error.to_string())?;
    let content = content(source.settings.kind, &bytes, wanted, as_of).map_err(|error| error.to_string())?;
    let next = as_of.checked_add(i64::from(source.settings.refresh_seconds).seconds()).ok();
    let mut status = source.status();
    status.loaded = Some(Loaded { content, sha256: digest(&bytes), as_of });
    status.remembered = remembered;
    status.schedule.next = next;
    Ok(())
}

/// Removes what no source of now has laid down, and what a process that was killed left half done. **Blocks.**
pub(super) fn tidy(kept: &Kept) {
    let Ok(entries) = std::fs::read_dir(&kept.folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let source = kept.sources.iter().find(|source| source.settings.name == stem);
        let known = source.is_some_and(|source| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            extension == Some("json") || (extension == Some("copy") && !source.settings.names_people())
        });
        if !known {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn paths(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{name}.copy")), folder.join(format!("{name}.json")))
}

async fn whole(kept: &Kept, to: &Path, bytes: &[u8]) -> Result<(), String> {
    let part = to.with_extension("part");
    let said = |error: std::io::Error| format!("the copy can't be kept: {error}");
    tokio::fs::create_dir_all(&kept.folder).await.map_err(said)?;
    tokio::fs::write(&part, bytes).await.map_err(said)?;
    tokio::fs::rename(&part, to).await.map_err(said)
}
