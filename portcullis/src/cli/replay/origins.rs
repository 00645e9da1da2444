//! What is known of the addresses in a log: databases and feeds that lie in a folder. Nothing is written there.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use portcullis_intel::{FeedStatus, Folder, Library, Limits};

use super::super::Place;
use crate::up::intel;

pub(super) struct Origins {
    library: Library,
    said: String,
}

impl Origins {
    /// Those of the folder that was named; else those of the data folder, or of `PORTCULLIS_GEO`.
    ///
    /// # Errors
    /// A folder was named, and there is nothing in it that can be used.
    pub(super) fn of(place: &Place, named: Option<&Path>, now: Timestamp) -> Result<Self> {
        let folder = match named {
            Some(named) => Folder::new(named.to_owned(), Some(named.to_owned())),
            None => {
                place.directory().map_or_else(intel::installed_elsewhere, |folder| intel::folder(&folder))
            }
        };
        let library = Library::without_copies(Limits::default());
        let sources = match folder.sources() {
            Ok(sources) => sources,
            Err(error) if named.is_none() => {
                return Ok(Self {
                    library,
                    said: format!("{NOTHING}, since the list of feeds can't be read: {error}."),
                });
            }
            Err(error) => return Err(error).context("the list of feeds can't be read"),
        };
        library.look(&sources, now);
        let status = library.status();
        if let Some(named) = named {
            usable(named, &status)?;
        }
        Ok(Self { said: said(&status), library })
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    /// In a sentence.
    pub(super) fn said(&self) -> &str {
        &self.said
    }
}

const NOTHING: &str = "Nothing is known of addresses";

/// Whoever names a folder means it: all of it is used, or it is an error.
fn usable(named: &Path, status: &[FeedStatus]) -> Result<()> {
    if status.is_empty() {
        return Err(anyhow!(
            "`{}` holds no database and no list of feeds\nhint: `make geo DIR=DATA` fills `DATA/intel/geo`; \
             the names are `country.mmdb`, `asn.csv` and so on",
            named.display()
        ));
    }
    match status.iter().find_map(|feed| Some((feed, feed.error.as_ref()?))) {
        Some((feed, (why, _))) => Err(anyhow!(
            "`{}` can't be used: {why}\nhint: `make geo` installs it anew",
            feed.source.path.display()
        )),
        None => Ok(()),
    }
}

fn said(status: &[FeedStatus]) -> String {
    let mut used = Vec::new();
    let mut unusable = Vec::new();
    for feed in status {
        match (&feed.in_use, &feed.error) {
            (Some(in_use), _) => {
                used.push(format!(
                    "{} ({}, as of {})",
                    file(feed),
                    feed.source.holds.as_str(),
                    in_use.as_of.strftime("%Y-%m-%d")
                ));
            }
            (None, Some((why, _))) => unusable.push(format!("{} ({why})", file(feed))),
            (None, None) => {}
        }
    }
    let mut text = if used.is_empty() {
        format!(
            "{NOTHING} beyond their prefixes: country, network number, lists and movement say `no data` \
             (`make geo` installs databases, `--origin` names them)"
        )
    } else {
        format!(
            "Addresses are looked up in {}: as they are known now, not when the log was written",
            used.join(", ")
        )
    };
    if !unusable.is_empty() {
        text.push_str(&format!("; not usable: {}", unusable.join(", ")));
    }
    text.push('.');
    text
}

fn file(feed: &FeedStatus) -> String {
    feed.source
        .path
        .file_name()
        .map_or_else(|| feed.source.name.clone(), |name| name.to_string_lossy().into_owned())
}
