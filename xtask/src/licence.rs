//! SPDX licence expressions (SPDX 2.3, annex D), and the older form with a slash for `OR`.

/// An expression, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Licence {
    /// With its exception, if it has one: `Apache-2.0 WITH LLVM-exception`.
    One(String),
    Any(Vec<Licence>),
    All(Vec<Licence>),
}

impl Licence {
    /// # Errors
    /// What is wrong with the expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = tokens(text).into_iter().peekable();
        let licence = any(&mut tokens, 0)?;
        match tokens.next() {
            None => Ok(licence),
            Some(token) => Err(format!("`{text}` goes on with `{token}` where it should end")),
        }
    }

    /// Whether what `permitted` names is enough: of alternatives one, of others all.
    pub fn is_permitted(&self, permitted: &[&str]) -> bool {
        match self {
            // `+` means this version or a later one: this one will do.
            Self::One(id) => permitted.contains(&id.trim_end_matches('+')),
            Self::Any(choices) => choices.iter().any(|choice| choice.is_permitted(permitted)),
            Self::All(parts) => parts.iter().all(|part| part.is_permitted(permitted)),
        }
    }
}

/// Deeper nesting than this is nonsense.
const DEPTH_MAX: usize = 16;

type Tokens<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn any(tokens: &mut Tokens<'_>, depth: usize) -> Result<Licence, String> {
    let mut choices = vec![all(tokens, depth)?];
    while tokens.next_if(|token| matches!(*token, "OR" | "/")).is_some() {
        choices.push(all(tokens, depth)?);
    }
    Ok(one_or(choices, Licence::Any))
}

/// `AND` binds tighter than `OR`.
fn all(tokens: &mut Tokens<'_>, depth: usize) -> Result<Licence, String> {
    let mut parts = vec![one(tokens, depth)?];
    while tokens.next_if_eq(&"AND").is_some() {
        parts.push(one(tokens, depth)?);
    }
    Ok(one_or(parts, Licence::All))
}

fn one(tokens: &mut Tokens<'_>, depth: usize) -> Result<Licence, String> {
    if tokens.next_if_eq(&"(").is_some() {
        if depth == DEPTH_MAX {
            return Err("it is nested too deeply".into());
        }
        let inner = any(tokens, depth + 1)?;
        return match tokens.next() {
            Some(")") => Ok(inner),
            _ => Err("a parenthesis is not closed".into()),
        };
    }
    let id = name(tokens.next())?;
    if tokens.next_if_eq(&"WITH").is_some() {
        let exception = name(tokens.next())?;
        return Ok(Licence::One(format!("{id} WITH {exception}")));
    }
    Ok(Licence::One(id.to_owned()))
}

fn name(token: Option<&str>) -> Result<&str, String> {
    let token = token.ok_or("it ends where a licence should stand")?;
    let good = !matches!(token, "AND" | "OR" | "WITH")
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+:".contains(&byte));
    if good { Ok(token) } else { Err(format!("`{token}` stands where a licence should")) }
}

fn one_or(mut licences: Vec<Licence>, several: fn(Vec<Licence>) -> Licence) -> Licence {
    match licences.pop() {
        Some(only) if licences.is_empty() => only,
        Some(last) => {
            licences.push(last);
            several(licences)
        }
        None => several(licences),
    }
}

fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(place) = rest.find(['(', ')', '/']) {
            let (before, from) = rest.split_at(place);
            let (mark, after) = from.split_at(1);
            tokens.extend([before, mark].into_iter().filter(|token| !token.is_empty()));
            rest = after;
        }
        tokens.extend(Some(rest).filter(|rest| !rest.is_empty()));
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: bool) {
        let permitted =
            ["MIT", "Apache-2.0", "ISC", "BSD-3-Clause", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];
        assert_eq!(Licence::parse(text).unwrap().is_permitted(&permitted), expect, "{text}");
    }

    #[test]
    fn alternatives_need_one_and_conjunctions_all() {
        check("MIT", true);
        check("GPL-3.0-only", false);
        check("MIT OR GPL-3.0-only", true);
        check("GPL-3.0-only OR MIT", true);
        check("MIT AND GPL-3.0-only", false);
        check("MIT AND BSD-3-Clause", true);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("(GPL-2.0-only OR LGPL-2.1-only) AND MIT", false);
        check("ISC AND (Apache-2.0 OR ISC) AND MIT AND (Apache-2.0 OR ISC OR MIT-0)", true);
    }

    #[test]
    fn and_binds_tighter_than_or() {
        check("GPL-3.0-only AND MIT OR ISC", true);
        check("ISC OR MIT AND GPL-3.0-only", true);
        check("GPL-3.0-only AND (MIT OR ISC)", false);
    }

    #[test]
    fn the_slash_is_an_old_or() {
        check("MIT/Apache-2.0", true);
        check("Apache-2.0 / MIT", true);
        check("GPL-3.0/MIT", true);
        check("GPL-3.0/LGPL-3.0", false);
    }

    #[test]
    fn an_exception_is_part_of_the_licence() {
        check("Apache-2.0 WITH LLVM-exception", true);
        check("MIT WITH LLVM-exception", false);
        check("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only", true);
        check("GPL-2.0-only WITH Classpath-exception-2.0", false);
    }

    #[test]
    fn a_later_version_may_be_chosen() {
        check("Apache-2.0+", true);
        check("GPL-2.0+", false);
    }

    #[test]
    fn a_name_must_match_whole() {
        check("MIT-0", false);
        check("AGPL-3.0-or-later", false);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "OR",
            "MIT OR",
            "AND MIT",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MIT WITH",
            "()",
            "MIT OR OR ISC",
            "see LICENSE!",
            "MIT or ISC",
            "MIT//ISC",
        ] {
            assert!(Licence::parse(text).is_err(), "{text}");
        }
        assert!(Licence::parse(&"(".repeat(10_000)).is_err());
    }
}
