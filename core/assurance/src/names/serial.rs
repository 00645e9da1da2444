//! Numbers in names, however they are written: `Forty-Four`, `44`, `XLIV`, `1st`.

use super::fold::Word;

/// The words with numbers in digits.
pub fn numbered(words: Vec<Word>) -> Vec<Word> {
    let mut numbered: Vec<Word> = Vec::with_capacity(words.len());
    let mut tens_before = false;
    for mut word in words {
        let first = numbered.is_empty();
        let tens = tens(&word.text);
        let number = tens.or_else(|| spelt(&word.text)).or_else(|| ordinal(&word.text)).or_else(|| {
            // At the beginning it is rather a letter.
            if first || word.initials { None } else { roman(&word.text) }
        });
        if let Some(number) = number {
            word.text = number.to_string();
        }
        let unit = word.text.parse::<u32>().ok().filter(|unit| (1..10).contains(unit));
        let whole = match (tens_before, unit, numbered.last_mut()) {
            (true, Some(unit), Some(last)) => last.text.parse::<u32>().ok().map(|tens| (last, tens + unit)),
            _ => None,
        };
        if let Some((last, whole)) = whole {
            last.text = whole.to_string();
            tens_before = false;
            continue;
        }
        tens_before = tens.is_some();
        numbered.push(word);
    }
    numbered
}

fn tens(word: &str) -> Option<u32> {
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let at = TENS.iter().position(|tens| *tens == word)?;
    u32::try_from(at).ok().map(|at| (at + 2) * 10)
}

fn spelt(word: &str) -> Option<u32> {
    const UNITS: [&str; 20] = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const ORDINALS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let at = UNITS
        .iter()
        .position(|unit| *unit == word)
        .or_else(|| ORDINALS.iter().position(|unit| *unit == word))?;
    u32::try_from(at).ok().map(|at| at + 1)
}

/// `1st`, `22nd`.
fn ordinal(word: &str) -> Option<u32> {
    ["st", "nd", "rd", "th"].into_iter().find_map(|end| word.strip_suffix(end)?.parse().ok())
}

/// Up to 39; above that they are letters of something else.
fn roman(word: &str) -> Option<u32> {
    if word.is_empty() || word.len() > 6 || !word.bytes().all(|letter| matches!(letter, b'i' | b'v' | b'x')) {
        return None;
    }
    (1..40).find(|number| in_roman(*number) == word)
}

fn in_roman(mut number: u32) -> String {
    let mut text = String::new();
    for (value, letters) in [(10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")] {
        while number >= value {
            text.push_str(letters);
            number -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::numbered;
    use crate::names::fold::words;

    #[test]
    fn numbers_are_written_in_digits() {
        for (name, expected) in [
            ("Brigade Forty-Four", "brigade 44"),
            ("Brigade Forty 4", "brigade 44"),
            ("Three Percenters", "3 percenters"),
            ("1st International Bank", "1 international bank"),
            ("Fund XII", "fund 12"),
            ("Fund Forty", "fund 40"),
            ("V Partners", "v partners"),
            ("Trust 2004-1", "trust 2004 1"),
            ("IIII Fund IIII", "iiii fund iiii"),
        ] {
            let text: Vec<_> = numbered(words(name)).into_iter().map(|word| word.text).collect();
            assert_eq!(text.join(" "), expected, "{name}");
        }
    }
}
