//! Legal entity identifiers (ISO 17442): twenty characters, the last two of them check digits (ISO 7064 MOD 97-10).

use std::fmt;

/// A well-formed LEI; whether anybody holds it, only GLEIF knows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lei(String);

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LeiError {
    #[error("an LEI has 20 characters, this has {0}\nhint: copy it whole, such as `529900T8BM49AURSDO55`")]
    Length(usize),
    #[error("an LEI has letters A to Z and digits only, and `{0}` at character {1} is neither")]
    Character(char, usize),
    #[error("the last two characters of an LEI are digits, here they are `{0}`")]
    NotDigits(String),
    #[error(
        "the check digits of `{lei}` are wrong: {found}, and {expected} would be expected\nhint: a character is mistyped, or two have changed places; look at the original"
    )]
    CheckDigits { lei: String, found: String, expected: String },
}

const LENGTH: usize = 20;

impl Lei {
    /// Reads an LEI; spaces and hyphens between its characters and small letters are allowed.
    ///
    /// # Errors
    /// [`LeiError`], with the check digits that would be right.
    pub fn parse(text: &str) -> Result<Self, LeiError> {
        // A bound first: nothing longer than this is an LEI, however it is spaced.
        let lei: String = text
            .chars()
            .take(4 * LENGTH)
            .filter(|letter| !matches!(letter, ' ' | '-'))
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        let length = lei.chars().count();
        if length != LENGTH || text.len() > 4 * LENGTH {
            return Err(LeiError::Length(length));
        }
        if let Some((at, letter)) =
            lei.chars().enumerate().find(|(_, letter)| !letter.is_ascii_alphanumeric())
        {
            return Err(LeiError::Character(letter, at + 1));
        }
        let (body, digits) = lei.split_at(LENGTH - 2);
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(LeiError::NotDigits(digits.to_owned()));
        }
        let expected = check_digits(body);
        if digits != expected {
            let (found, lei) = (digits.to_owned(), lei.clone());
            return Err(LeiError::CheckDigits { lei, found, expected });
        }
        Ok(Self(lei))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of the local operating unit that first gave it out.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.get(..4).unwrap_or_default()
    }
}

impl fmt::Display for Lei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two digits that belong behind `body`, 02 to 98. Letters count as 10 to 35; others are passed over.
#[must_use]
pub fn check_digits(body: &str) -> String {
    let remainder =
        body.chars().chain("00".chars()).filter_map(|letter| letter.to_digit(36)).fold(0, |sum, value| {
            let shift = if value < 10 { 10 } else { 100 };
            (sum * shift + value) % 97
        });
    format!("{:02}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::{Lei, LeiError, check_digits};

    #[test]
    fn check_digits_are_checked() {
        for good in [
            "529900T8BM49AURSDO55",
            "529900 t8bm49 aursdo-55",
            "5493001KJTIIGC8Y1R12",
            "INR2EJN1ERAN0W5ZP974",
        ] {
            assert!(Lei::parse(good).is_ok(), "{good}");
        }
        let wrong = Lei::parse("529900T8BM49AURSDO56").unwrap_err();
        assert!(matches!(&wrong, LeiError::CheckDigits { expected, .. } if expected == "55"), "{wrong}");
        assert_eq!(Lei::parse("529900T8BM49AURSDO5"), Err(LeiError::Length(19)));
        assert_eq!(Lei::parse("529900T8BM49AURSDÖ55"), Err(LeiError::Character('Ö', 18)));
        assert_eq!(Lei::parse("529900T8BM49AURSDO5X"), Err(LeiError::NotDigits("5X".to_owned())));
        assert_eq!(Lei::parse(""), Err(LeiError::Length(0)));
        assert!(Lei::parse(&" 5".repeat(1_000_000)).is_err());
    }

    /// 97 and 00 leave the same remainder, as do 98 and 01, 02 and 99: only one of each is ever given out.
    #[test]
    fn digits_outside_02_to_98_are_refused() {
        for number in 0..2_000_u32 {
            let body = format!("{number:018}");
            let digits: u32 = check_digits(&body).parse().unwrap();
            assert!((2..=98).contains(&digits));
            let other = if digits + 97 <= 99 { digits + 97 } else { digits.wrapping_sub(97) };
            assert!(other > 99 || Lei::parse(&format!("{body}{other:02}")).is_err());
        }
    }
}
