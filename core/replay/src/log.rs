//! All calls that were read, in little memory and in the order of their times.

use std::collections::HashMap;

use crate::call::{Call, Passed, Source, TlsClient, printable};
use crate::hash;

/// Names that are told apart of each kind but clients; further ones count as one.
const NAMES_MAX: usize = 1 << 16;
/// Letters of a name; of a longer one the beginning, and what tells it apart.
const NAME_LETTERS_MAX: usize = 160;
/// Lines that can't be read, as examples.
const BROKEN_SHOWN_MAX: usize = 8;

/// What is taken at most. Beyond, nothing is guessed: it is an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub calls_max: usize,
    pub clients_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls_max: 8_000_000, clients_max: 20_000 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(
        "the logs hold more than `{0}` requests, which is what is kept in memory\n\
         hint: take fewer at once by `--since`, `--until` or `--client`, or raise `--calls-max` (100 bytes each)"
    )]
    Calls(usize),
    #[error(
        "the logs name more than `{0}` clients, which is what is kept in memory\n\
         hint: take some by `--client`, say with `--client-by` what a client is, or raise `--clients-max` (16 KB each)"
    )]
    Clients(usize),
}

/// A call in few bytes: names are numbers in [`Names`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub at_us: i64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// [`NOTHING_64`] where the log doesn't say.
    pub records: u64,
    pub client: u32,
    pub endpoint: u32,
    /// These four [`NOTHING`] where the log doesn't say.
    pub source: u32,
    pub tls: u32,
    pub key: u32,
    pub token_age_seconds: u32,
    pub object: Option<u32>,
    pub file: u32,
    pub line: u32,
    pub status: u16,
}

pub(crate) const NOTHING: u32 = u32::MAX;
pub(crate) const NOTHING_64: u64 = u64::MAX;

/// What was read.
#[derive(Debug)]
pub struct Log {
    limits: Limits,
    pub(crate) entries: Vec<Entry>,
    pub(crate) clients: Names<String>,
    pub(crate) endpoints: Names<String>,
    pub(crate) keys: Names<String>,
    pub(crate) sources: Names<Source>,
    pub(crate) tls: Names<TlsClient>,
    pub(crate) files: Vec<String>,
    pub(crate) seen: Seen,
    /// Time of each client's last line in the present file.
    last_us: HashMap<u32, i64>,
}

/// What became of all lines.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    pub broken: u64,
    /// The first of them, as `FILE:LINE: why`.
    pub broken_shown: Vec<String>,
    pub passed: [u64; Passed::ALL.len()],
    /// Left out because of what was asked for.
    pub filtered: u64,
    /// Files of no format that is read, in folders and archives.
    pub other_files: Vec<String>,
    /// Lines that stand behind a later one of the same client and file.
    pub backwards: u64,
    /// The largest such step, and where.
    pub backwards_most: Option<(i64, String)>,
}

/// Texts with numbers.
#[derive(Debug)]
pub(crate) struct Names<T> {
    numbers: HashMap<T, u32>,
    pub all: Vec<T>,
}

impl<T: Clone + Eq + std::hash::Hash> Names<T> {
    fn new() -> Self {
        Self { numbers: HashMap::new(), all: Vec::new() }
    }

    /// Nothing if there are `max` others already.
    fn number(&mut self, name: T, max: usize) -> Option<u32> {
        if let Some(number) = self.numbers.get(&name) {
            return Some(*number);
        }
        let number = u32::try_from(self.all.len()).ok().filter(|number| (*number as usize) < max)?;
        self.all.push(name.clone());
        self.numbers.insert(name, number);
        Some(number)
    }

    /// Further ones are `other`.
    fn number_or(&mut self, name: T, other: impl FnOnce() -> T) -> u32 {
        match self.number(name, NAMES_MAX) {
            Some(number) => number,
            None => self.number(other(), NAMES_MAX + 1).unwrap_or(NOTHING),
        }
    }
}

