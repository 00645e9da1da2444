//! Feeds: told to whoever reads them, and fetched where they are published.
//!
//! Control fetches and never reads: it lays the content down in the folder of feeds, where the gate's process finds it.

mod fetching;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{Timestamp, ToSpan};
use portcullis_domain::spec::{FeedSource, FeedSpec, Kind, Spec};
use portcullis_domain::state::State;
use portcullis_intel::{Folder, Library, Source};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::schedule::Schedule;
pub(crate) use fetching::NotNow;
pub(crate) use view::{metrics, origin, views};

/// Fetches under way at the same time.
const UNDER_WAY_MAX: usize = 4;
/// How long after a first failure it is tried again; doubled from then on.
const RETRY_SECONDS: i64 = 30;

/// A file that is wanted, over HTTPS, without following redirects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedFile {
    pub url: String,
    /// PEM of the one authority that is trusted; those of the machine without it.
    pub certificate_authority: Option<String>,
    /// Headers whose values are secret: names, and the files that hold the values.
    pub header_files: BTreeMap<String, PathBuf>,
    /// What is there already, as its server named it.
    pub known: Option<Validator>,
    /// Where it is laid down, whole or not at all.
    pub to: PathBuf,
    /// More than this is not read.
    pub bytes_max: u64,
}

/// How a server tells one content from the next (RFC 9110, section 8.8).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validator {
    Etag(String),
    /// `Last-Modified`, of a server that gives no tag; sent back as it came.
    Modified(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchedFile {
    /// What is there is the newest.
    Unchanged,
    Written {
        validator: Option<Validator>,
    },
}

pub type FetchingFile = Pin<Box<dyn Future<Output = Result<FetchedFile, String>> + Send>>;

/// How files are had from outside.
pub type FetchFile = Arc<dyn Fn(WantedFile) -> FetchingFile + Send + Sync>;

/// Whoever reads feeds in this process.
pub trait Intel: Send + Sync {
    fn library(&self) -> &Library;

    /// Reads what was replaced; takes as long as that takes.
    fn look(&self);
}

/// What is known of each feed, beyond the ledger.
#[derive(Default)]
pub(crate) struct Feeds {
    status: Mutex<BTreeMap<Uuid, Status>>,
    outside: std::sync::OnceLock<Outside>,
}

/// Where feeds are laid down, and how they are had.
struct Outside {
    folder: Folder,
    fetch: FetchFile,
}

/// How the last fetches of one went.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Status {
    url: String,
    remembered: Remembered,
    tried: Option<Timestamp>,
    pub schedule: Schedule,
    under_way: bool,
    /// See [`Source::accept`].
    accept: u64,
}

/// What outlives a restart, beside the content.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    url: String,
    validator: Option<Validator>,
    /// When its server said last that this is the newest.
    checked: Option<Timestamp>,
}

/// A feed that is fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    id: Uuid,
    name: String,
    url: String,
    certificate_authority: Option<String>,
    refresh_seconds: u32,
}

impl Status {
    /// When its server said last that what was fetched is the newest.
    pub fn checked(&self) -> Option<Timestamp> {
        self.remembered.checked
    }
}

impl Feeds {
    pub fn status_of(&self, id: Uuid) -> Status {
        self.status().get(&id).cloned().unwrap_or_default()
    }

    /// What whoever reads them is told.
    fn sources(&self, state: &State, folder: &Folder) -> Vec<Source> {
        let status = self.status();
        declared(state)
            .filter_map(|(name, id, spec)| {
                let path = match spec.source()? {
                    FeedSource::File(file) => PathBuf::from(file),
                    FeedSource::Url(_) => folder.fetched(name),
                };
                let accept = status.get(&id).map_or(0, |status| status.accept);
                Some(Source { name: name.to_owned(), holds: spec.holds, format: spec.format, path, accept })
            })
            .collect()
    }

