//! Reading single claims of a JSON object that a stranger wrote.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::json::Member;

/// A claim that is absent or of the wrong shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("the claim `{name}` is missing, hint: add `{name}`")]
    Missing { name: &'static str },
    #[error("the claim `{name}` is malformed, hint: it must be {wanted}")]
    Malformed { name: &'static str, wanted: &'static str },
}

/// A claim that was read alone: a string of 1 to `bytes_max` bytes.
pub(crate) fn optional_text<'a>(
    claim: Option<Member<'a>>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<Cow<'a, str>>, ClaimError> {
    match claim {
        None => Ok(None),
        Some(Member::Text(text)) if (1..=bytes_max).contains(&text.len()) => Ok(Some(text)),
        Some(_) => Err(ClaimError::Malformed { name, wanted: TEXT_WANTED }),
    }
}

/// The same, which must be there.
pub(crate) fn text<'a>(
    claim: Option<Member<'a>>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Cow<'a, str>, ClaimError> {
    optional_text(claim, name, bytes_max)?.ok_or(ClaimError::Missing { name })
}

/// A `NumericDate` (RFC 7519, section 2) that was read alone and must be there.
pub(crate) fn numeric_date(claim: Option<Member<'_>>, name: &'static str) -> Result<i64, ClaimError> {
    match claim {
        None => Err(ClaimError::Missing { name }),
        Some(Member::Other(value)) => {
            seconds(&value).ok_or(ClaimError::Malformed { name, wanted: DATE_WANTED })
        }
        Some(Member::Text(_)) => Err(ClaimError::Malformed { name, wanted: DATE_WANTED }),
    }
}

const TEXT_WANTED: &str = "a string that is neither empty nor long";
const DATE_WANTED: &str = "a number of seconds since 1970";

pub(crate) struct Claims(pub(crate) Map<String, Value>);

impl Claims {
    /// A string that must be there, of 1 to `bytes_max` bytes.
    pub(crate) fn text(&self, name: &'static str, bytes_max: usize) -> Result<&str, ClaimError> {
        self.optional_text(name, bytes_max)?.ok_or(ClaimError::Missing { name })
    }

    pub(crate) fn optional_text(
        &self,
        name: &'static str,
        bytes_max: usize,
    ) -> Result<Option<&str>, ClaimError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if (1..=bytes_max).contains(&text.len()) => Ok(Some(text)),
            Some(_) => Err(ClaimError::Malformed { name, wanted: TEXT_WANTED }),
        }
    }

    /// A `NumericDate` (RFC 7519, section 2) that must be there.
    pub(crate) fn seconds(&self, name: &'static str) -> Result<i64, ClaimError> {
        self.optional_seconds(name)?.ok_or(ClaimError::Missing { name })
    }

    pub(crate) fn optional_seconds(&self, name: &'static str) -> Result<Option<i64>, ClaimError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        match seconds(value) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(ClaimError::Malformed { name, wanted: DATE_WANTED }),
        }
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
    fn texts_are_bounded_and_never_empty() {
        let claims = Claims(json!({"a": "xyz", "b": "", "c": 1}).as_object().unwrap().clone());
        assert_eq!(claims.text("a", 3), Ok("xyz"));
        assert!(matches!(claims.text("a", 2), Err(ClaimError::Malformed { name: "a", .. })));
        assert!(matches!(claims.text("b", 2), Err(ClaimError::Malformed { name: "b", .. })));
        assert!(matches!(claims.text("c", 2), Err(ClaimError::Malformed { name: "c", .. })));
        assert_eq!(claims.text("d", 2), Err(ClaimError::Missing { name: "d" }));
        assert_eq!(claims.optional_text("d", 2), Ok(None));
        assert_eq!(claims.seconds("d"), Err(ClaimError::Missing { name: "d" }));
    }
}
