//! JSON pointers (RFC 6901), as routes declare them.

use std::sync::Arc;

/// No route needs a longer one.
pub const POINTER_BYTES_MAX: usize = 1_024;

/// Points to one value of a document. Clones share the parsed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPointer {
    tokens: Arc<[Token]>,
}

/// One step from a container to its member or element.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) name: Box<str>,
    /// The step as an array index: digits without a leading zero.
    pub(crate) index: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    #[error(
        "pointer `{0}` doesn't start with `/`\nhint: write `/data` for the member `data`, or an empty pointer for the whole document"
    )]
    NoSlash(String),
    #[error("pointer `{0}` has a `~` without `0` or `1`\nhint: write `~0` for `~` and `~1` for `/`")]
    Escape(String),
    #[error("pointer has `{bytes}` bytes, more than `{POINTER_BYTES_MAX}`")]
    TooLong { bytes: usize },
}

impl JsonPointer {
    /// # Errors
    /// The text isn't a pointer of RFC 6901, section 3, or has more than [`POINTER_BYTES_MAX`] bytes.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.len() > POINTER_BYTES_MAX {
            return Err(PointerError::TooLong { bytes: text.len() });
        }
        if text.is_empty() {
            return Ok(Self { tokens: Arc::new([]) });
        }
        let steps = text.strip_prefix('/').ok_or_else(|| PointerError::NoSlash(text.to_owned()))?;
        let tokens = steps.split('/').map(|step| {
            let name = unescaped(step).ok_or_else(|| PointerError::Escape(text.to_owned()))?;
            Ok(Token { index: array_index(&name), name: name.into_boxed_str() })
        });
        Ok(Self { tokens: tokens.collect::<Result<_, _>>()? })
    }

    pub(crate) fn is_root(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(crate) fn length(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn token(&self, place: usize) -> Option<&Token> {
        self.tokens.get(place)
    }
}

fn unescaped(step: &str) -> Option<String> {
    let mut name = String::with_capacity(step.len());
    let mut letters = step.chars();
    while let Some(letter) = letters.next() {
        name.push(match letter {
            '~' => match letters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(name)
}

fn array_index(name: &str) -> Option<u64> {
    let is_index = name == "0" || !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
    is_index.then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{JsonPointer, POINTER_BYTES_MAX, PointerError};

    #[test]
    fn pointers() {
        let check = |text: &str, expect: &[(&str, Option<u64>)]| {
            let pointer = JsonPointer::parse(text).unwrap();
            let tokens: Vec<_> = pointer.tokens.iter().map(|token| (&*token.name, token.index)).collect();
            assert_eq!(tokens, expect, "{text}");
        };
        check("", &[]);
        check("/", &[("", None)]);
        check("/data/items", &[("data", None), ("items", None)]);
        check("/a~1b/m~0n/~01", &[("a/b", None), ("m~n", None), ("~1", None)]);
        check("/0/10/01/-/+1", &[("0", Some(0)), ("10", Some(10)), ("01", None), ("-", None), ("+1", None)]);
        check("/99999999999999999999", &[("99999999999999999999", None)]);
    }

    #[test]
    fn not_pointers() {
        assert_eq!(JsonPointer::parse("data"), Err(PointerError::NoSlash("data".into())));
        assert_eq!(JsonPointer::parse("/a~2"), Err(PointerError::Escape("/a~2".into())));
        assert_eq!(JsonPointer::parse("/a~"), Err(PointerError::Escape("/a~".into())));
        let long = "/".repeat(POINTER_BYTES_MAX + 1);
        assert_eq!(JsonPointer::parse(&long), Err(PointerError::TooLong { bytes: POINTER_BYTES_MAX + 1 }));
    }
}
