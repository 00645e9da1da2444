//! Which words of two names stand for each other.

use strsim::osa_distance;

use super::Name;
use super::weight::{Class, Weight};

/// Words of one name beside words of another.
#[derive(Clone, PartialEq, Debug)]
pub struct Pair {
    /// Words of the first name, and of the second, as bits.
    pub first: u64,
    pub second: u64,
    /// In thousandths.
    pub alike: u32,
    pub how: How,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Same,
    Misspelt,
    Joined,
    Abbreviated,
    Acronym,
}

/// The best pairs, no word in two of them; what is heavy and alike goes first.
#[must_use]
pub fn align(first: &Name, second: &Name) -> Vec<Pair> {
    // Of pairs worth the same, their places choose: those must not depend on who is asked about whom.
    if is_before(first, second) {
        return chosen(first, second);
    }
    let mut pairs = chosen(second, first);
    for pair in &mut pairs {
        std::mem::swap(&mut pair.first, &mut pair.second);
    }
    sort(&mut pairs, first, second);
    pairs
}

/// In an order that is the same for both: of equal ones nothing depends on it.
fn is_before(first: &Name, second: &Name) -> bool {
    fn key(token: &super::Token) -> (&str, bool) {
        (&token.text, token.stopped)
    }
    first.tokens().iter().map(key).le(second.tokens().iter().map(key))
}

fn chosen(first: &Name, second: &Name) -> Vec<Pair> {
    let mut pairs = Vec::new();
    single_words(first, second, &mut pairs);
    joined_words(first, second, false, &mut pairs);
    joined_words(second, first, true, &mut pairs);
    acronyms(first, second, false, &mut pairs);
    acronyms(second, first, true, &mut pairs);
    sort(&mut pairs, first, second);
    let (mut taken_first, mut taken_second) = (0, 0);
    pairs.retain(|pair| {
        let free = taken_first & pair.first == 0 && taken_second & pair.second == 0;
        if free {
            taken_first |= pair.first;
            taken_second |= pair.second;
        }
        free
    });
    pairs
}

fn sort(pairs: &mut [Pair], first: &Name, second: &Name) {
    let value = |pair: &Pair| {
        u64::from(pair.alike) * u64::from(first.weight_of(pair.first).min(second.weight_of(pair.second)))
    };
    pairs.sort_by_key(|pair| (std::cmp::Reverse(value(pair)), pair.first, pair.second));
}

/// How many letters may be wrong in the shorter of two words of such a length. Of short words every letter counts.
#[must_use]
pub fn edits_max(letters: usize) -> usize {
    match letters {
        0..4 => 0,
        4..9 => 1,
        _ => 2,
    }
}

/// Of words put together, of which more could be put together by chance.
#[must_use]
pub fn joined_edits_max(letters: usize) -> usize {
    usize::from(letters >= 8)
}

/// How alike two words are, in thousandths; none if they are two words.
#[must_use]
pub fn alike(first: &str, second: &str, edits_max: fn(usize) -> usize) -> Option<u32> {
    if first == second {
        return Some(1_000);
    }
    let (shorter, longer) = {
        let (one, other) = (first.chars().count(), second.chars().count());
        (one.min(other), one.max(other))
    };
    let edits = edits_max(shorter);
    if longer - shorter > edits {
        return None;
    }
    let distance = osa_distance(first, second);
    (distance <= edits).then(|| 1_000 - u32::try_from(1_000 * distance / longer.max(1)).unwrap_or(1_000))
}

/// Such as `icbc`: what letters alone are worth, since many firms share few letters.
#[must_use]
pub fn acronym_alike(letters: usize) -> Option<u32> {
    match letters {
        0..3 => None,
        3 => Some(600),
        4 => Some(750),
        _ => Some(850),
    }
}

/// Only words that aren't of a list may be misspelt: `Chile` is no `China`, but `Chima` may be.
#[must_use]
pub fn may_be_misspelt(first: Class, second: Class) -> bool {
    let exact = |class| matches!(class, Class::Serial | Class::Small);
    let listed = |class| class != Class::Rare;
    !(exact(first) || exact(second) || listed(first) && listed(second))
}

fn single_words(first: &Name, second: &Name, pairs: &mut Vec<Pair>) {
    for (at, word) in first.tokens().iter().enumerate() {
        for (other_at, other) in second.tokens().iter().enumerate() {
            let found = if word.text == other.text {
                Some((1_000, How::Same))
            } else if !may_be_misspelt(word.class, other.class) {
                None
            } else {
                alike(&word.text, &other.text, edits_max)
                    .map(|alike| (alike, How::Misspelt))
                    .or_else(|| abbreviated(word, other).then_some((850, How::Abbreviated)))
            };
            if let Some((alike, how)) = found {
                pairs.push(Pair { first: 1 << at, second: 1 << other_at, alike, how });
            }
        }
    }
}

/// Letters of a word that was written with a stop at its end, as `Petrochem.` is.
pub const ABBREVIATION_LETTERS_MIN: usize = 3;

fn abbreviated(first: &super::Token, second: &super::Token) -> bool {
    let begins = |short: &super::Token, long: &super::Token| {
        short.stopped && short.text.len() >= ABBREVIATION_LETTERS_MIN && long.text.starts_with(&short.text)
    };
    begins(first, second) || begins(second, first)
}

/// `Good Will` and `Goodwill`: two or three words of `many` beside one of `one`.
fn joined_words(many: &Name, one: &Name, swapped: bool, pairs: &mut Vec<Pair>) {
    for (mask, text) in many.joined() {
        for (at, word) in one.tokens().iter().enumerate() {
            if let Some(alike) = alike(text, &word.text, joined_edits_max) {
                pairs.push(pair(*mask, 1 << at, alike, How::Joined, swapped));
            }
        }
    }
}

fn acronyms(long: &Name, short: &Name, swapped: bool, pairs: &mut Vec<Pair>) {
    let Some((mask, acronym)) = long.acronym() else { return };
    let Some(alike) = acronym_alike(acronym.len()) else { return };
    for (at, word) in short.tokens().iter().enumerate() {
        if word.class == Class::Rare && word.text == acronym {
            pairs.push(pair(mask, 1 << at, alike, How::Acronym, swapped));
        }
    }
}

fn pair(first: u64, second: u64, alike: u32, how: How, swapped: bool) -> Pair {
    let (first, second) = if swapped { (second, first) } else { (first, second) };
    Pair { first, second, alike, how }
}

/// The share of a name's weight that the pairs account for, in thousandths.
#[must_use]
pub fn covered(total: Weight, parts: impl Iterator<Item = (Weight, u32)>) -> u32 {
    let sum: u64 = parts.map(|(weight, alike)| u64::from(weight) * u64::from(alike)).sum();
    u32::try_from(sum / u64::from(total.max(1))).unwrap_or(1_000).min(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_pairs_worth_the_same_the_same_ones_are_chosen_in_either_order() {
        for (one, other) in [
            // Found by fuzzing.
            ("1A\0\u{5}1", "A\0\u{5}1\u{7f}A\0\u{5}1A\0"),
            ("a b c", "ab c a bc"),
            ("alpha beta alphabeta", "alphabeta alpha"),
            ("North Sea North", "Northsea Seanorth"),
        ] {
            let (one, other) = (Name::of(one), Name::of(other));
            let mut swapped = align(&other, &one);
            for pair in &mut swapped {
                std::mem::swap(&mut pair.first, &mut pair.second);
            }
            sort(&mut swapped, &one, &other);
            assert_eq!(align(&one, &other), swapped);
            assert_eq!(one.score(&other), other.score(&one));
        }
    }
}
