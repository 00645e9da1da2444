//! Legal forms: what a name says of how a firm is made up, apart from what it is called.
//!
//! The table is ours, from general knowledge of company law. Forms of one row are one form under several spellings.
//! Two rows are never the same form, but for the plain English renderings (`limited liability company`, `joint stock
//! company` …), by which forms of any country are translated: they equal every form of their kind.

mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use strsim::osa_distance;

use self::table::FORMS;
use super::fold::Word;

/// What a form is, whatever its country calls it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Shares that may be traded.
    Stock,
    /// Liability limited to shares that aren't.
    Limited,
    Partnership,
    Cooperative,
    /// Foundations, associations and others that make no profit.
    NonProfit,
    /// Owned by a state.
    State,
    /// Only that it is a firm: `company`, `corporation`.
    Any,
}

#[derive(PartialEq, Eq, Debug)]
pub struct LegalForm {
    /// As people write it.
    pub name: &'static str,
    pub kind: Kind,
    /// An English rendering of any country's form of this kind.
    rendering: bool,
    spellings: &'static [&'static str],
}

impl LegalForm {
    /// Both may be words for the form of one firm.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self == other || (self.kind == other.kind && (self.rendering || other.rendering))
    }
}

/// The words without their legal forms, and the forms. A name of nothing but forms keeps its words.
#[must_use]
pub fn split(words: &[Word]) -> (Vec<Word>, Vec<&'static LegalForm>) {
    let mut forms: Vec<&'static LegalForm> = Vec::new();
    let mut kept: Vec<Word> = Vec::with_capacity(words.len());
    let mut rest = words;
    while let [first, after @ ..] = rest {
        let Some((form, length)) = longest(rest) else {
            kept.push(first.clone());
            rest = after;
            continue;
        };
        let (taken, behind) = rest.split_at(length);
        // Two letters may mean anything in the middle of a name.
        let letters: usize = taken.iter().map(|word| word.text.len()).sum();
        if kept.is_empty() && form.kind == Kind::Any || letters < 3 && !kept.is_empty() && !only_forms(behind)
        {
            kept.extend_from_slice(taken);
        } else {
            forms.push(form);
        }
        rest = behind;
    }
    if kept.is_empty() {
        return (words.to_vec(), Vec::new());
    }
    if forms.iter().any(|form| form.kind != Kind::Any) {
        forms.retain(|form| form.kind != Kind::Any);
    }
    (kept, forms)
}

/// The word is a form, or part of one, wherever it stands.
#[must_use]
pub fn is_form(word: &str) -> bool {
    SPELLINGS.contains_key(word)
}

fn only_forms(mut words: &[Word]) -> bool {
    while !words.is_empty() {
        let Some((_, length)) = longest(words) else { return false };
        words = words.get(length..).unwrap_or_default();
    }
    true
}

const PHRASE_WORDS_MAX: usize = 7;

/// The longest form that `words` begin with, and how many of them it takes.
fn longest(words: &[Word]) -> Option<(&'static LegalForm, usize)> {
    (1..=words.len().min(PHRASE_WORDS_MAX)).rev().find_map(|length| {
        let phrase = words.get(..length)?.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        SPELLINGS.get(phrase.as_str()).copied().or_else(|| misspelt(&phrase)).map(|form| (form, length))
    })
}

/// Long forms are known with one letter wrong: `Aktiengeselschaft`.
fn misspelt(phrase: &str) -> Option<&'static LegalForm> {
    const LETTERS_MIN: usize = 10;
    if phrase.len() < LETTERS_MIN {
        return None;
    }
    LONG.iter()
        .find(|(long, _)| {
            long.len().abs_diff(phrase.len()) <= 1
                && long.get(..1) == phrase.get(..1)
                && long.matches(' ').count() == phrase.matches(' ').count()
                && osa_distance(long, phrase) <= 1
        })
        .map(|(_, form)| *form)
}

static SPELLINGS: LazyLock<HashMap<&'static str, &'static LegalForm>> = LazyLock::new(|| {
    FORMS.iter().flat_map(|form| form.spellings.iter().map(move |spelling| (*spelling, form))).collect()
});

static LONG: LazyLock<Vec<(&'static str, &'static LegalForm)>> = LazyLock::new(|| {
    FORMS
        .iter()
        .flat_map(|form| form.spellings.iter().map(move |spelling| (*spelling, form)))
        .filter(|(spelling, _)| spelling.len() >= 10)
        .collect()
});

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FORMS, split};
    use crate::names::fold::words;

    #[test]
    fn each_spelling_is_folded_and_stands_once() {
        let mut seen = BTreeSet::new();
        for form in FORMS {
            for spelling in form.spellings {
                let plain = words(spelling).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
                assert_eq!(plain, *spelling);
                assert!(seen.insert(spelling), "`{spelling}` stands twice");
            }
        }
        assert!(seen.len() > 250);
    }

    #[test]
    fn forms_are_split_off_and_compared() {
        for (first, second, equal) in [
            ("X AG", "X GmbH", false),
            ("X Aktiengeselschaft", "X AG", true),
            ("X Ltd", "X Limited", true),
            ("X Pty Ltd", "X Limited", true),
            ("X Ltd", "X plc", false),
            ("X Ltd", "X LLP", false),
            ("OAO X", "X JSC", true),
            ("OOO X", "X Limited Liability Company", true),
            ("OOO X", "X Joint Stock Company", false),
            ("X GmbH", "X GmbH & Co. KG", false),
            ("X S.A. de C.V.", "X S.A.R.L.", false),
            ("X Spółka z ograniczoną odpowiedzialnością", "X Sp. z o.o.", true),
            ("X AG", "X SA", false),
        ] {
            let (rest, forms) = split(&words(first));
            let (other_rest, others) = split(&words(second));
            assert_eq!(rest.len(), 1, "{first}: {rest:?}");
            assert_eq!(rest.len(), other_rest.len(), "{second}: {other_rest:?}");
            let found = forms.iter().any(|form| others.iter().any(|other| form.equals(other)));
            assert_eq!(found, equal, "{first} and {second}: {forms:?} {others:?}");
        }
        let (rest, forms) = split(&words("Company Limited"));
        assert_eq!((rest.len(), forms.len()), (2, 0));
    }
}