impl Log {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            clients: Names::new(),
            endpoints: Names::new(),
            keys: Names::new(),
            sources: Names::new(),
            tls: Names::new(),
            files: Vec::new(),
            seen: Seen::default(),
            last_us: HashMap::new(),
        }
    }

    /// What is read from now on is of this file.
    pub fn begin_file(&mut self, name: &str) {
        self.files.push(name.chars().map(printable).collect());
        self.last_us.clear();
    }

    pub fn other_file(&mut self, name: &str) {
        self.seen.other_files.push(name.chars().map(printable).collect());
    }

    pub fn broken(&mut self, line: u64, why: &str) {
        self.seen.broken += 1;
        if self.seen.broken_shown.len() < BROKEN_SHOWN_MAX {
            let file = self.files.last().map_or("", String::as_str);
            self.seen.broken_shown.push(format!("{file}:{line}: {why}"));
        }
    }

    pub fn passed(&mut self, passed: Passed) {
        if let Some(count) = self.seen.passed.get_mut(passed as usize) {
            *count += 1;
        }
    }

    pub fn filtered(&mut self) {
        self.seen.filtered += 1;
    }

    /// # Errors
    /// [`LogError`] beyond the limits.
    pub fn push(&mut self, call: Call, line: u64) -> Result<(), LogError> {
        if self.entries.len() >= self.limits.calls_max {
            return Err(LogError::Calls(self.limits.calls_max));
        }
        let client = self
            .clients
            .number(name(&call.client), self.limits.clients_max)
            .ok_or(LogError::Clients(self.limits.clients_max))?;
        self.look_at_clock(client, call.at_us, line);
        let other = || "(other)".to_owned();
        let entry = Entry {
            at_us: call.at_us,
            request_bytes: call.request_bytes,
            response_bytes: call.response_bytes,
            records: call.records.unwrap_or(NOTHING_64),
            client,
            endpoint: self.endpoints.number_or(name(&call.endpoint), other),
            source: call.source.map_or(NOTHING, |source| {
                let source = match source {
                    Source::Name(text) => Source::Name(name(&text)),
                    address => address,
                };
                self.sources.number_or(source, || Source::Name(other()))
            }),
            tls: call.tls.map_or(NOTHING, |tls| {
                let tls = match tls {
                    TlsClient::Ja4(text) => TlsClient::Ja4(name(&text)),
                    TlsClient::Agent(text) => TlsClient::Agent(name(&text)),
                };
                self.tls.number_or(tls, || TlsClient::Agent(other()))
            }),
            key: call.key.map_or(NOTHING, |key| self.keys.number_or(name(&key), other)),
            token_age_seconds: call.token_age_seconds.unwrap_or(NOTHING),
            object: call.object,
            file: u32::try_from(self.files.len().saturating_sub(1)).unwrap_or(NOTHING),
            line: u32::try_from(line).unwrap_or(NOTHING),
            status: call.status,
        };
        self.entries.push(entry);
        Ok(())
    }

    /// In the order of their times; what has the same time stays as it was read.
    pub fn sort(&mut self) {
        self.entries.sort_by_key(|entry| entry.at_us);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// `FILE:LINE` of an entry, without the folders that it lies in: the report lists them.
    pub(crate) fn place(&self, entry: &Entry) -> String {
        let file = self.files.get(entry.file as usize).map_or("", String::as_str);
        format!("{}:{}", file.rsplit('/').next().unwrap_or(file), entry.line)
    }

    fn look_at_clock(&mut self, client: u32, at_us: i64, line: u64) {
        let last_us = self.last_us.entry(client).or_insert(at_us);
        let back_us = *last_us - at_us;
        *last_us = (*last_us).max(at_us);
        if back_us <= 0 {
            return;
        }
        self.seen.backwards += 1;
        if self.seen.backwards_most.as_ref().is_none_or(|(most, _)| *most < back_us) {
            let file = self.files.last().and_then(|file| file.rsplit('/').next()).unwrap_or_default();
            self.seen.backwards_most = Some((back_us, format!("{file}:{line}")));
        }
    }
}

/// Nothing that a terminal or a page acts on, and never long.
fn name(text: &str) -> String {
    let mut letters = text.chars().map(printable);
    let short: String = letters.by_ref().take(NAME_LETTERS_MAX).collect();
    match letters.next() {
        None => short,
        Some(_) => format!("{short}… {:08x}", hash::short(text.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(client: &str, at_us: i64) -> Call {
        Call { at_us, client: client.into(), endpoint: "GET /".into(), ..Call::default() }
    }

    #[test]
    fn calls_are_sorted_and_clocks_that_run_back_are_named() {
        let mut log = Log::new(Limits::default());
        log.begin_file("a.log");
        for (line, (client, at_us)) in (1..).zip([("a", 10), ("b", 5), ("a", 7), ("a", 3), ("b", 5)]) {
            log.push(call(client, at_us), line).unwrap();
        }
        log.sort();
        let times: Vec<i64> = log.entries.iter().map(|entry| entry.at_us).collect();
        assert_eq!(times, [3, 5, 5, 7, 10]);
        assert_eq!(log.seen.backwards, 2);
        assert_eq!(log.seen.backwards_most, Some((7, "a.log:4".to_owned())));
        assert_eq!(log.place(&log.entries[0]), "a.log:4");
    }

    #[test]
    fn there_is_a_limit_on_everything() {
        let mut log = Log::new(Limits { calls_max: 3, clients_max: 2 });
        log.begin_file("a\u{1b}[2J.log");
        assert!(!log.files[0].contains('\u{1b}'));
        log.push(call(&"x".repeat(10_000), 1), 1).unwrap();
        assert!(log.clients.all[0].chars().count() < 200);
        log.push(call("b", 1), 2).unwrap();
        assert!(matches!(log.push(call("c", 1), 3), Err(LogError::Clients(2))));
        log.push(call("b", 1), 4).unwrap();
        assert!(matches!(log.push(call("b", 1), 5), Err(LogError::Calls(3))));
        let mut names = Names::<String>::new();
        for number in 0..NAMES_MAX + 10 {
            names.number_or(number.to_string(), || "other".into());
        }
        assert_eq!(names.all.len(), NAMES_MAX + 1);
    }
}
