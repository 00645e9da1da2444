//! From a name as written to plain lower-case words: what is left is comparable, whatever it was typed with.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// Characters of a name that are looked at; the longest legal names have some 300.
pub const NAME_CHARS_MAX: usize = 1_000;

/// A word of a name, folded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    pub text: String,
    /// It was written with a full stop at its end, as abbreviations are.
    pub stopped: bool,
    /// Letters that were written apart by stops, hyphens or strokes, such as `A.B.C.`.
    pub initials: bool,
}

/// The words of a name. Marks above and below letters are dropped, Cyrillic and Greek are transliterated, `&` is
/// `and`, and letters that stand one by one between stops are one word: `G.m.b.H.` is `gmbh`.
#[must_use]
pub fn words(name: &str) -> Vec<Word> {
    let folded = fold(name);
    let mut words: Vec<(Word, bool)> = Vec::new();
    let mut word = String::new();
    // Whether what came since the last word keeps single letters together.
    let mut tight = false;
    for letter in folded.chars().chain([' ']) {
        if letter.is_alphanumeric() {
            word.push(letter);
            continue;
        }
        let ended = !word.is_empty();
        if ended {
            let text = std::mem::take(&mut word);
            words.push((Word { text, stopped: letter == '.', initials: false }, tight));
            tight = matches!(letter, '.' | '-' | '/');
        } else if !matches!(letter, '.' | ' ') {
            tight = false;
        }
        if letter == '&' {
            words.push((Word { text: "and".to_owned(), stopped: false, initials: false }, false));
            tight = false;
        }
    }
    join_letters(words)
}

/// The words, one space between them: for addresses and the like.
#[must_use]
pub fn plain(text: &str) -> String {
    words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

fn join_letters(words: Vec<(Word, bool)>) -> Vec<Word> {
    let mut joined: Vec<Word> = Vec::with_capacity(words.len());
    let mut last_is_letters = false;
    for (word, tight) in words {
        let letter = word.text.chars().count() == 1 && !word.text.chars().all(char::is_numeric);
        if letter
            && tight
            && last_is_letters
            && let Some(last) = joined.last_mut()
        {
            last.text.push_str(&word.text);
            last.initials = true;
        } else {
            joined.push(word);
            last_is_letters = letter;
        }
    }
    joined
}

fn fold(name: &str) -> String {
    let lower: String = name.chars().take(NAME_CHARS_MAX).flat_map(char::to_lowercase).collect();
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize(&lower);
    let mut folded = String::with_capacity(decomposed.len());
    for letter in decomposed.chars() {
        match letter {
            // Combining marks, and apostrophes of any shape.
            '\u{300}'..='\u{36f}' | '\'' | '’' | '‘' | 'ʼ' | '`' | '´' | '′' | '\u{ad}' | '\u{200b}' =>
                {}
            '&' | '+' => folded.push('&'),
            'ь' | 'ъ' => {}
            letter if letter.is_ascii() => folded.push(letter),
            letter => match transliterated(letter) {
                Some(text) => folded.push_str(text),
                None => folded.push(letter),
            },
        }
    }
    folded
}

/// Letters that don't decompose, and other alphabets by sound, as passports and registers commonly write them.
fn transliterated(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ħ' => "h",
        'ŋ' => "n",
        'ŧ' => "t",
        'ə' => "a",
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ґ' => "g",
        'д' => "d",
        'е' | 'э' => "e",
        'є' => "ie",
        'ж' => "zh",
        'з' => "z",
        'и' | 'і' | 'ы' => "i",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ю' => "yu",
        'я' => "ya",
        'ј' => "j",
        'љ' => "lj",
        'њ' => "nj",
        'ћ' => "c",
        'ђ' => "dj",
        'џ' => "dz",
        'α' => "a",
        'β' => "v",
        'γ' => "g",
        'δ' => "d",
        'ε' => "e",
        'ζ' => "z",
        'η' | 'ι' => "i",
        'θ' => "th",
        'κ' => "k",
        'λ' => "l",
        'μ' => "m",
        'ν' => "n",
        'ξ' => "x",
        'ο' | 'ω' => "o",
        'π' => "p",
        'ρ' => "r",
        'σ' | 'ς' => "s",
        'τ' => "t",
        'υ' => "y",
        'φ' => "f",
        'χ' => "ch",
        'ψ' => "ps",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_are_folded() {
        for (name, expected) in [
            ("Société Générale S.A.", "societe generale sa"),
            ("Łódź Øresund Straße Æther", "lodz oresund strasse aether"),
            ("G.m.b.H. & Co. KG", "gmbh and co kg"),
            ("Oboronnye Initsiativy o.O.O.", "oboronnye initsiativy ooo"),
            ("FABERLIC Sp. z o.o.", "faberlic sp z oo"),
            ("Mendez, Denmark A/S", "mendez denmark as"),
            ("A-B-C Company", "abc company"),
            ("Partners V L.P.", "partners v lp"),
            ("ООО \"БАЙКАЛ\"", "ooo baikal"),
            ("First Bank Int’l", "first bank intl"),
            ("Türkiye İş Bankası", "turkiye is bankasi"),
            ("", ""),
        ] {
            assert_eq!(plain(name), expected, "{name}");
        }
    }
}
