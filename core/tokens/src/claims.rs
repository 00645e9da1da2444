//! Reading single claims of a JSON object that a stranger wrote.

use serde_json::Value;

use crate::json::{Member, shown};

/// The longest `iss`, `sub`, `aud` and `jti` of what a client signs.
pub(crate) const CLAIM_BYTES_MAX: usize = 512;

/// A claim that is absent or of the wrong shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("the claim `{name}` is missing, hint: add `{name}`")]
    Missing { name: &'static str },
    #[error("the claim `{name}` is malformed, hint: it must be {wanted}")]
    Malformed { name: &'static str, wanted: &'static str },
}

/// A claim that says another thing than it must. Both texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is `{found}`, hint: set it to `{expected}`")]
pub struct Mismatch {
    pub name: &'static str,
    pub found: String,
    pub expected: String,
}

/// A string that must be there and be `expected`.
pub(crate) fn same<E: From<ClaimError> + From<Mismatch>>(
    claim: Option<&Member<'_>>,
    name: &'static str,
    expected: &str,
) -> Result<(), E> {
    let found = text(claim, name, CLAIM_BYTES_MAX)?;
    if found == expected {
        return Ok(());
    }
    Err(Mismatch { name, found: shown(found), expected: shown(expected) }.into())
}

/// A string that must be there, of 1 to `bytes_max` bytes.
pub(crate) fn text<'m>(
    claim: Option<&'m Member<'_>>,
    name: &'static str,
    bytes_max: usize,
) -> Result<&'m str, ClaimError> {
    optional_text(claim, name, bytes_max)?.ok_or(ClaimError::Missing { name })
}

pub(crate) fn optional_text<'m>(
    claim: Option<&'m Member<'_>>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<&'m str>, ClaimError> {
    match claim {
        None => Ok(None),
        Some(Member::Text(text)) if (1..=bytes_max).contains(&text.len()) => Ok(Some(text)),
        Some(_) => Err(ClaimError::Malformed { name, wanted: "a string that is neither empty nor long" }),
    }
}

/// A `NumericDate` (RFC 7519, section 2) that must be there.
pub(crate) fn date(claim: Option<&Member<'_>>, name: &'static str) -> Result<i64, ClaimError> {
    optional_date(claim, name)?.ok_or(ClaimError::Missing { name })
}

pub(crate) fn optional_date(
    claim: Option<&Member<'_>>,
    name: &'static str,
) -> Result<Option<i64>, ClaimError> {
    let date = match claim {
        None => return Ok(None),
        Some(Member::Other(value)) => seconds(value),
        Some(Member::Text(_)) => None,
    };
    match date {
        Some(date) => Ok(Some(date)),
        None => Err(ClaimError::Malformed { name, wanted: "a number of seconds since 1970" }),
    }
}

/// RFC 7519 allows fractions of a second; they are rounded down.
fn seconds(value: &Value) -> Option<i64> {
    /// Above this a double no longer tells seconds apart.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let whole = value.as_i64();
    whole.or_else(|| value.as_f64().filter(|s| s.abs() < EXACT_MAX).map(|s| s.floor() as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json;

    #[test]
    fn numeric_dates() {
        let check = |value: Value, expect| assert_eq!(seconds(&value), expect, "{value}");
        check(json!(0), Some(0));
        check(json!(1_562_262_616), Some(1_562_262_616));
        check(json!(i64::MAX), Some(i64::MAX));
        check(json!(1_562_262_616.9), Some(1_562_262_616));
        check(json!(-0.5), Some(-1));
        check(json!(1e300), None);
        check(json!(u64::MAX), None);
        check(json!("1562262616"), None);
        check(json!(null), None);
    }

    #[test]
    fn a_claim_that_names_another_says_both() {
        #[derive(Debug, PartialEq)]
        enum Refused {
            Claim(ClaimError),
            Mismatch(Mismatch),
        }
        impl From<ClaimError> for Refused {
            fn from(error: ClaimError) -> Self {
                Self::Claim(error)
            }
        }
        impl From<Mismatch> for Refused {
            fn from(mismatch: Mismatch) -> Self {
                Self::Mismatch(mismatch)
            }
        }
        let [iss, aud] = json::named(br#"{"iss": "robot"}"#, ["iss", "aud"]).unwrap();
        assert_eq!(same::<Refused>(iss.as_ref(), "iss", "robot"), Ok(()));
        let mismatch = Mismatch { name: "iss", found: "robot".into(), expected: "Robot".into() };
        assert_eq!(same(iss.as_ref(), "iss", "Robot"), Err(Refused::Mismatch(mismatch)));
        let missing = ClaimError::Missing { name: "aud" };
        assert_eq!(same(aud.as_ref(), "aud", "robot"), Err(Refused::Claim(missing)));
    }

    #[test]
    fn texts_are_bounded_and_never_empty() {
        let [a, b, c, d] = json::named(br#"{"a": "xyz", "b": "", "c": 1}"#, ["a", "b", "c", "d"]).unwrap();
        assert_eq!(text(a.as_ref(), "a", 3), Ok("xyz"));
        assert!(matches!(text(a.as_ref(), "a", 2), Err(ClaimError::Malformed { name: "a", .. })));
        assert!(matches!(text(b.as_ref(), "b", 2), Err(ClaimError::Malformed { name: "b", .. })));
        assert!(matches!(text(c.as_ref(), "c", 2), Err(ClaimError::Malformed { name: "c", .. })));
        assert_eq!(text(d.as_ref(), "d", 2), Err(ClaimError::Missing { name: "d" }));
        assert_eq!(optional_text(d.as_ref(), "d", 2), Ok(None));
        assert_eq!(date(d.as_ref(), "d"), Err(ClaimError::Missing { name: "d" }));
        assert_eq!(optional_date(d.as_ref(), "d"), Ok(None));
        assert_eq!(date(c.as_ref(), "c"), Ok(1));
        assert!(matches!(date(a.as_ref(), "a"), Err(ClaimError::Malformed { name: "a", .. })));
    }
}
