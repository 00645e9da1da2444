//! Screens vendors against a list of sanctions, on one core: every vendor against every name on it.

use std::path::PathBuf;
use std::time::Instant;

use portcullis_assurance::names::Name;
use portcullis_assurance::screening::index::{Index, ListEntry, Subject};
use portcullis_assurance::sources::ofac;

const MILLISECONDS_MAX: u128 = 5_000;

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let vendors = if short { 1_000 } else { 10_000 };
    let mut seed = 7;
    let entries = list(&mut seed);
    let (count, names) = (entries.len(), entries.iter().map(|entry| entry.names.len()).sum::<usize>());
    // One in twenty is an entry with a letter wrong, the rest are of words that lists are made of too.
    let words = words_of(&entries);
    let asked: Vec<Subject> = (0..vendors)
        .map(|number| {
            let name = match number % 20 {
                0 => misspelt(&entries[random(&mut seed) % count].names[0], &mut seed),
                1..10 => (0..2 + random(&mut seed) % 3).map(|_| pick(&words, &mut seed)).collect::<Vec<_>>().join(" "),
                _ => format!("{} {}", made_up(&mut seed), pick(&words, &mut seed)),
            };
            Subject { names: vec![name], ..Subject::default() }
        })
        .collect();

    let begun = Instant::now();
    let index = Index::new(entries.clone()).expect("a list");
    let indexed = begun.elapsed();
    let begun = Instant::now();
    let (mut found, mut matches) = (0, 0);
    for subject in &asked {
        let screened = index.find(subject);
        found += usize::from(!screened.is_empty());
        matches += screened.len();
    }
    let screened = begun.elapsed();
    println!("{vendors} vendors against {count} entries ({names} names), one core");
    println!("index     {:>8} ms", indexed.as_millis());
    println!("screening {:>8} ms, {:.1} µs each", screened.as_millis(), screened.as_secs_f64() * 1e6 / vendors as f64);
    println!("found     {found} vendors with {matches} matches");

    // What comparing every pair would take and find, on a sample.
    let all: Vec<Name> = entries.iter().flat_map(|entry| &entry.names).map(|name| Name::of(name)).collect();
    let sample: Vec<Name> = asked.iter().step_by(vendors / 200).map(|subject| Name::of(&subject.names[0])).collect();
    let begun = Instant::now();
    let mut pairs = 0;
    for name in &sample {
        let expected: Vec<(u32, u16)> =
            (0..).zip(all.iter().map(|other| name.score(other))).filter(|(_, score)| *score >= 700).collect();
        pairs += expected.len();
        assert_eq!(index.named(name), expected, "{name:?}");
    }
    let each = begun.elapsed().as_secs_f64() / sample.len() as f64;
    println!(
        "all pairs {:>8.0} ms (from {} vendors, {pairs} pairs at or above .70, the same ones)",
        each * 1e3 * vendors as f64,
        sample.len()
    );
    if (indexed + screened).as_millis() > MILLISECONDS_MAX {
        println!("more than {MILLISECONDS_MAX} ms");
        std::process::exit(1);
    }
}

/// The real list where it is at hand, or one of as many made-up names.
fn list(seed: &mut u64) -> Vec<ListEntry> {
    let shared = std::env::var_os("PORTCULLIS_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let path = shared.join("data/sanctions/ofac_sdn_entities_only.csv");
    if let Ok(bytes) = std::fs::read(&path) {
        return ofac::entries(&bytes).expect("the list").entries;
    }
    println!("the real list is absent: a made-up one instead");
    let entry = |number: usize| ListEntry {
        id: number.to_string(),
        names: vec![format!("{} {} TRADING COMPANY", made_up(seed), made_up(seed))],
        identifiers: Vec::new(),
        officers: Vec::new(),
    };
    (0..2_994).map(entry).collect()
}

fn words_of(entries: &[ListEntry]) -> Vec<String> {
    entries.iter().flat_map(|entry| entry.names[0].split_whitespace().map(str::to_owned)).collect()
}

fn pick(words: &[String], seed: &mut u64) -> String {
    words[random(seed) % words.len()].clone()
}

fn made_up(seed: &mut u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["bri", "har", "quil", "tarn", "mere", "oak", "wick", "field", "ash", "nor", "gale", "lo", "va", "den", "sol", "kin"];
    (0..2 + random(seed) % 2).map(|_| SYLLABLES[random(seed) % SYLLABLES.len()]).collect()
}

fn misspelt(name: &str, seed: &mut u64) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = random(seed) % letters.len();
    letters[at] = 'e';
    letters.into_iter().collect()
}

/// splitmix64.
fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as usize
}
