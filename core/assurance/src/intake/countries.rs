//! Countries as people write them.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::names::fold::plain;

static COUNTRIES: LazyLock<HashMap<String, &'static str>> =
    LazyLock::new(|| read(include_str!("countries.txt")));
static STATES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| read(include_str!("states.txt")));

/// The ISO 3166-1 code of a country, or the 3166-2 code of a subdivision that is written as one.
pub(super) fn country(text: &str) -> Option<String> {
    if let Some((country, part)) = text.trim().split_once('-')
        && country.len() == 2
        && (1..=3).contains(&part.len())
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && let Some(code) = COUNTRIES.get(&folded(country))
    {
        return Some(format!("{code}-{}", part.to_ascii_uppercase()));
    }
    COUNTRIES.get(&folded(text)).map(|code| (*code).to_owned())
}

/// The ISO 3166-2 code of a state of the United States.
pub(super) fn state(text: &str) -> Option<&'static str> {
    let bare = folded(text);
    STATES.get(&bare).or_else(|| STATES.get(&format!("us{bare}"))).copied()
}

fn read(text: &'static str) -> HashMap<String, &'static str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split('|').next().map(|code| (code, line)));
    pairs.flat_map(|(code, line)| line.split('|').map(move |name| (folded(name), code))).collect()
}

fn folded(text: &str) -> String {
    plain(text).replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::{country, state};

    #[test]
    fn countries_have_many_names() {
        for (text, expect) in [
            ("DE", Some("DE")),
            ("de", Some("DE")),
            ("Germany", Some("DE")),
            ("Deutschland ", Some("DE")),
            ("U.K.", Some("GB")),
            ("united kingdom", Some("GB")),
            ("USA", Some("US")),
            ("US-DE", Some("US-DE")),
            ("us-de", Some("US-DE")),
            ("Guinea-Bissau", Some("GW")),
            ("Côte d'Ivoire", Some("CI")),
            ("EU", None),
            ("Atlantis", None),
            ("", None),
        ] {
            assert_eq!(country(text).as_deref(), expect, "{text}");
        }
        assert_eq!((state("Delaware"), state("de"), state("Bavaria")), (Some("US-DE"), Some("US-DE"), None));
    }
}
