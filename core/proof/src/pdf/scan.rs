//! Looks through a document, object after object, for dictionaries of signatures and for encryption.

use std::ops::Range;

use jiff::Timestamp;
use memchr::memmem::Finder;

use super::lexer::{Element, Lexer, Value, is_space};
use super::{PdfError, SIGNATURES_MAX};

const STREAM_END: &[u8] = b"endstream";

/// What was found.
pub(super) struct Scanned<'a> {
    pub(super) signatures: Vec<Found<'a>>,
    pub(super) is_encrypted: bool,
}

/// A dictionary with a `ByteRange`.
pub(super) struct Found<'a> {
    /// `SubFilter`.
    pub(super) form: std::borrow::Cow<'a, [u8]>,
    pub(super) byte_range: Option<[usize; 4]>,
    /// Where the value is, with its `<` and `>`.
    pub(super) contents: Option<Range<usize>>,
    /// `M`, by the signer's own word.
    pub(super) time: Option<Timestamp>,
    /// Whether something that counts is there twice.
    pub(super) is_ambiguous: bool,
}

/// One indirect object, or a trailer.
struct Object<'a> {
    /// Its number; none for a trailer.
    number: Option<usize>,
    element: Element<'a>,
}

pub(super) fn scan(document: &[u8]) -> Result<Scanned<'_>, PdfError> {
    let mut scanned = Scanned { signatures: Vec::new(), is_encrypted: false };
    each(document, &mut |object| {
        let is_trailer = object.number.is_none()
            || object.element.value.members(b"Type").any(|kind| kind.value.is_name(b"XRef"));
        if is_trailer && object.element.value.members(b"Encrypt").next().is_some() {
            scanned.is_encrypted = true;
        }
        gather(&object.element, &mut scanned.signatures);
        if scanned.signatures.len() > SIGNATURES_MAX { Err(PdfError::TooMany) } else { Ok(()) }
    })?;
    Ok(scanned)
}

/// Hands over every object that can be read.
///
/// # Errors
/// That of `take`; [`PdfError::TooComplex`] if what can't be read costs too much.
fn each<'a>(
    document: &'a [u8],
    take: &mut dyn FnMut(Object<'a>) -> Result<(), PdfError>,
) -> Result<(), PdfError> {
    // Objects that end are passed over; those that don't are tried anew from within, which must not go on forever.
    let mut budget = document.len().saturating_mul(4).saturating_add(1 << 20);
    let (objects, trailers) = (Finder::new(b"obj"), Finder::new(b"trailer"));
    let find = |finder: &Finder<'_>, from: usize| {
        document.get(from..).and_then(|rest| finder.find(rest)).map(|at| from + at)
    };
    let last_end = memchr::memmem::rfind(document, STREAM_END).unwrap_or(0);
    let mut at = 0;
    let (mut object, mut trailer) = (find(&objects, at), find(&trailers, at));
    loop {
        if object.is_some_and(|object| object < at) {
            object = find(&objects, at);
        }
        if trailer.is_some_and(|trailer| trailer < at) {
            trailer = find(&trailers, at);
        }
        let (start, number) = match (object, trailer) {
            (None, None) => return Ok(()),
            (Some(object), trailer) if trailer.is_none_or(|trailer| object < trailer) => {
                let Some(number) = number_before(document, object) else {
                    at = object + 3;
                    continue;
                };
                (object + 3, Some(number))
            }
            (_, Some(trailer)) => (trailer + 7, None),
            (Some(_), None) => return Ok(()),
        };
        let mut lexer = Lexer::new(document, start);
        let element = lexer.element();
        budget = budget.checked_sub(lexer.at - start).ok_or(PdfError::TooComplex)?;
        at = start;
        if let Some(element) = element {
            let stream = stream_end(document, &mut lexer, &element, last_end);
            at = stream.unwrap_or(element.place.end);
            take(Object { number, element })?;
        }
    }
}

/// `12 0 ` before `obj`.
fn number_before(document: &[u8], at: usize) -> Option<usize> {
    const BEFORE: usize = 32;
    let before = document.get(at.saturating_sub(BEFORE)..at)?;
    let mut words = before.rsplit(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    if !before.last().is_some_and(|byte| is_space(*byte) || byte.is_ascii_digit()) {
        return None;
    }
    super::lexer::number(words.next()?)?;
    let number = words.next()?;
    // After another object's end without a space.
    let digits = number.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
    super::lexer::number(number.get(digits..)?)
}

/// The end of the stream that follows a dictionary.
fn stream_end(
    document: &[u8],
    lexer: &mut Lexer<'_>,
    dictionary: &Element<'_>,
    last_end: usize,
) -> Option<usize> {
    if !matches!(dictionary.value, Value::Dictionary(_)) || !lexer.word(b"stream") {
        return None;
    }
    let data = match document.get(lexer.at..)? {
        [b'\r', b'\n', ..] => lexer.at + 2,
        _ => lexer.at + 1,
    };
    let told = dictionary.value.members(b"Length").find_map(|length| match length.value {
        Value::Integer(length) => data.checked_add(length),
        _ => None,
    });
    if let Some(end) = told.filter(|end| *end <= document.len()) {
        let mut after = Lexer::new(document, end);
        if after.word(STREAM_END) {
            return Some(after.at);
        }
    }
    // Its length lies elsewhere, or is wrong. What has no end isn't looked for again and again.
    if data > last_end {
        return None;
    }
    let found = memchr::memmem::find(document.get(data..)?, STREAM_END)?;
    Some(data + found + STREAM_END.len())
}

fn gather<'a>(element: &Element<'a>, found: &mut Vec<Found<'a>>) {
    if found.len() > SIGNATURES_MAX {
        return;
    }
    match &element.value {
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, found)),
        Value::Dictionary(members) => {
            if element.value.members(b"ByteRange").next().is_some() {
                found.push(signature(&element.value));
            }
            members.iter().for_each(|(_, element)| gather(element, found));
        }
        _ => {}
    }
}

fn signature<'a>(dictionary: &Value<'a>) -> Found<'a> {
    let only = |name: &'static [u8]| dictionary.members(name).next();
    let is_ambiguous = [&b"ByteRange"[..], b"Contents", b"SubFilter", b"M", b"Type", b"Filter"]
        .iter()
        .any(|name| dictionary.members(name).count() > 1);
    let byte_range = only(b"ByteRange").and_then(|range| match &range.value {
        Value::Array(numbers) => {
            let numbers = numbers.iter().map(|number| match number.value {
                Value::Integer(number) => Some(number),
                _ => None,
            });
            numbers.collect::<Option<Vec<_>>>()?.try_into().ok()
        }
        _ => None,
    });
    let contents = only(b"Contents").and_then(|contents| match contents.value {
        Value::Text(_) => Some(contents.place.clone()),
        _ => None,
    });
    let form = only(b"SubFilter").and_then(|form| match &form.value {
        Value::Name(name) => Some(name.clone()),
        _ => None,
    });
    let time = only(b"M").and_then(|time| match time.value {
        Value::Text(text) => super::date(text.strip_prefix(b"(")?.strip_suffix(b")")?),
        _ => None,
    });
    Found { form: form.unwrap_or_default(), byte_range, contents, time, is_ambiguous }
}