    /// Those whose turn it is now, marked as under way; what is no longer declared is forgotten.
    fn due(&self, state: &State, folder: &Folder, now: Timestamp) -> Vec<Place> {
        let places = places(state);
        let mut status = self.status();
        status.retain(|id, known| known.under_way || declared(state).any(|(_, declared, _)| declared == *id));
        let mut under_way = status.values().filter(|status| status.under_way).count();
        let mut due = Vec::new();
        for place in places {
            let known = status.entry(place.id).or_default();
            if known.url != place.url && !known.under_way {
                *known = Status { accept: known.accept, ..begin(&place, folder) };
            }
            // A clock that was set back must not keep it waiting.
            let late = known.tried.is_some_and(|tried| tried > now);
            let its_turn = late || known.schedule.next.is_none_or(|next| now >= next);
            if its_turn && !known.under_way && under_way < UNDER_WAY_MAX {
                known.under_way = true;
                under_way += 1;
                due.push(place);
            }
        }
        due
    }

    /// Marks one as under way; none if it is already.
    fn take(&self, place: &Place) -> Option<()> {
        let mut status = self.status();
        let known = status.entry(place.id).or_default();
        let free = !known.under_way;
        known.under_way = true;
        free.then_some(())
    }

    fn remembered(&self, place: &Place) -> Remembered {
        let status = self.status();
        let remembered = status.get(&place.id).map(|status| status.remembered.clone());
        remembered.filter(|remembered| remembered.url == place.url).unwrap_or_default()
    }

    /// Notes how a fetch went; `jitter` is random.
    fn tried(&self, place: &Place, outcome: Result<Remembered, String>, now: Timestamp, jitter: u8) {
        let mut status = self.status();
        let Some(known) = status.get_mut(&place.id) else { return };
        known.under_way = false;
        if !known.url.is_empty() && known.url != place.url {
            // It was declared otherwise in the meantime, and is fetched anew.
            known.schedule.next = None;
            return;
        }
        known.url.clone_from(&place.url);
        known.tried = Some(now);
        let refresh = i64::from(place.refresh_seconds);
        let outcome = outcome.map(|remembered| known.remembered = remembered);
        known.schedule.tried(outcome, (refresh, RETRY_SECONDS), now, jitter);
    }

    /// Whoever reads it takes the next content whatever it has lost.
    fn accept(&self, id: Uuid, word: u64) {
        self.status().entry(id).or_default().accept = word;
    }

    fn status(&self) -> MutexGuard<'_, BTreeMap<Uuid, Status>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As it was left by the process before: what was fetched an hour ago isn't fetched again at a start.
fn begin(place: &Place, folder: &Folder) -> Status {
    let path = folder.fetched(&place.name);
    let text = std::fs::read(path.with_extension("json"));
    let remembered: Remembered =
        text.ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let is_there = remembered.url == place.url && path.is_file();
    let remembered = if is_there { remembered } else { Remembered::default() };
    let next = remembered
        .checked
        .and_then(|checked| checked.checked_add(i64::from(place.refresh_seconds).seconds()).ok());
    let schedule = Schedule { next, ..Schedule::default() };
    Status { url: place.url.clone(), tried: remembered.checked, remembered, schedule, ..Status::default() }
}

/// Every feed by its name.
fn declared(state: &State) -> impl Iterator<Item = (&str, Uuid, &FeedSpec)> {
    state.of_kind(Kind::Feed).filter_map(|(name, resource)| match &resource.declaration.spec {
        Spec::Feed(spec) => Some((name, resource.id, &**spec)),
        _ => None,
    })
}

fn places(state: &State) -> Vec<Place> {
    let place = |(name, id, spec): (&str, Uuid, &FeedSpec)| {
        let url = spec.url.clone()?;
        let certificate_authority = spec.certificate_authority.clone();
        let refresh_seconds = spec.refresh_seconds;
        Some(Place { id, name: name.to_owned(), url, certificate_authority, refresh_seconds })
    };
    declared(state).filter_map(place).collect()
}

#[cfg(test)]
mod tests;
