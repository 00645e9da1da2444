//! Words by what is left of them when letters are dropped: two words within two edits of each other have such a rest
//! in common (each edit is undone by dropping one letter of either), so that none is missed.

use std::collections::BTreeMap;

/// Rows in which a word stands.
type Rows = Vec<u32>;

pub struct Vocabulary {
    words: BTreeMap<String, u32>,
    texts: Vec<String>,
    rows: Vec<Rows>,
    /// Hash of what is left, and the word's number; sorted by the hash once all words are in.
    rests: Vec<(u64, u32)>,
    drops_max: fn(usize) -> usize,
}

impl Vocabulary {
    /// `drops_max` says of how many letters how many may be wrong.
    pub fn new(drops_max: fn(usize) -> usize) -> Self {
        Self { words: BTreeMap::new(), texts: Vec::new(), rows: Vec::new(), rests: Vec::new(), drops_max }
    }

    pub fn add(&mut self, word: &str, row: u32) {
        let number = match self.words.get(word) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                self.words.insert(word.to_owned(), number);
                self.texts.push(word.to_owned());
                self.rows.push(Vec::new());
                let rests = &mut self.rests;
                each_rest(word, (self.drops_max)(word.chars().count()), &mut |rest| {
                    rests.push((rest, number))
                });
                number
            }
        };
        if let Some(rows) = self.rows.get_mut(number as usize)
            && rows.last() != Some(&row)
        {
            rows.push(row);
        }
    }

    pub fn seal(&mut self) {
        self.rests.sort_unstable();
        self.rests.dedup();
    }

    /// Each word that may be within `drops` edits of `word`, and all that is: the caller looks again.
    pub fn near(&self, word: &str, drops: usize, found: &mut Vec<u32>) {
        found.clear();
        each_rest(word, drops, &mut |rest| {
            let from = self.rests.partition_point(|(hash, _)| *hash < rest);
            let of_rest = self.rests.get(from..).unwrap_or_default();
            found.extend(of_rest.iter().take_while(|(hash, _)| *hash == rest).map(|(_, number)| *number));
        });
        found.sort_unstable();
        found.dedup();
    }

    pub fn exact(&self, word: &str) -> Option<u32> {
        self.words.get(word).copied()
    }

    pub fn beginning_with<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = u32> + 'a {
        self.words
            .range(beginning.to_owned()..)
            .take_while(move |(word, _)| word.starts_with(beginning))
            .map(|(_, number)| *number)
    }

    pub fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", String::as_str)
    }

    pub fn rows(&self, number: u32) -> &[u32] {
        self.rows.get(number as usize).map_or(&[], Vec::as_slice)
    }
}

/// The word itself, and what is left without any one or two of its letters, as hashes.
fn each_rest(word: &str, drops: usize, each: &mut dyn FnMut(u64)) {
    let letters: Vec<char> = word.chars().collect();
    each(hash(&letters, usize::MAX, usize::MAX));
    if drops == 0 {
        return;
    }
    for first in 0..letters.len() {
        each(hash(&letters, first, usize::MAX));
        if drops > 1 {
            for second in first + 1..letters.len() {
                each(hash(&letters, first, second));
            }
        }
    }
}

/// FNV-1a, but for the letters at two places.
fn hash(letters: &[char], first: usize, second: usize) -> u64 {
    letters
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != first && *at != second)
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, (_, letter)| {
            (hash ^ u64::from(u32::from(*letter))).wrapping_mul(0x0100_0000_01b3)
        })
}
