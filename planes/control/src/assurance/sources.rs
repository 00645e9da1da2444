//! Registers, lists and catalogues: had again and again, and the last good copy of each in use until there is a better one.
//!
//! What can't be had, can't be read, or has lost most of its entries changes nothing: it is told, with the age of what
//! is in use.

mod copies;
mod having;
mod keeping;
mod read;
mod settings;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use portcullis_api::sources::SourceView;
use portcullis_assurance::entity::EntityRecord;
use portcullis_assurance::screening::index::Index;
use portcullis_assurance::sources::kev::Kev;
use portcullis_assurance::sources::osv::Osv;
use serde::{Deserialize, Serialize};

use crate::feeds::{FetchFile, Validator};
use crate::schedule::Schedule;
pub(crate) use keeping::NotNow;
pub(crate) use read::{ReadError, gleif_records, list_of, registry_record};
pub use settings::{SettingsError, SourceSettings};
pub(crate) use wanted::is_about;

/// Sources of one installation.
pub const SOURCES_MAX: usize = 64;
/// How long after a first failure it is tried again; doubled from then on.
const RETRY_SECONDS: i64 = 60;
/// A source whose age is more than so many of its refreshes is told of.
const STALE_REFRESHES: i64 = 3;

/// What was read.
#[derive(Clone)]
pub(crate) enum Content {
    List(Arc<Index>),
    Kev(Arc<Kev>),
    Osv(Arc<Vec<Osv>>),
    Entities(Arc<Vec<EntityRecord>>),
}

impl Content {
    fn entries(&self) -> usize {
        match self {
            Self::List(index) => index.entries().len(),
            Self::Kev(kev) => kev.entries.len(),
            Self::Osv(records) => records.len(),
            Self::Entities(records) => records.len(),
        }
    }
}

/// What is in use of a source.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub content: Content,
    /// Lower-case hex.
    pub sha256: String,
    /// When it was said last to be the newest.
    pub as_of: Timestamp,
}

/// What outlives a restart, beside the copy or without one.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    place: String,
    validator: Option<Validator>,
    as_of: Option<Timestamp>,
}

struct Source {
    settings: SourceSettings,
    certificate_authority: Option<String>,
    status: Mutex<Status>,
}

#[derive(Clone, Default)]
struct Status {
    loaded: Option<Loaded>,
    remembered: Remembered,
    schedule: Schedule,
    error_since: Option<Timestamp>,
    under_way: bool,
    /// LEIs or numbers that were asked for last.
    asked: BTreeSet<String>,
    /// There are vendors now of which it hasn't been asked.
    has_more: bool,
}

impl Source {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All sources of this installation, once they are known.
#[derive(Default)]
pub(crate) struct Sources(OnceLock<Kept>);

struct Kept {
    folder: PathBuf,
    fetch: FetchFile,
    sources: Vec<Arc<Source>>,
}

impl Sources {
    /// What is in use, by name.
    pub fn loaded(&self) -> BTreeMap<String, Loaded> {
        let sources = self.0.get().map(|kept| kept.sources.as_slice()).unwrap_or_default();
        let loaded =
            |source: &Arc<Source>| Some((source.settings.name.clone(), source.status().loaded.clone()?));
        sources.iter().filter_map(loaded).collect()
    }

    /// How it stands with each.
    pub fn views(&self) -> Vec<SourceView> {
        let sources = self.0.get().map(|kept| kept.sources.as_slice()).unwrap_or_default();
        sources.iter().map(|source| view(source)).collect()
    }
}

fn view(source: &Source) -> SourceView {
    let Status { loaded, remembered, schedule, error_since, .. } = source.status().clone();
    SourceView {
        name: source.settings.name.clone(),
        kind: source.settings.kind,
        place: source.settings.shown(),
        entries: loaded.as_ref().map(|loaded| loaded.content.entries()),
        sha256: loaded.as_ref().map(|loaded| loaded.sha256.clone()),
        as_of: loaded.as_ref().map(|loaded| loaded.as_of).or(remembered.as_of),
        stale_seconds: STALE_REFRESHES * i64::from(source.settings.refresh_seconds),
        error: schedule.error,
        error_since,
        failures: schedule.failures,
        next: schedule.next,
    }
}
