//! DER (ITU-T X.690), as much of it as CMS needs: one value after the other, each with the bytes that it was.
//!
//! Signatures are over encodings, so values are handed out with their own bytes. Lengths must be definite and
//! minimal, tags of one byte: there is one reading of each input.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// A constructed value of context class.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    /// Tag, length and contents.
    pub(crate) whole: &'a [u8],
}

/// What is left to read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next value, whatever it is.
    pub(crate) fn any(&mut self) -> Option<Value<'a>> {
        let (&tag, after_tag) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, contents) = length(after_tag)?;
        let (contents, rest) = contents.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Value { tag, contents, whole })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Value<'a>> {
        self.optional(tag)
    }

    /// The next value, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Value<'a>> {
        if self.0.first() != Some(&tag) {
            return None;
        }
        self.any()
    }
}

impl<'a> Value<'a> {
    pub(crate) fn reader(&self) -> Reader<'a> {
        Reader(self.contents)
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let value = digits.iter().fold(0_usize, |value, digit| value << 8 | usize::from(*digit));
    let is_minimal = value >= 0x80 && digits.first() != Some(&0);
    is_minimal.then_some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_encoding_of_each_value_is_read() {
        let check = |bytes: &[u8], expect: Option<&[u8]>| {
            assert_eq!(Reader::new(bytes).any().map(|value| value.contents), expect, "{bytes:02x?}");
        };
        check(&[4, 2, 7, 8], Some(&[7, 8]));
        check(&[5, 0], Some(&[]));
        check(&[4, 2, 7], None);
        check(&[4], None);
        check(&[], None);
        // Indefinite, not minimal, too long, and a tag of more bytes.
        check(&[0x30, 0x80, 0, 0], None);
        check(&[4, 0x81, 2, 7, 8], None);
        check(&[4, 0x82, 0, 0x80], None);
        check(&[4, 0x85, 1, 0, 0, 0, 0], None);
        check(&[0x1f, 0x81, 1, 0], None);
        let mut long = vec![4, 0x81, 0x80];
        long.extend([1; 0x80]);
        check(&long, Some(&[1; 0x80]));
    }
}
