//! Names of organisations beside labelled pairs, and the traps that other matchers fell into.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "helpers of tests")]

use std::path::PathBuf;

use portcullis_assurance::names::{CONFIRMS, FormWord, HOLDS, Name, compare};

/// Of the reference matcher: .865. Ours must be above that, and is printed with its interval.
const F1_MIN: f64 = 0.90;
const DRAWS: usize = 2_000;

#[test]
fn labelled_pairs_are_told_apart() {
    let Some(pairs) = labelled() else { return };
    let judged: Vec<(bool, bool)> = pairs
        .iter()
        .map(|pair| (pair.same, compare(&pair.first, &pair.second).score_thousandths >= HOLDS))
        .collect();
    for (pair, (_, found)) in pairs.iter().zip(&judged).filter(|(_, (same, found))| same != found) {
        let comparison = compare(&pair.first, &pair.second);
        println!(
            "{}: {} | {} | {} {}",
            if *found { "too much" } else { "missed" },
            pair.first,
            pair.second,
            comparison.score_thousandths,
            comparison.why
        );
    }
    let whole = Figures::of(judged.iter().copied());
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|draw| {
            let mut state = 0x9e37_79b9_7f4a_7c15 ^ (draw as u64 + 1);
            let drawn =
                (0..judged.len()).map(|_| judged[(random(&mut state) % judged.len() as u64) as usize]);
            Figures::of(drawn).f1()
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    println!(
        "{} pairs: F1 {:.3} (95 % bootstrap interval {:.3} to {:.3}), precision {:.3}, recall {:.3}",
        judged.len(),
        whole.f1(),
        draws[DRAWS / 40],
        draws[DRAWS - 1 - DRAWS / 40],
        whole.precision(),
        whole.recall()
    );
    for fold in 0..5 {
        let of_fold =
            judged.iter().copied().enumerate().filter(|(at, _)| at % 5 == fold).map(|(_, pair)| pair);
        println!("fold {fold}: F1 {:.3}", Figures::of(of_fold).f1());
    }
    assert!(whole.f1() >= F1_MIN, "F1 {:.3}", whole.f1());
}

#[test]
fn the_score_is_symmetric_and_a_name_is_itself() {
    let Some(pairs) = labelled() else { return };
    for pair in &pairs {
        let (first, second) = (Name::of(&pair.first), Name::of(&pair.second));
        assert_eq!(first.score(&second), second.score(&first), "{} and {}", pair.first, pair.second);
        assert_eq!(first.score(&first), 1_000, "{}", pair.first);
    }
}

#[test]
fn forms_of_one_name_tell_firms_apart() {
    let found = compare("Deutsche Bank AG", "Deutsche Bank GmbH");
    assert!(found.score_thousandths < HOLDS && found.legal_form == FormWord::Different, "{found:?}");
    assert!(found.why.contains("AG and GmbH"), "{}", found.why);
    let found = compare("Deutsche Bank AG", "Deutsche Bank Aktiengesellschaft");
    assert!(found.score_thousandths == 1_000 && found.legal_form == FormWord::Same, "{found:?}");
    let found = compare("Brightwater Limited", "Brightwater Ltd.");
    assert!(found.score_thousandths >= CONFIRMS && found.legal_form == FormWord::Same, "{found:?}");
    let found = compare("Brightwater", "Brightwater Ltd.");
    assert!(found.score_thousandths >= CONFIRMS && found.legal_form == FormWord::Unknown, "{found:?}");
}

#[test]
fn a_firm_of_letters_matches_nothing_else() {
    for other in [
        "Company",
        "B-C Company",
        "A-B-D Company",
        "ABD Company",
        "A Company",
        "A B Company",
        "Alpha Beta Company",
        "Acme Co.",
        "American Bearing Corporation",
        "Abacus Company",
        "ABC International Trading",
        "C-B-A Company",
        "The Company",
        "",
    ] {
        let found = compare("A-B-C Company", other);
        assert!(found.score_thousandths < HOLDS, "{other}: {found:?}");
    }
    assert_eq!(compare("A-B-C Company", "ABC Co.").score_thousandths, 1_000);
}

/// Between the thresholds somebody has to look; one threshold of .85 would have let these pass.
#[test]
fn the_lower_threshold_finds_what_a_higher_one_loses() {
    for (first, second) in [
        ("faberlic", "FABERLIC EUROPE Sp. z o.o."),
        ("Oakspire Fund III L.P.", "Oakspire Fund IV L.P."),
        ("Tarn & Ashby Consulting LLC", "Tarn and Ashbe Consultants LLC"),
    ] {
        let found = compare(first, second).score_thousandths;
        assert!((HOLDS..CONFIRMS).contains(&found), "{first} and {second}: {found}");
    }
}

#[test]
fn hostile_names_are_bounded() {
    let long = "a ".repeat(100_000);
    let huge = "ſ".repeat(100_000);
    for name in
        [long.as_str(), huge.as_str(), "\u{0}\u{202e}", "....", "&&&&", "'''", "Ltd Ltd Ltd", "株式会社"]
    {
        let parsed = Name::of(name);
        assert!(parsed.tokens().len() <= 40);
        let _ = parsed.compare(&Name::of(&long));
    }
}

struct Labelled {
    first: String,
    second: String,
    same: bool,
}

fn labelled() -> Option<Vec<Labelled>> {
    let shared = std::env::var_os("PORTCULLIS_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("data/names/pairs.csv");
    let Ok(mut reader) = csv::Reader::from_path(&path) else {
        println!("skipped: {} is absent", path.display());
        return None;
    };
    let pairs: Vec<_> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            Labelled { first: row[2].to_owned(), second: row[3].to_owned(), same: &row[4] == "true" }
        })
        .collect();
    assert_eq!(pairs.len(), 144);
    Some(pairs)
}

#[derive(Default)]
struct Figures {
    right: f64,
    too_much: f64,
    missed: f64,
}

impl Figures {
    fn of(judged: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut figures = Self::default();
        for pair in judged {
            match pair {
                (true, true) => figures.right += 1.0,
                (false, true) => figures.too_much += 1.0,
                (true, false) => figures.missed += 1.0,
                (false, false) => {}
            }
        }
        figures
    }

    fn precision(&self) -> f64 {
        self.right / (self.right + self.too_much).max(1.0)
    }

    fn recall(&self) -> f64 {
        self.right / (self.right + self.missed).max(1.0)
    }

    fn f1(&self) -> f64 {
        2.0 * self.right / (2.0 * self.right + self.too_much + self.missed).max(1.0)
    }
}

/// splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
