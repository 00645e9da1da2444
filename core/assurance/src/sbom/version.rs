//! Which of two versions is the later one, without knowing whose they are: number by number, and what is before a
//! release (`1.0-rc1`) before it.

use std::cmp::Ordering;

/// Parts of a version that are looked at.
const PARTS_MAX: usize = 64;

#[must_use]
pub fn compare(first: &str, second: &str) -> Ordering {
    let (first, second) = (parts(first), parts(second));
    for at in 0..first.len().max(second.len()) {
        let order = match (first.get(at), second.get(at)) {
            (Some(one), Some(other)) => one.cmp(other),
            (Some(one), None) => one.cmp(&Part::End),
            (None, Some(other)) => Part::End.cmp(other),
            (None, None) => Ordering::Equal,
        };
        // `1.0` is `1.0.0`.
        let nothing = |at: Option<&Part>| at.is_none_or(|part| *part == Part::Number(0));
        if order.is_ne() && !(nothing(first.get(at)) && nothing(second.get(at))) {
            return order;
        }
    }
    Ordering::Equal
}

/// In the order of what they mean: a word such as `rc` stands before the end, a number after it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    End,
    Number(u64),
}

fn parts(version: &str) -> Vec<Part> {
    let version = version.trim().trim_start_matches(['v', 'V', '=']);
    // What is behind a plus says how it was built.
    let version = version.split('+').next().unwrap_or_default();
    let mut parts = Vec::new();
    for part in version.split(['.', '-', '_', '~', ':']).filter(|part| !part.is_empty()) {
        let mut rest = part;
        while !rest.is_empty() && parts.len() < PARTS_MAX {
            let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            if digits > 0 {
                let (number, behind) = rest.split_at(digits);
                parts.push(Part::Number(number.parse().unwrap_or(u64::MAX)));
                rest = behind;
            }
            let letters = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
            if letters > 0 {
                let (word, behind) = rest.split_at(letters);
                let word = word.to_ascii_lowercase();
                match word.as_str() {
                    "final" | "ga" | "release" => {}
                    // Mended after its release.
                    "post" | "sp" | "p" => parts.push(Part::Number(1)),
                    _ => parts.push(Part::Word(word)),
                }
                rest = behind;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn versions_are_ordered() {
        let ordered = [
            "0.9",
            "1.0-alpha",
            "1.0-beta2",
            "1.0-rc1",
            "1.0",
            "1.0.1",
            "1.2",
            "1.10",
            "2.0.0-rc.1",
            "2.0.0",
            "10",
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (other_at, other) in ordered.iter().enumerate() {
                assert_eq!(compare(one, other), at.cmp(&other_at), "{one} and {other}");
            }
        }
        for (one, other) in
            [("v1.2.0", "1.2"), ("1.0.0", "1"), ("2.17.1+build5", "2.17.1"), ("1.0.Final", "1.0")]
        {
            assert!(compare(one, other).is_eq(), "{one} and {other}");
        }
    }
}
