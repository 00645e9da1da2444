//! All feeds and databases in use: read anew when they are replaced, asked from memory.

mod kept;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use portcullis_domain::spec::{FeedFormat, Holds};
use portcullis_risk::{Known, Listed, Missing, Origin, OriginSource};
use serde::{Deserialize, Serialize};

use crate::centroids::middle;
use crate::database::Database;
use crate::error::FeedError;
use crate::list::{Limits, List, read_list_file};
use crate::report::Report;

/// A list of fewer entries may shrink as it likes.
const SHRINKING_ENTRIES_MIN: u64 = 1_000;

/// A feed or a database, and where it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    pub holds: Holds,
    #[serde(default)]
    pub format: FeedFormat,
    pub path: PathBuf,
    /// Another word takes the next content whatever it has lost.
    #[serde(default)]
    pub accept: u64,
}

/// What is in use, and what stands beside it.
pub struct Library {
    limits: Limits,
    /// Folder of the last good copies, where they are kept.
    kept: Option<PathBuf>,
    shelf: ArcSwap<Vec<Shelved>>,
    books: Mutex<BTreeMap<String, Book>>,
    /// One look at a time; nobody who asks waits for it.
    looking: Mutex<()>,
}

/// How it stands with one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedStatus {
    pub source: Source,
    pub in_use: Option<Use>,
    /// Why the newest content can't be used, and since when that is so.
    pub error: Option<(String, Timestamp)>,
}

/// The content that is in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Use {
    pub report: Report,
    /// When the file was written.
    pub as_of: Timestamp,
    /// When it was read.
    pub read: Timestamp,
    /// It is the copy of an earlier content, because the newest can't be used.
    pub is_kept_copy: bool,
}

/// What came of a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    pub name: String,
    pub error: Option<String>,
}

/// What is known of an address, and by which feeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    pub origin: Origin,
    pub network_name: Option<String>,
    /// Feeds that know it, each with what it says.
    pub by: Vec<(String, Holds, String)>,
}

struct Shelved {
    name: String,
    holds: Holds,
    content: Arc<Content>,
}

enum Content {
    List(List),
    Database(Database),
}

struct Book {
    source: Source,
    seen: Option<Seen>,
    content: Option<Arc<Content>>,
    in_use: Option<Use>,
    error: Option<(String, Timestamp)>,
}

