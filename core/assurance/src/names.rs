//! Whether two names are one organisation's, or one person's; each answer says why.
//!
//! A name is folded to plain words, its legal form is set apart, and words of both are put beside each other in any
//! order. The score is the smaller of the two shares of weight that found a counterpart, less what speaks against it.
//! It is symmetric, and depends on nothing but the two names.

pub mod align;
pub mod fold;
pub mod legal_form;
pub mod people;
mod serial;
pub mod weight;

use std::fmt::Write as _;

use align::{How, Pair, align, covered};
use legal_form::LegalForm;
use weight::{Class, Weight};

pub use people::compare_people;

/// From here on somebody has to look: the vendor is held.
pub const HOLDS: u16 = 700;

/// From here on, with an identifier that agrees as well, it is the same one.
pub const CONFIRMS: u16 = 950;

/// What came of putting two names beside each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// 0 to 1,000.
    pub score_thousandths: u16,
    pub why: String,
    pub legal_form: FormWord,
}

/// What the legal forms in two names say of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FormWord {
    Same,
    Different,
    /// One of the names has none, or none that says anything.
    Unknown,
}

/// Words of a name that are looked at.
const TOKENS_MAX: usize = 40;

/// Letters of a word that are looked at.
const LETTERS_MAX: usize = 48;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    pub text: String,
    pub class: Class,
    /// It was written with a full stop at its end.
    pub stopped: bool,
}

impl Token {
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.class.weight(self.text.chars().count())
    }
}

/// A name, read once and compared often.
#[derive(Clone, PartialEq, Debug)]
pub struct Name {
    tokens: Vec<Token>,
    forms: Vec<&'static LegalForm>,
    joined: Vec<(u64, String)>,
    acronym: Option<(u64, String)>,
    total: Weight,
}

/// How alike the names of two organisations are.
#[must_use]
pub fn compare(first: &str, second: &str) -> Comparison {
    Name::of(first).compare(&Name::of(second))
}

impl Name {
    #[must_use]
    pub fn of(name: &str) -> Self {
        let (words, forms) = legal_form::split(&fold::words(name));
        let mut tokens: Vec<Token> = serial::numbered(words)
            .into_iter()
            .map(|word| {
                let text: String = weight::canonical(&word.text).chars().take(LETTERS_MAX).collect();
                let class = Class::of(&text);
                Token { text, class, stopped: word.stopped }
            })
            .collect();
        united_states(&mut tokens);
        tokens.truncate(TOKENS_MAX);
        for token in &mut tokens {
            // A form in the middle, such as that of a parent: it says little of this one.
            if token.class == Class::Rare
                && token.text.len() <= 3
                && legal_form::is_form(&token.text)
                && !forms.is_empty()
            {
                token.class = Class::Structure;
            }
        }
        let joined = joined(&tokens);
        let acronym = acronym(&tokens);
        let total = tokens.iter().map(Token::weight).sum();
        Self { tokens, forms, joined, acronym, total }
    }

    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Two or three neighbours put together, with the words they are as bits.
    #[must_use]
    pub fn joined(&self) -> &[(u64, String)] {
        &self.joined
    }

    #[must_use]
    pub fn acronym(&self) -> Option<(u64, &str)> {
        self.acronym.as_ref().map(|(mask, text)| (*mask, text.as_str()))
    }

    /// Of all words.
    #[must_use]
    pub fn total(&self) -> Weight {
        self.total
    }

    #[must_use]
    pub fn weight_of(&self, mask: u64) -> Weight {
        self.of_mask(mask).map(Token::weight).sum()
    }

    fn of_mask(&self, mask: u64) -> impl Iterator<Item = &Token> {
        self.tokens.iter().enumerate().filter(move |(at, _)| mask & (1 << at) != 0).map(|(_, token)| token)
    }

    /// The score alone: what screening asks of many.
    #[must_use]
    pub fn score(&self, other: &Self) -> u16 {
        self.judge(other).score
    }

    #[must_use]
    pub fn compare(&self, other: &Self) -> Comparison {
        let judged = self.judge(other);
        Comparison {
            score_thousandths: judged.score,
            why: self.explain(other, &judged),
            legal_form: judged.form,
        }
    }

    fn judge(&self, other: &Self) -> Judged {
        let pairs = align(self, other);
        let form = self.form_beside(other);
        let parts = |name: &Self, mask: fn(&Pair) -> u64| {
            covered(name.total, pairs.iter().map(|pair| (name.weight_of(mask(pair)), pair.alike)))
        };
        let mut score = parts(self, |pair| pair.first).min(parts(other, |pair| pair.second));
        let left = pairs.iter().fold(0, |mask, pair| mask | pair.first);
        let right = pairs.iter().fold(0, |mask, pair| mask | pair.second);
        let against = Against::of(self, other, left, right, form);
        for (_, thousandths) in against.factors() {
            score = score * thousandths / 1_000;
        }
        Judged { score: u16::try_from(score).unwrap_or(1_000), pairs, form, against }
    }

    fn form_beside(&self, other: &Self) -> FormWord {
        let says = |name: &Self| name.forms.iter().any(|form| form.kind != legal_form::Kind::Any);
        if self.forms.iter().any(|form| other.forms.iter().any(|theirs| form.equals(theirs))) {
            FormWord::Same
        } else if says(self) && says(other) {
            FormWord::Different
        } else {
            FormWord::Unknown
        }
    }

