//! A list to be asked of many vendors: the same answers as comparing each with every entry, without doing so.
//!
//! A name scores at most the share of its weight whose words have any counterpart in the other name. Which entries
//! hold counterparts is looked up by word; only those where the share reaches the lower threshold are compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use portcullis_ids::personal::Personal;

use super::identifier::Identifier;
use super::vocabulary::Vocabulary;
use super::{Match, Screening};
use crate::names::align::{ABBREVIATION_LETTERS_MIN, acronym_alike, alike, edits_max, joined_edits_max};
use crate::names::fold::plain;
use crate::names::weight::Class;
use crate::names::{HOLDS, Name, compare_people};

/// Names on a list, aliases too. What comes from outside is bounded here once more.
pub const NAMES_MAX: usize = 500_000;

/// Matches that are reported of one vendor and one list, the best.
pub const MATCHES_MAX: usize = 50;

/// From here on two officers are taken for one person: a letter wrong or a second name left out, but no more.
pub const OFFICER_AGREES: u16 = 850;

/// Somebody or something on a list.
#[derive(Clone, PartialEq, Debug)]
pub struct ListEntry {
    pub id: String,
    /// Its name, and then others that it goes by.
    pub names: Vec<String>,
    pub identifiers: Vec<Identifier>,
    pub officers: Vec<Personal>,
}

/// Who is looked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Subject {
    pub names: Vec<String>,
    pub identifiers: Vec<Identifier>,
    pub officers: Vec<Personal>,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IndexError {
    #[error(
        "the list has more than {NAMES_MAX} names\nhint: leave persons and vessels out, or split the list"
    )]
    TooManyNames,
}

pub struct Index {
    entries: Vec<ListEntry>,
    /// Each name, with the entry whose name it is.
    names: Vec<(u32, Name)>,
    words: Vocabulary,
    joined: Vocabulary,
    /// Words that were written with a stop: what they abbreviate is looked up by its beginning.
    stopped: HashMap<String, Vec<u32>>,
    acronyms: HashMap<String, Vec<u32>>,
    identifiers: HashMap<Identifier, Vec<u32>>,
    /// Parts of officers' names, and the entries whose they are.
    people: HashMap<String, Vec<u32>>,
}

impl Index {
    /// # Errors
    /// [`IndexError::TooManyNames`].
    pub fn new(entries: Vec<ListEntry>) -> Result<Self, IndexError> {
        if entries.iter().map(|entry| entry.names.len()).sum::<usize>() > NAMES_MAX {
            return Err(IndexError::TooManyNames);
        }
        let mut index = Self {
            names: Vec::with_capacity(entries.len()),
            words: Vocabulary::new(edits_max),
            joined: Vocabulary::new(joined_edits_max),
            stopped: HashMap::new(),
            acronyms: HashMap::new(),
            identifiers: HashMap::new(),
            people: HashMap::new(),
            entries,
        };
        for (number, entry) in (0..).zip(&index.entries) {
            for identifier in &entry.identifiers {
                index.identifiers.entry(identifier.clone()).or_default().push(number);
            }
            for part in entry.officers.iter().flat_map(person_parts) {
                index.people.entry(part).or_default().push(number);
            }
            index.names.extend(entry.names.iter().map(|name| (number, Name::of(name))));
        }
        for (row, (_, name)) in (0..).zip(&index.names) {
            for token in name.tokens() {
                index.words.add(&token.text, row);
                if token.stopped && token.text.len() >= ABBREVIATION_LETTERS_MIN {
                    index.stopped.entry(token.text.clone()).or_default().push(row);
                }
            }
            for (_, text) in name.joined() {
                index.joined.add(text, row);
            }
            if let Some((_, acronym)) = name.acronym() {
                index.acronyms.entry(acronym.to_owned()).or_default().push(row);
            }
        }
        index.words.seal();
        index.joined.seal();
        Ok(index)
    }

    #[must_use]
    pub fn entries(&self) -> &[ListEntry] {
        &self.entries
    }

    /// What is known of `subject` on this list, as the dossier keeps it.
    #[must_use]
    pub fn screen(&self, subject: &Subject, list: &str, list_sha256: &str, at: Timestamp) -> Screening {
        let matches = self.find(subject);
        Screening { list: list.to_owned(), list_sha256: list_sha256.to_owned(), at, matches }
    }

    /// The best first. An entry whose identifier agrees is found under any name, and scores at least [`HOLDS`].
    #[must_use]
    pub fn find(&self, subject: &Subject) -> Vec<Match> {
        let mut found: BTreeMap<u32, Match> = BTreeMap::new();
        for name in subject.names.iter().map(|name| Name::of(name)) {
            for (row, score) in self.named(&name) {
                let Some((number, other)) = self.names.get(row as usize) else { continue };
                let Some(entry) = self.entries.get(*number as usize) else { continue };
                if found.get(number).is_none_or(|before| before.score < score) {
                    let why = name.compare(other).why;
                    found.insert(*number, of_entry(entry, score, why));
                }
            }
        }
        for (number, identifier) in self.identified(subject) {
            let Some(entry) = self.entries.get(number as usize) else { continue };
            let matched = found.entry(number).or_insert_with(|| {
                of_entry(entry, HOLDS, "the names differ, an identifier agrees".to_owned())
            });
            matched.identifier.get_or_insert(identifier);
        }
        let mut matches: Vec<Match> = found.into_values().collect();
        matches.sort_by(|one, other| {
            (other.score, other.identifier.is_some(), &one.entry).cmp(&(
                one.score,
                one.identifier.is_some(),
                &other.entry,
            ))
        });
        matches.truncate(MATCHES_MAX);
        matches
    }