/// By what a file that was replaced is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Library {
    /// Without anything in use yet; last good copies go to `kept`.
    pub fn new(kept: PathBuf, limits: Limits) -> Self {
        Self::with(Some(kept), limits)
    }

    /// For one run that writes nothing: what can't be used when it is first read isn't there.
    #[must_use]
    pub fn without_copies(limits: Limits) -> Self {
        Self::with(None, limits)
    }

    fn with(kept: Option<PathBuf>, limits: Limits) -> Self {
        Self { limits, kept, shelf: ArcSwap::default(), books: Mutex::default(), looking: Mutex::default() }
    }

    /// Reads what is new or was replaced, puts to use what is good, and forgets what is no longer in `sources`.
    /// Takes as long as reading takes; who asks in the meantime is answered by what was in use before.
    pub fn look(&self, sources: &[Source], now: Timestamp) -> Vec<Told> {
        let _one = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = self.forget(sources);
        let mut told = Vec::new();
        for source in sources {
            let Some(outcome) = self.look_at(source, now) else { continue };
            changed = true;
            told.push(outcome);
        }
        if changed {
            self.shelve();
        }
        told
    }

    /// How it stands with each, by name.
    pub fn status(&self) -> Vec<FeedStatus> {
        let status = |book: &Book| FeedStatus {
            source: book.source.clone(),
            in_use: book.in_use.clone(),
            error: book.error.clone(),
        };
        self.books().values().map(status).collect()
    }

    /// All that is known of an address.
    pub fn about(&self, address: IpAddr) -> About {
        let shelf = self.shelf.load();
        let origin = origin(&shelf, address);
        let asn = origin.asn.value();
        let mut by = Vec::new();
        let mut network_name = None;
        for Shelved { name, holds, content } in shelf.iter() {
            let said = match (&**content, holds) {
                (Content::List(list), _) if list.has_address(address) => Some("listed".to_owned()),
                (Content::List(list), _) => {
                    asn.filter(|asn| list.has_asn(*asn)).map(|asn| format!("AS{asn} is listed"))
                }
                (Content::Database(database), Holds::Country) => {
                    database.country(address).map(|letters| String::from_utf8_lossy(&letters).into_owned())
                }
                (Content::Database(database), Holds::Asn) => {
                    network_name = network_name.or_else(|| database.network_name(address));
                    database.asn(address).map(|asn| format!("AS{asn}"))
                }
                (Content::Database(database), _) => database.place(address).map(|(latitude, longitude)| {
                    format!("{:.1}, {:.1}", f64::from(latitude) / 100.0, f64::from(longitude) / 100.0)
                }),
            };
            by.extend(said.map(|said| (name.clone(), *holds, said)));
        }
        About { origin, network_name, by }
    }

    /// Whether anything had been in use that isn't any more.
    fn forget(&self, sources: &[Source]) -> bool {
        let mut books = self.books();
        let before = books.len();
        books.retain(|name, _| {
            let stays = sources.iter().any(|source| source.name == *name);
            if let (false, Some(kept)) = (stays, &self.kept) {
                kept::forget(kept, name);
            }
            stays
        });
        books.len() != before
    }

    /// None where nothing has changed.
    fn look_at(&self, source: &Source, now: Timestamp) -> Option<Told> {
        let seen = seen(&source.path);
        let known = {
            let books = self.books();
            let known = books.get(&source.name).filter(|book| book.source.is_same(source));
            known.map(|book| (book.seen, book.source.accept, book.content.clone(), book.in_use.clone()))
        };
        if let Some((last, accept, ..)) = &known
            && *last == seen.as_ref().ok().copied()
            && *accept == source.accept
        {
            return None;
        }
        let (accepted, content, in_use) = match known {
            Some((_, accept, content, in_use)) => (accept != source.accept, content, in_use),
            None => (false, None, None),
        };
        let read = seen.map_err(FeedError::Read).and_then(|seen| {
            let (content, report) = read(source, &source.path, self.limits)?;
            let before = in_use.as_ref().filter(|_| !accepted).map(|in_use| &in_use.report);
            shrunk(source.holds, before, &report)?;
            Ok((content, report, seen))
        });
        let book = match read {
            // It was written to while it was read: the next look reads it.
            Ok((.., before)) if seen_ok(&source.path) != Some(before) => return None,
            Ok((content, report, seen)) => {
                if let Some(kept) = &self.kept {
                    kept::keep(kept, &source.name, &source.path);
                }
                let in_use = Use { report, as_of: as_of(seen, now), read: now, is_kept_copy: false };
                tracing::info!(feed = source.name, entries = in_use.report.entries, "a feed was read");
                Book {
                    source: source.clone(),
                    seen: Some(seen),
                    content: Some(Arc::new(content)),
                    in_use: Some(in_use),
                    error: None,
                }
            }
            Err(error) => self.without(source, &error, content.zip(in_use), now),
        };
        let told =
            Told { name: source.name.clone(), error: book.error.as_ref().map(|(error, _)| error.clone()) };
        self.books().insert(source.name.clone(), book);
        Some(told)
    }

    /// What was in use stays; after a start it is the last good copy.
    fn without(
        &self,
        source: &Source,
        error: &FeedError,
        before: Option<(Arc<Content>, Use)>,
        now: Timestamp,
    ) -> Book {
        let before = before.or_else(|| {
            let path = kept::path(self.kept.as_ref()?, &source.name);
            let seen = seen(&path).ok()?;
            let (content, report) = read(source, &path, self.limits).ok()?;
            Some((Arc::new(content), Use { report, as_of: as_of(seen, now), read: now, is_kept_copy: true }))
        });
        let error = error.to_string();
        let as_of = before.as_ref().map(|(_, in_use)| in_use.as_of.to_string());
        tracing::warn!(feed = source.name, error, in_use_as_of = as_of, "a feed can't be used");
        let (content, in_use) = before.unzip();
        let known = self.books().get(&source.name).and_then(|book| book.error.clone());
        let since = known.map_or(now, |(_, since)| since);
        Book {
            source: source.clone(),
            seen: seen_ok(&source.path),
            content,
            in_use: in_use.map(|in_use| Use { is_kept_copy: true, ..in_use }),
            error: Some((error, since)),
        }
    }

    fn shelve(&self) {
        let shelved = |book: &Book| {
            let content = book.content.clone()?;
            Some(Shelved { name: book.source.name.clone(), holds: book.source.holds, content })
        };
        let mut shelf: Vec<Shelved> = self.books().values().filter_map(shelved).collect();
        // What is declared comes before what is merely installed.
        shelf.sort_by_key(|shelved| is_installed(&shelved.name));
        self.shelf.store(Arc::new(shelf));
    }

    fn books(&self) -> MutexGuard<'_, BTreeMap<String, Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OriginSource for Library {
    fn origin(&self, address: IpAddr) -> Origin {
        origin(&self.shelf.load(), address)
    }

    fn ja4(&self, ja4: &str) -> Known<Listed> {
        let mut listed: Known<Listed> = Known::NoData(Missing::NoDatabase);
        for shelved in self.shelf.load().iter() {
            let Content::List(list) = &*shelved.content else { continue };
            if list.is_of_ja4() {
                let kind = kind(shelved.holds);
                let named = if list.has_ja4(ja4) { kind } else { Listed::default() };
                listed = Known::Is(listed.value().unwrap_or_default().and(named).asked_for(kind));
            }
        }
        listed
    }
}

