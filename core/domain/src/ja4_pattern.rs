//! Patterns of JA4 fingerprints: which TLS clients a client is declared to be.

use std::fmt;
use std::str::FromStr;

/// Characters of a JA4.
const LENGTH: usize = 36;

/// A JA4 in which `?` stands for any one character, and `*` at the end for all that follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ja4Pattern([u8; LENGTH]);

/// Text that is no pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{text}` is not a pattern of JA4 fingerprints\nhint: write one such as `t13d1516h2_8daaf6152771_e5627efa2ab1`; `?` stands for any character, and `*` at the end for all that follow"
)]
pub struct NotJa4Pattern {
    text: String,
}

impl Ja4Pattern {
    #[must_use]
    pub fn fits(&self, ja4: &str) -> bool {
        ja4.len() == LENGTH
            && self.0.iter().zip(ja4.bytes()).all(|(wanted, found)| *wanted == b'?' || *wanted == found)
    }
}

impl FromStr for Ja4Pattern {
    type Err = NotJa4Pattern;

    fn from_str(text: &str) -> Result<Self, NotJa4Pattern> {
        let refused = || NotJa4Pattern { text: text.chars().take(64).collect() };
        let (given, open) = text.strip_suffix('*').map_or((text, false), |given| (given, true));
        let mut bytes = [b'?'; LENGTH];
        let fills = if open { given.len() < LENGTH } else { given.len() == LENGTH };
        // One that fits everything says nothing.
        if !fills || !given.bytes().any(|byte| byte != b'?') {
            return Err(refused());
        }
        for (position, (place, byte)) in bytes.iter_mut().zip(given.bytes()).enumerate() {
            let good = byte == b'?'
                || match position {
                    0..10 => byte.is_ascii_alphanumeric(),
                    10 | 23 => byte == b'_',
                    _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                };
            if !good {
                return Err(refused());
            }
            *place = byte;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Ja4Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_say() {
        let ja4 = "t13d1516h2_8daaf6152771_e5627efa2ab1";
        let check = |pattern: &str, expect: bool| {
            assert_eq!(pattern.parse::<Ja4Pattern>().unwrap().fits(ja4), expect, "{pattern}");
        };
        check(ja4, true);
        check("t13d15??h2_8daaf6152771_*", true);
        check("t13d*", true);
        check("t12d*", false);
        check("????????h1_*", false);
        check("t13d1516h2_8daaf6152771_e5627efa2ab2", false);
        assert!(!"t*".parse::<Ja4Pattern>().unwrap().fits("t13"));
    }

    #[test]
    fn what_can_fit_nothing_or_everything_is_refused() {
        for bad in [
            "",
            "*",
            "??*",
            "t13d1516h2",
            "t13d1516h2_8daaf6152771_e5627efa2ab1*",
            "t13d1516h2_8DAAF6152771_e5627efa2ab1",
            "t13d1516h2-*",
            "t13*16*",
            "python",
        ] {
            assert!(bad.parse::<Ja4Pattern>().is_err(), "{bad}");
        }
    }
}