    /// Names on the list that score at least [`HOLDS`] beside `name`, by their place.
    #[must_use]
    pub fn named(&self, name: &Name) -> Vec<(u32, u16)> {
        let total = u64::from(name.total());
        let mut rows = Rows::new(self.names.len());
        self.counterparts(name, &mut rows);
        let mut named = Vec::new();
        for row in rows.touched {
            let covered = rows.masks.get(row as usize).map_or(0, |mask| name.weight_of(*mask | rows.granted));
            if u64::from(covered) * 1_000 < u64::from(HOLDS) * total {
                continue;
            }
            let score = self.names.get(row as usize).map_or(0, |(_, other)| name.score(other));
            if score >= HOLDS {
                named.push((row, score));
            }
        }
        named.sort_unstable();
        named
    }

    fn counterparts(&self, name: &Name, rows: &mut Rows) {
        let mut near = Vec::new();
        let small = |class| class == Class::Small;
        let small_mask = mask_where(name, small);
        // Small words stand nearly everywhere: taken as found, unless the name is hardly anything else.
        if u64::from(name.weight_of(small_mask)) * 1_000 < u64::from(HOLDS) * u64::from(name.total()) {
            rows.granted = small_mask;
        }
        for (at, token) in name.tokens().iter().enumerate() {
            let (mask, letters) = (1_u64 << at, token.text.chars().count());
            if rows.granted & mask == 0 {
                self.words.near(&token.text, edits_max(letters), &mut near);
                for number in &near {
                    if alike(&token.text, self.words.text(*number), edits_max).is_some() {
                        rows.mark(self.words.rows(*number), mask);
                    }
                }
            }
            self.joined.near(&token.text, joined_edits_max(letters), &mut near);
            for number in &near {
                if alike(&token.text, self.joined.text(*number), joined_edits_max).is_some() {
                    rows.mark(self.joined.rows(*number), mask);
                }
            }
            if token.stopped && token.text.len() >= ABBREVIATION_LETTERS_MIN {
                for number in self.words.beginning_with(&token.text) {
                    rows.mark(self.words.rows(number), mask);
                }
            }
            for (end, _) in token.text.char_indices().filter(|(end, _)| *end >= ABBREVIATION_LETTERS_MIN) {
                let beginning = token.text.get(..end).and_then(|beginning| self.stopped.get(beginning));
                rows.mark(beginning.map_or(&[], Vec::as_slice), mask);
            }
            rows.mark(self.acronyms.get(&token.text).map_or(&[], Vec::as_slice), mask);
        }
        for (mask, text) in name.joined() {
            self.words.near(text, joined_edits_max(text.chars().count()), &mut near);
            for number in &near {
                if alike(text, self.words.text(*number), joined_edits_max).is_some() {
                    rows.mark(self.words.rows(*number), *mask);
                }
            }
        }
        if let Some((mask, acronym)) = name.acronym()
            && acronym_alike(acronym.len()).is_some()
            && let Some(number) = self.words.exact(acronym)
        {
            rows.mark(self.words.rows(number), mask);
        }
    }

    /// Entries with an identifier or an officer in common with `subject`, and which.
    fn identified(&self, subject: &Subject) -> Vec<(u32, String)> {
        let mut identified = Vec::new();
        for identifier in &subject.identifiers {
            for number in self.identifiers.get(identifier).into_iter().flatten() {
                identified.push((*number, identifier.words()));
            }
        }
        for officer in &subject.officers {
            let candidates: BTreeSet<u32> = person_parts(officer)
                .iter()
                .filter_map(|part| self.people.get(part))
                .flatten()
                .copied()
                .collect();
            for number in candidates {
                let theirs = self.entries.get(number as usize).map_or(&[][..], |entry| &entry.officers);
                let agrees = |other: &Personal| {
                    compare_people(other.text(), officer.text()).score_thousandths >= OFFICER_AGREES
                };
                if theirs.iter().any(agrees) {
                    identified.push((number, "officer".to_owned()));
                }
            }
        }
        identified
    }
}

/// What was found in each row.
struct Rows {
    masks: Vec<u64>,
    touched: Vec<u32>,
    granted: u64,
}

impl Rows {
    fn new(rows: usize) -> Self {
        Self { masks: vec![0; rows], touched: Vec::new(), granted: 0 }
    }

    fn mark(&mut self, rows: &[u32], mask: u64) {
        for row in rows {
            let Some(before) = self.masks.get_mut(*row as usize) else { continue };
            if *before == 0 {
                self.touched.push(*row);
            }
            *before |= mask;
        }
    }
}

fn mask_where(name: &Name, wanted: fn(Class) -> bool) -> u64 {
    let found = name.tokens().iter().enumerate().filter(|(_, token)| wanted(token.class));
    found.fold(0, |mask, (at, _)| mask | (1 << at))
}

fn of_entry(entry: &ListEntry, score: u16, why: String) -> Match {
    let name = entry.names.first().cloned().unwrap_or_default();
    Match { entry: entry.id.clone(), name, score, identifier: None, why }
}

/// Initials aside: two people of one name have one part in full in common.
fn person_parts(person: &Personal) -> Vec<String> {
    if matches!(person, Personal::Erased { .. }) {
        return Vec::new();
    }
    plain(person.text()).split(' ').filter(|part| part.chars().count() > 1).map(str::to_owned).collect()
}
