//! Whether two texts name the same person: case, accents, titles, order and initials aside.

use portcullis_ids::personal::ERASED;

/// Words that belong to nobody's name.
const TITLES: [&str; 20] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "professor",
    "ing",
    "dipl",
    "mag",
    "sir",
    "dame",
    "herr",
    "frau",
    "mba",
    "llm",
    "phd",
    "esq",
    "jr",
    "sr",
];

/// Why both may be the same person, in words; none where they can't be.
///
/// At least two words must agree, one of them in full: a family name alone is many people.
#[must_use]
pub fn same_person(one: &str, other: &str) -> Option<&'static str> {
    if one == ERASED || other == ERASED {
        return None;
    }
    let (one, other) = (words(one), words(other));
    let (short, mut long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let counts_differ = short.len() != long.len();
    if short.len() < 2 {
        return None;
    }
    // Words in full first, so that an initial doesn't take the place of one.
    let mut initials = Vec::new();
    let mut full = 0;
    for word in short {
        match long.iter().position(|candidate| *candidate == word) {
            Some(place) => {
                full += usize::from(word.chars().count() > 1);
                long.remove(place);
            }
            None => initials.push(word),
        }
    }
    let abbreviated = !initials.is_empty();
    for word in initials {
        let place = long.iter().position(|candidate| is_initial(&word, candidate))?;
        long.remove(place);
    }
    match (full, abbreviated, counts_differ) {
        (0, _, _) => None,
        (_, true, _) => Some("the same name, with initials"),
        (_, false, true) => Some("the same name, with a further one"),
        (_, false, false) => Some("the same name"),
    }
}

fn is_initial(one: &str, other: &str) -> bool {
    let single = |word: &str| word.chars().count() == 1;
    (single(one) && other.starts_with(one)) || (single(other) && one.starts_with(other))
}

fn words(name: &str) -> Vec<String> {
    let plain: String = name.chars().flat_map(char::to_lowercase).flat_map(plain).collect();
    plain
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty() && !TITLES.contains(word))
        .map(str::to_owned)
        .collect()
}

/// A letter without its accent, as passports spell it where they have two letters for one.
fn plain(letter: char) -> impl Iterator<Item = char> {
    let text: &'static str = match letter {
        'á' | 'à' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'é' | 'è' | 'ê' | 'ë' | 'ē' | 'ě' | 'ę' => "e",
        'ğ' => "g",
        'í' | 'ì' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ó' | 'ò' | 'ô' | 'õ' | 'ō' | 'ő' => "o",
        'ö' | 'ø' | 'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' => "t",
        'ú' | 'ù' | 'û' | 'ū' | 'ů' | 'ű' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        // Accents that stand by themselves, and marks within names.
        '\u{300}'..='\u{36f}' | '\'' | '’' | '`' => "",
        _ => return Letters::One(Some(letter)),
    };
    Letters::Text(text.chars())
}

enum Letters {
    One(Option<char>),
    Text(std::str::Chars<'static>),
}

impl Iterator for Letters {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::One(letter) => letter.take(),
            Self::Text(letters) => letters.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_known_by_their_names_however_they_are_written() {
        for (one, other, same) in [
            ("Jane Doe", "jane  DOE", true),
            ("Doe, Jane", "Jane Doe", true),
            ("J. Doe", "Jane Doe", true),
            ("Jane M. Doe", "Jane Mary Doe", true),
            ("Jane Mary Doe", "Jane Doe", true),
            ("Dr. Jürgen Groß", "Juergen GROSS", true),
            ("Seán O'Brien", "Sean O’Brien", true),
            ("J. D.", "Jane Doe", false),
            ("Doe", "Jane Doe", false),
            ("Jane Doe", "John Doe", false),
            ("Jane Doe", "Jane Roe", false),
            ("K. Doe", "Jane Doe", false),
            ("", "", false),
            ("Dr.", "Dr.", false),
            (ERASED, ERASED, false),
        ] {
            assert_eq!(same_person(one, other).is_some(), same, "{one} / {other}");
            assert_eq!(same_person(other, one), same_person(one, other), "{one} / {other}");
        }
    }
}
