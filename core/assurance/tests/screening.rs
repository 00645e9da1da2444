//! Screening finds exactly what comparing every pair finds.
#![expect(clippy::indexing_slicing, reason = "helpers of tests")]

use jiff::Timestamp;
use portcullis_assurance::names::{CONFIRMS, HOLDS, Name};
use portcullis_assurance::screening::identifier::{Identifier, IdentifierKind};
use portcullis_assurance::screening::index::{Index, ListEntry, Subject};
use portcullis_ids::personal::Personal;
use proptest::prelude::{Strategy, any, prop};
use proptest::proptest;

#[test]
fn identifiers_are_found_under_any_name() {
    let account = Identifier::of(IdentifierKind::BankAccount, "DE02 1203 0000 0000 2020 51").unwrap();
    let domain = Identifier::of(IdentifierKind::Domain, "ashby.example").unwrap();
    let severed = ListEntry {
        id: "tarn-and-ashby".to_owned(),
        names: vec!["Tarn & Ashby Consulting LLC".to_owned()],
        identifiers: vec![account.clone(), domain.clone()],
        officers: vec![Personal::Plain("Jane Anne Doe".to_owned())],
    };
    let index = Index::new(vec![severed, entry("other", "Brightwater Ltd")]).unwrap();
    let find = |name: &str, identifiers: Vec<Identifier>, officer: Option<&str>| {
        let officers = officer.map(|name| Personal::Plain(name.to_owned())).into_iter().collect();
        index.find(&Subject { names: vec![name.to_owned()], identifiers, officers })
    };
    assert_eq!(find("Larkspur Works", Vec::new(), None), []);
    let found = find("Larkspur Works", vec![account.clone()], None);
    assert_eq!((found[0].score, found[0].identifier.as_deref()), (HOLDS, Some("bank account")));
    assert!(!format!("{found:?}").contains("1203"), "{found:?}");
    let found = find("Larkspur Works", Vec::new(), Some("DOE, Jane"));
    assert_eq!((found.len(), found[0].identifier.as_deref()), (1, Some("officer")));
    assert!(!format!("{found:?}").contains("Doe"), "{found:?}");
    assert_eq!(find("Larkspur Works", Vec::new(), Some("John Doe")), []);
    let found = find("Tarn and Ashby Consulting LLC", vec![domain], None);
    assert!(found[0].score >= CONFIRMS && found[0].identifier.as_deref() == Some("domain ashby.example"));
    let screening = index.screen(
        &Subject { names: vec!["Tarn and Ashby Consultants".to_owned()], ..Subject::default() },
        "own",
        "00",
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!((screening.list.as_str(), screening.matches.len()), ("own", 1));
}

#[test]
fn the_best_match_of_an_entrys_names_counts() {
    let mut alias = entry("306", "BANCO NACIONAL DE CUBA");
    alias.names.push("BNC".to_owned());
    let index = Index::new(vec![alias]).unwrap();
    for (name, expected) in
        [("Banco Nacional de Cuba", 1), ("BNC", 1), ("BNC Ltd", 1), ("BNP", 0), ("Banco", 0)]
    {
        let found = index.find(&Subject { names: vec![name.to_owned()], ..Subject::default() });
        assert_eq!(found.len(), expected, "{name}: {found:?}");
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn the_index_finds_what_all_pairs_find(list in prop::collection::vec(name(), 1..60), asked in prop::collection::vec(name(), 1..12)) {
        let entries = list.iter().enumerate().map(|(at, name)| entry(&at.to_string(), name)).collect();
        let index = Index::new(entries).unwrap();
        let parsed: Vec<Name> = list.iter().map(|name| Name::of(name)).collect();
        for name in &asked {
            let name = Name::of(name);
            let all: Vec<(u32, u16)> =
                (0..).zip(parsed.iter().map(|other| name.score(other))).filter(|(_, score)| *score >= HOLDS).collect();
            assert_eq!(index.named(&name), all, "{name:?}");
        }
    }
}

/// Names of few words, so that many are nearly alike.
fn name() -> impl Strategy<Value = String> {
    const WORDS: [&str; 30] = [
        "brightwater",
        "Bright",
        "Water",
        "Harrowfield",
        "harow",
        "Ashby",
        "Tarn",
        "the",
        "of",
        "and",
        "Bank",
        "Trust",
        "Petrochem.",
        "Petrochemicals",
        "International",
        "Int’l",
        "China",
        "Chile",
        "III",
        "IV",
        "A.B.C.",
        "abc",
        "GmbH",
        "AG",
        "Ltd",
        "Limited",
        "Good",
        "Will",
        "Goodwill",
        "TBT",
    ];
    let word =
        (0..WORDS.len(), any::<(u8, u8)>()).prop_map(|(at, (what, place))| misspelt(WORDS[at], what, place));
    prop::collection::vec(word, 0..6).prop_map(|words| words.join(" "))
}

fn misspelt(word: &str, what: u8, place: u8) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = usize::from(place) % letters.len();
    match what % 12 {
        0 => {
            letters.remove(at);
        }
        1 => letters.insert(at, 'e'),
        2 => letters[at] = 'o',
        3 if at > 0 => letters.swap(at, at - 1),
        4 if at > 1 => {
            letters.swap(at, at - 1);
            letters[at - 2] = 'u';
        }
        _ => {}
    }
    letters.into_iter().collect()
}

fn entry(id: &str, name: &str) -> ListEntry {
    ListEntry {
        id: id.to_owned(),
        names: vec![name.to_owned()],
        identifiers: Vec::new(),
        officers: Vec::new(),
    }
}