    fn explain(&self, other: &Self, judged: &Judged) -> String {
        let mut why = String::new();
        let words = |name: &Self, mask: u64| {
            name.of_mask(mask).map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
        };
        for pair in &judged.pairs {
            let (mine, theirs) = (words(self, pair.first), words(other, pair.second));
            let _ = match pair.how {
                How::Same => write!(why, "`{mine}` in both, "),
                How::Misspelt => write!(why, "`{mine}` is nearly `{theirs}`, "),
                How::Joined => write!(why, "`{mine}` is `{theirs}` put together, "),
                How::Abbreviated => write!(why, "`{mine}` and `{theirs}` are one word abbreviated, "),
                How::Acronym => write!(why, "`{mine}` and `{theirs}` have the same initials, "),
            };
        }
        if judged.pairs.is_empty() {
            why.push_str("no word in both, ");
        }
        for (name, which, mask) in [
            (self, "first", judged.pairs.iter().fold(0, |mask, pair| mask | pair.first)),
            (other, "second", judged.pairs.iter().fold(0, |mask, pair| mask | pair.second)),
        ] {
            let alone: Vec<_> = name.of_mask(!mask).filter(|token| token.class != Class::Small).collect();
            if !alone.is_empty() {
                let alone = alone.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ");
                let _ = write!(why, "`{alone}` only in the {which}, ");
            }
        }
        let form = |name: &Self| name.forms.iter().map(|form| form.name).collect::<Vec<_>>().join(", ");
        let _ = match judged.form {
            FormWord::Same => write!(why, "the same legal form ({})", form(self)),
            FormWord::Different => write!(why, "different legal forms ({} and {})", form(self), form(other)),
            FormWord::Unknown => write!(why, "legal forms not comparable"),
        };
        for (reason, _) in judged.against.factors() {
            let _ = write!(why, "; {reason}");
        }
        why
    }
}

struct Judged {
    score: u16,
    pairs: Vec<Pair>,
    form: FormWord,
    against: Against,
}

/// What speaks against two names although words agree.
struct Against {
    form_differs: bool,
    form_unknown: bool,
    places_differ: bool,
    own_words: bool,
    only_common: bool,
    serial_differs: bool,
}

impl Against {
    fn of(first: &Name, second: &Name, left: u64, right: u64, form: FormWord) -> Self {
        let alone = |name: &Name, mask: u64, wanted: fn(Class) -> bool| {
            name.of_mask(!mask).any(|token| wanted(token.class))
        };
        let tells = |class| matches!(class, Class::Rare | Class::Business);
        let place = |class| matches!(class, Class::Place | Class::Region);
        let serial = |class| class == Class::Serial;
        let (own_first, own_second) = (alone(first, left, tells), alone(second, right, tells));
        let all = |name: &Name, mask: u64| name.of_mask(!mask).all(|token| token.class == Class::Small);
        let rare = |name: &Name, mask: u64| name.of_mask(mask).any(|token| token.class == Class::Rare);
        let whole = all(first, left) && all(second, right);
        Self {
            form_differs: form == FormWord::Different,
            form_unknown: form == FormWord::Unknown && first.forms.is_empty() != second.forms.is_empty(),
            places_differ: alone(first, left, place) && alone(second, right, place),
            own_words: own_first || own_second,
            only_common: !(whole || rare(first, left) && rare(second, right)),
            serial_differs: alone(first, left, serial) || alone(second, right, serial),
        }
    }

    fn factors(&self) -> impl Iterator<Item = (&'static str, u32)> {
        [
            (self.form_differs, "firms of different forms are different firms", 680),
            (self.form_unknown, "one has no legal form", 980),
            (self.places_differ, "they are of different places", 600),
            (self.own_words, "one has a word of its own", 870),
            (self.only_common, "only common words agree", 850),
            (self.serial_differs, "they are of one series, or one of them is", 940),
        ]
        .into_iter()
        .filter(|(holds, _, _)| *holds)
        .map(|(_, reason, thousandths)| (reason, thousandths))
    }
}

/// `United States` is one place.
fn united_states(tokens: &mut Vec<Token>) {
    let at = tokens.windows(2).position(
        |pair| matches!(pair, [united, states] if united.text == "united" && states.text == "states"),
    );
    if let Some(at) = at {
        tokens.drain(at..=at);
        if let Some(token) = tokens.get_mut(at) {
            *token = Token { text: "usa".to_owned(), class: Class::Place, stopped: false };
        }
    }
}

fn joined(tokens: &[Token]) -> Vec<(u64, String)> {
    let mut joined = Vec::new();
    for length in 2..=3 {
        for (at, run) in tokens.windows(length).enumerate() {
            let text: String = run.iter().map(|token| token.text.as_str()).collect();
            joined.push((((1 << length) - 1) << at, text));
        }
    }
    joined
}

fn acronym(tokens: &[Token]) -> Option<(u64, String)> {
    let words: Vec<_> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !matches!(token.class, Class::Small | Class::Serial))
        .collect();
    if words.len() < 3 {
        return None;
    }
    let mask = words.iter().fold(0, |mask, (at, _)| mask | (1 << at));
    let text = words.iter().filter_map(|(_, token)| token.text.chars().next()).collect();
    Some((mask, text))
}
