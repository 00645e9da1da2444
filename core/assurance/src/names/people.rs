//! Whether a signer is an officer: names of people in any order, with initials and titles.
//!
//! What is said of it names no part of a name: it goes where people's names must not.

use super::Comparison;
use super::FormWord;
use super::align::{alike, edits_max};
use super::fold::words;

/// How alike the names of two people are. From [`HOLDS`](super::HOLDS) on it may be taken for one person, with a
/// look; an initial in place of a name is less than the name. The legal form is always unknown.
#[must_use]
pub fn compare_people(officer: &str, signer: &str) -> Comparison {
    let (first, second) = (parts(officer), parts(signer));
    let (few, many) = if first.len() <= second.len() { (&first, &second) } else { (&second, &first) };
    let judged = judge(few, many);
    let (score_thousandths, why) = match judged {
        Some(judged) => (judged.score(), judged.words()),
        None if few.len() < 2 => (0, "a single name tells nobody apart".to_owned()),
        None => (0, "the names differ".to_owned()),
    };
    Comparison { score_thousandths, why, legal_form: FormWord::Unknown }
}

/// Names of one person that are looked at.
const PARTS_MAX: usize = 12;

/// How two parts may agree, and what is counted then.
type Way = (fn(&str, &str) -> bool, fn(&mut Judged));

struct Judged {
    whole: usize,
    misspelt: usize,
    short: usize,
    initials: usize,
    left_out: usize,
    reordered: bool,
}

impl Judged {
    fn score(&self) -> u16 {
        let mut score: u32 = 1_000;
        for (times, thousandths) in [
            (self.misspelt, 930),
            (self.short, 900),
            (self.initials, 880),
            (self.left_out, 960),
            (usize::from(self.reordered), 990),
        ] {
            for _ in 0..times {
                score = score * thousandths / 1_000;
            }
        }
        u16::try_from(score).unwrap_or(0)
    }

    fn words(&self) -> String {
        let mut words = vec![format!("{} written alike", self.whole)];
        for (count, what) in [
            (self.misspelt, "with a letter wrong"),
            (self.short, "by a short form"),
            (self.initials, "by an initial"),
            (self.left_out, "in one of them only"),
        ] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        if self.reordered {
            words.push("in another order".to_owned());
        }
        format!("names of the person: {}", words.join(", "))
    }
}

/// Each part of the shorter name must have its counterpart in the longer one, at least one of them in full.
fn judge(few: &[String], many: &[String]) -> Option<Judged> {
    if few.len() < 2 {
        return None;
    }
    let mut judged = Judged {
        whole: 0,
        misspelt: 0,
        short: 0,
        initials: 0,
        left_out: many.len() - few.len(),
        reordered: false,
    };
    let mut free: Vec<Option<&String>> = many.iter().map(Some).collect();
    let mut places = vec![usize::MAX; few.len()];
    // What agrees in full first, so that an initial doesn't take another's place.
    let ways: [Way; 4] = [
        (|one, other| one == other && one.len() > 1, |judged| judged.whole += 1),
        (
            |one, other| one.chars().count() >= 5 && alike(one, other, edits_max).is_some(),
            |judged| judged.misspelt += 1,
        ),
        (is_short_form, |judged| judged.short += 1),
        (is_initial, |judged| judged.initials += 1),
    ];
    for (agrees, count) in ways {
        for (part, place) in few.iter().zip(&mut places).filter(|(_, place)| **place == usize::MAX) {
            let found = free.iter().position(|other| other.is_some_and(|other| agrees(part, other)));
            if let Some(at) = found
                && let Some(slot) = free.get_mut(at)
            {
                *slot = None;
                *place = at;
                count(&mut judged);
            }
        }
    }
    // Two people may share a family name and an initial; nobody is told by initials alone, or by names all misspelt.
    if places.contains(&usize::MAX) || judged.whole == 0 || judged.initials > judged.whole {
        return None;
    }
    judged.reordered = !places.is_sorted();
    Some(judged)
}

fn is_initial(one: &str, other: &str) -> bool {
    let (one_first, other_first) = (one.chars().next(), other.chars().next());
    one_first == other_first && (one.chars().count() == 1 || other.chars().count() == 1)
}

fn is_short_form(one: &str, other: &str) -> bool {
    SHORT_FORMS.iter().any(|forms| forms.contains(&one) && forms.contains(&other))
}

