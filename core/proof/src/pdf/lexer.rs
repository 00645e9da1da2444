//! Objects of PDF (ISO 32000-2, 7.3), each with the place that it was at. Streams' bytes aren't looked at.

use std::borrow::Cow;
use std::ops::Range;

const DEPTH_MAX: u32 = 48;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value<'a> {
    /// Without its `/`, escapes resolved.
    Name(Cow<'a, [u8]>),
    /// An integer that isn't negative; other numbers are [`Value::Other`].
    Integer(usize),
    /// In parentheses or in hexadecimal, as it is written.
    Text(&'a [u8]),
    Array(Vec<Element<'a>>),
    /// In the order of the file; a name may be there twice.
    Dictionary(Vec<(Cow<'a, [u8]>, Element<'a>)>),
    Reference(usize),
    /// `null`, a boolean, a number with a sign or a fraction.
    Other(&'a [u8]),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Element<'a> {
    pub(super) value: Value<'a>,
    pub(super) place: Range<usize>,
}

impl<'a> Value<'a> {
    /// The members of that name.
    pub(super) fn members<'v>(&'v self, name: &'v [u8]) -> impl Iterator<Item = &'v Element<'a>> {
        let members = match self {
            Self::Dictionary(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().filter(move |(found, _)| found.as_ref() == name).map(|(_, element)| element)
    }

    pub(super) fn is_name(&self, name: &[u8]) -> bool {
        matches!(self, Self::Name(found) if found.as_ref() == name)
    }
}

/// Reads objects from a place on. How many bytes it may look at is bounded over all objects of a document, for what
/// can't be read is tried again from the next place on.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next object.
    pub(super) fn element(&mut self) -> Option<Element<'a>> {
        self.element_within(DEPTH_MAX)
    }

    /// Whether the next word is this one, which is then read.
    pub(super) fn word(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(word);
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            if is_space(byte) {
                self.at += 1;
            } else if byte == b'%' {
                let line = self.rest().iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                self.at = line.map_or(self.bytes.len(), |line| self.at + line);
            } else {
                return;
            }
        }
    }

    fn element_within(&mut self, depth: u32) -> Option<Element<'a>> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        let start = self.at;
        let value = match self.peek()? {
            b'/' => Value::Name(self.name()?),
            b'(' => Value::Text(self.literal()?),
            b'<' if self.rest().starts_with(b"<<") => self.dictionary(depth)?,
            b'<' => Value::Text(self.hexadecimal()?),
            b'[' => self.array(depth)?,
            _ => self.atom()?,
        };
        Some(Element { value, place: start..self.at })
    }

    fn name(&mut self) -> Option<Cow<'a, [u8]>> {
        self.at += 1;
        let written = self.regular();
        if !written.contains(&b'#') {
            return Some(Cow::Borrowed(written));
        }
        let mut name = Vec::with_capacity(written.len());
        let mut bytes = written.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte != b'#' {
                name.push(byte);
                continue;
            }
            let digits = [bytes.next()?, bytes.next()?];
            name.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        }
        Some(Cow::Owned(name))
    }

    fn literal(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut open = 0_u32;
        let mut is_escaped = false;
        for (index, byte) in self.rest().iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'(' => open += 1,
                b')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                self.at = start + index + 1;
                return self.bytes.get(start..self.at);
            }
        }
        // It was all looked at.
        self.at = self.bytes.len();
        None
    }

    fn hexadecimal(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let Some(length) = self.rest().iter().position(|byte| *byte == b'>').map(|last| last + 1) else {
            self.at = self.bytes.len();
            return None;
        };
        self.at += length;
        let text = self.bytes.get(start..self.at)?;
        let digits = text.get(1..length - 1)?;
        digits.iter().all(|byte| byte.is_ascii_hexdigit() || is_space(*byte)).then_some(text)
    }

    fn dictionary(&mut self, depth: u32) -> Option<Value<'a>> {
        self.at += 2;
        let mut members = Vec::new();
        while !self.word(b">>") {
            if self.peek()? != b'/' {
                return None;
            }
            let name = self.name()?;
            members.push((name, self.element_within(depth)?));
        }
        Some(Value::Dictionary(members))
    }

    fn array(&mut self, depth: u32) -> Option<Value<'a>> {
        self.at += 1;
        let mut elements = Vec::new();
        while !self.word(b"]") {
            elements.push(self.element_within(depth)?);
        }
        Some(Value::Array(elements))
    }

    /// A number, a word, or a reference, which is two numbers and an `R`.
    fn atom(&mut self) -> Option<Value<'a>> {
        let written = self.regular();
        if written.is_empty() {
            return None;
        }
        let Some(number) = number(written) else { return Some(Value::Other(written)) };
        let after = self.at;
        self.skip_space();
        if self::number(self.regular()).is_some() {
            self.skip_space();
            if self.regular() == b"R" {
                return Some(Value::Reference(number));
            }
        }
        self.at = after;
        Some(Value::Integer(number))
    }

    fn regular(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let length =
            rest.iter().position(|byte| is_space(*byte) || is_delimiter(*byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// Digits alone, at most as many as any place in a document needs.
pub(super) fn number(written: &[u8]) -> Option<usize> {
    if written.is_empty() || written.len() > 12 || !written.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(written).ok()?.parse().ok()
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Value<'_>> {
        Lexer::new(text.as_bytes(), 0).element().map(|element| element.value)
    }

    #[test]
    fn objects_are_read_with_their_places() {
        let text = " << /A#42 [1 2 R 3 0 R] /C (a(b\\)c)) % note\n /D <0a F> /E -1.5/F null>>";
        let mut lexer = Lexer::new(text.as_bytes(), 0);
        let element = lexer.element().unwrap();
        assert_eq!(element.place, 1..text.len());
        let member = |name: &str| element.value.members(name.as_bytes()).next().unwrap().clone();
        assert!(matches!(member("AB").value, Value::Array(elements) if elements.len() == 2));
        assert_eq!(member("C").value, Value::Text(b"(a(b\\)c))"));
        assert_eq!(&text[member("D").place], "<0a F>");
        assert_eq!(member("E").value, Value::Other(b"-1.5"));
        assert_eq!(member("F").value, Value::Other(b"null"));
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["", "<<", "<< /A >>", "<< 1 2 >>", "[1", "(a", "<0g>", "<0", ")", ">>", "/A#4"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"[".repeat(100_000)), None);
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        assert!(read(&deep).is_some());
        assert_eq!(read("12 0 R"), Some(Value::Reference(12)));
        assert_eq!(read("12 0 obj"), Some(Value::Integer(12)));
        assert_eq!(read("1234567890123"), Some(Value::Other(b"1234567890123")));
    }
}
