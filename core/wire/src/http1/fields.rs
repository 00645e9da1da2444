//! The field lines of a head or a trailer section (RFC 9112, 5).

use memchr::memchr;

use super::bytes::{has_control, token, trimmed};
use super::{Field, Span};
use crate::http_rules::{HeadFault, pretends_to_be_another};

/// Reads the field lines from `start` to the empty line, which must be the end of `head`. Calls `each` with
/// name and value of each field.
///
/// # Errors
/// The first fault of a line, in the order of the lines; what `each` refuses.
#[inline]
pub fn read_fields<'a>(
    head: &'a [u8],
    start: usize,
    fields_max: usize,
    fields: &mut Vec<Field>,
    mut each: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), HeadFault>,
) -> Result<(), HeadFault> {
    fields.clear();
    let mut at = start;
    loop {
        let line = line(head, at)?;
        let next = at + line.len() + 2;
        if line.is_empty() {
            return if next == head.len() { Ok(()) } else { Err(HeadFault::HeadNotWhole) };
        }
        if fields.len() == fields_max {
            return Err(HeadFault::FieldsTooMany { fields_max });
        }
        let field = read_field(line, at)?;
        each(field.name.of(head), field.value.of(head))?;
        fields.push(field);
        at = next;
    }
}

/// The line that starts at `at`, without its CR LF.
#[inline]
pub fn line(head: &[u8], at: usize) -> Result<&[u8], HeadFault> {
    let rest = head.get(at..).unwrap_or_default();
    let end = memchr(b'\n', rest).ok_or(HeadFault::HeadNotWhole)?;
    match rest.get(..end) {
        Some([line @ .., b'\r']) => Ok(line),
        _ => Err(HeadFault::BareLineFeed),
    }
}

/// Reads one field line without its CR LF. `at` is where it starts.
#[inline]
pub fn read_field(line: &[u8], at: usize) -> Result<Field, HeadFault> {
    let (name_bytes, underscored) = token(line);
    let (name, rest) = line.split_at_checked(name_bytes).ok_or(HeadFault::FieldNameMalformed)?;
    let [b':', value @ ..] = rest else { return Err(name_fault(name, rest)) };
    if name.is_empty() {
        return Err(HeadFault::FieldNameEmpty);
    }
    if underscored && pretends_to_be_another(name) {
        return Err(HeadFault::NameAmbiguous);
    }
    if has_control(value) {
        let is_return = memchr(b'\r', value).is_some();
        return Err(if is_return { HeadFault::BareCarriageReturn } else { HeadFault::FieldValueMalformed });
    }
    let (start, end) = trimmed(value);
    let value_at = at + name_bytes + 1;
    Ok(Field { name: Span::new(at, at + name_bytes), value: Span::new(value_at + start, value_at + end) })
}

/// Why the token at the start of a line isn't followed by a colon.
#[cold]
fn name_fault(name: &[u8], rest: &[u8]) -> HeadFault {
    match rest {
        [b' ' | b'\t', ..] if name.is_empty() => HeadFault::Folded,
        [b' ' | b'\t', ..] if rest.trim_ascii_start().starts_with(b":") => HeadFault::SpaceBeforeColon,
        [b'\r', ..] => HeadFault::BareCarriageReturn,
        [] => HeadFault::ColonMissing,
        _ => HeadFault::FieldNameMalformed,
    }
}