impl Source {
    /// Whether it is the same but for what may change from day to day.
    fn is_same(&self, other: &Self) -> bool {
        *self == Self { accept: self.accept, ..other.clone() }
    }
}

/// Names of what is installed have a dot, which no declared name has.
fn is_installed(name: &str) -> bool {
    name.contains('.')
}

fn origin(shelf: &[Shelved], address: IpAddr) -> Origin {
    let databases = |holds: Holds| {
        shelf.iter().filter(move |shelved| shelved.holds == holds).filter_map(|shelved| {
            match &*shelved.content {
                Content::Database(database) => Some(database),
                Content::List(_) => None,
            }
        })
    };
    let none_of = |any: bool| if any { Missing::NotInDatabase } else { Missing::NoDatabase };
    let countries = || databases(Holds::Country).chain(databases(Holds::Place));
    let country = countries().find_map(|database| database.country(address));
    let asn = databases(Holds::Asn).find_map(|database| database.asn(address));
    let place = databases(Holds::Place).find_map(|database| database.place(address));
    let place = place.or_else(|| country.and_then(middle));
    Origin {
        country: known(country, none_of(countries().next().is_some())),
        asn: known(asn, none_of(databases(Holds::Asn).next().is_some())),
        listed: listed(shelf, address, asn),
        place: known(place, none_of(countries().next().is_some())),
    }
}

fn known<T>(value: Option<T>, missing: Missing) -> Known<T> {
    value.map_or(Known::NoData(missing), Known::Is)
}

fn listed(shelf: &[Shelved], address: IpAddr, asn: Option<u32>) -> Known<Listed> {
    let mut listed: Known<Listed> = Known::NoData(Missing::NoDatabase);
    for shelved in shelf {
        let Content::List(list) = &*shelved.content else { continue };
        // A list of networks' numbers says nothing about an address of a network that nobody knows.
        if list.networks.is_empty() && (list.is_of_ja4() || asn.is_none()) {
            continue;
        }
        let kind = kind(shelved.holds);
        let named = list.names_address(address, asn, kind);
        listed = Known::Is(listed.value().unwrap_or_default().and(named).asked_for(kind));
    }
    listed
}

fn kind(holds: Holds) -> Listed {
    match holds {
        Holds::Tor => Listed::TOR,
        Holds::Hosting => Listed::HOSTING,
        _ => Listed::REPUTATION,
    }
}

fn read(source: &Source, path: &Path, limits: Limits) -> Result<(Content, Report), FeedError> {
    let file = File::open(path)?;
    if source.holds.is_list() {
        let (list, report) = read_list_file(file, source.format, limits)?;
        return Ok((Content::List(list), report));
    }
    let (database, report) = Database::read(file, source.holds, source.format, limits)?;
    Ok((Content::Database(database), report))
}

/// A list that has lost almost everything, or much of it where it breaks off, was cut off on its way.
fn shrunk(holds: Holds, before: Option<&Report>, now: &Report) -> Result<(), FeedError> {
    let Some(before) = before.filter(|before| holds.is_list() && before.entries >= SHRINKING_ENTRIES_MIN)
    else {
        return Ok(());
    };
    let least = if now.unended && !before.unended { before.entries / 2 } else { before.entries / 10 };
    if now.entries >= least {
        return Ok(());
    }
    Err(FeedError::Shrunk { before: before.entries, now: now.entries })
}

fn seen(path: &Path) -> std::io::Result<Seen> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    Ok(Seen {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.len(),
        modified: metadata.modified().ok(),
    })
}

fn seen_ok(path: &Path) -> Option<Seen> {
    seen(path).ok()
}

fn as_of(seen: Seen, now: Timestamp) -> Timestamp {
    let modified = seen.modified.and_then(|modified| Timestamp::try_from(modified).ok());
    modified.map_or(now, |modified| modified.min(now))
}
