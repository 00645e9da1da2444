//! Names of resources from names of firms.

use std::collections::BTreeSet;

use super::{Judged, Verdict};
use crate::names::fold::words;
use crate::names::legal_form;

/// Names have 63 characters at most; a number may follow.
const CHARS_MAX: usize = 55;

/// Gives each new vendor a name that nobody has.
pub(super) fn give(rows: &mut [Judged], taken: &BTreeSet<String>) {
    let mut taken = taken.clone();
    for judged in rows {
        let Verdict::New { vendor } = &mut judged.verdict else { continue };
        let name = free(&vendor.entity.legal_name, &taken);
        taken.insert(name.clone());
        vendor.name = name;
    }
}

fn free(legal_name: &str, taken: &BTreeSet<String>) -> String {
    let all = words(legal_name);
    let (bare, _) = legal_form::split(&all);
    let short = slug(bare.iter().map(|word| word.text.as_str()));
    // The legal form tells two firms apart better than a number.
    let long = slug(all.iter().map(|word| word.text.as_str()));
    let free = |name: &String| !taken.contains(name);
    let numbered = (2..).map(|number: u32| format!("{short}-{number}"));
    [short.clone(), long].into_iter().chain(numbered).find(free).unwrap_or(short)
}

fn slug<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut slug = String::new();
    for word in words {
        let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        if plain.is_empty() || slug.len() + plain.len() + 1 > CHARS_MAX && !slug.is_empty() {
            continue;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(plain.to_ascii_lowercase().chars().take(CHARS_MAX));
    }
    if slug.is_empty() { "vendor".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::free;

    #[test]
    fn names_are_plain_and_nobody_elses() {
        let mut taken = BTreeSet::from(["acme".to_owned()]);
        for (legal, expect) in [
            ("Acme Ltd", "acme-ltd"),
            ("Acme, Ltd.", "acme-2"),
            ("Müller & Söhne GmbH & Co. KG", "muller-and-sohne"),
            ("Газпром ОАО", "gazprom"),
            ("株式会社", "vendor"),
            ("株式会社", "vendor-2"),
        ] {
            let name = free(legal, &taken);
            assert_eq!(name, expect, "{legal}");
            taken.insert(name);
        }
        assert!(free(&"a".repeat(300), &taken).len() <= 63);
        assert!(free(&"word ".repeat(300), &taken).len() <= 63);
    }
}