/// The parts of a name; `Doe, Jane` is `Jane Doe`. Titles and degrees are no names.
fn parts(name: &str) -> Vec<String> {
    let of = |text: &str| {
        words(text)
            .into_iter()
            .flat_map(|word| {
                // `J.R.` are two initials.
                if word.initials && !TITLES.contains(&word.text.as_str()) {
                    word.text.chars().map(|letter| letter.to_string()).collect::<Vec<_>>()
                } else {
                    vec![word.text]
                }
            })
            .filter(|word| !TITLES.contains(&word.as_str()))
            .take(PARTS_MAX)
            .collect::<Vec<_>>()
    };
    match name.split_once(',') {
        Some((family, given)) => {
            let mut parts = of(given);
            parts.extend(of(family));
            parts.truncate(PARTS_MAX);
            parts
        }
        None => of(name),
    }
}

const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "sir",
    "dame",
    "lord",
    "lady",
    "dr",
    "prof",
    "professor",
    "doctor",
    "herr",
    "frau",
    "monsieur",
    "madame",
    "mme",
    "mlle",
    "senor",
    "senora",
    "sr",
    "sra",
    "sig",
    "dipl",
    "ing",
    "mag",
    "phd",
    "md",
    "mba",
    "msc",
    "bsc",
    "ba",
    "ma",
    "llm",
    "jd",
    "esq",
    "cpa",
    "jr",
    "ii",
    "iii",
    "iv",
    "hon",
    "rev",
    "rer",
    "nat",
    "pol",
    "oec",
    "habil",
    "obe",
    "cbe",
    "mbe",
    "and",
];

const SHORT_FORMS: &[&[&str]] = &[
    &["robert", "bob", "rob", "bobby"],
    &["william", "bill", "will", "billy"],
    &["richard", "rick", "dick", "rich"],
    &["elizabeth", "liz", "beth", "eliza", "lisa"],
    &["margaret", "maggie", "peggy", "meg"],
    &["james", "jim", "jimmy"],
    &["john", "jack", "johnny"],
    &["thomas", "tom"],
    &["michael", "mike", "mick"],
    &["katherine", "catherine", "kate", "kathy", "cathy"],
    &["alexander", "alex", "sasha"],
    &["alexandra", "alex", "sandra", "sasha"],
    &["edward", "ed", "ted", "ned"],
    &["charles", "charlie", "chuck"],
    &["joseph", "joe"],
    &["samuel", "sam"],
    &["samantha", "sam"],
    &["benjamin", "ben"],
    &["daniel", "dan"],
    &["david", "dave"],
    &["matthew", "matt"],
    &["christopher", "chris"],
    &["christine", "chris", "tina"],
    &["anthony", "tony"],
    &["andrew", "andy", "drew"],
    &["stephen", "steven", "steve"],
    &["susan", "sue"],
    &["patricia", "pat"],
    &["patrick", "pat"],
    &["jennifer", "jen"],
    &["jessica", "jess"],
    &["nicholas", "nick"],
    &["friedrich", "fritz"],
    &["johannes", "hans"],
    &["josef", "sepp"],
    &["giuseppe", "beppe"],
    &["francisco", "paco"],
    &["jose", "pepe"],
    &["vladimir", "vova"],
];

#[cfg(test)]
mod tests {
    use super::compare_people;
    use crate::names::HOLDS;

    #[test]
    fn signers_are_compared_with_officers() {
        for (officer, signer, same) in [
            ("Jane Doe", "Jane Doe", true),
            ("DOE, Jane Anne", "Jane A. Doe", true),
            ("Jane Doe", "Doe Jane", true),
            ("Dr. Jane Doe, MBA", "Jane Doe", true),
            ("Dr. rer. nat. Jürgen Müller", "Juergen Müller", true),
            ("J. R. Hartley", "James Robert Hartley", false),
            ("James R. Hartley", "James Robert Hartley", true),
            ("Jane Doe", "John Doe", false),
            ("Jane Doe", "Jane Roe", false),
            ("Jane Doe", "Doe", false),
            ("Jane", "Jane", false),
            ("J. D.", "Jane Doe", false),
            ("William Oak", "Bill Oak", true),
            ("Łukasz Żółć", "Lukasz Zolc", true),
            ("María José García López", "Maria Garcia", true),
            ("", "", false),
        ] {
            let found = compare_people(officer, signer);
            assert_eq!(found.score_thousandths >= HOLDS, same, "{officer} and {signer}: {found:?}");
            assert_eq!(found.score_thousandths, compare_people(signer, officer).score_thousandths);
            assert!(!found.why.to_lowercase().contains("doe"), "{}", found.why);
        }
        assert_eq!(compare_people("Jane Doe", "Jane Doe").score_thousandths, 1_000);
    }
}
