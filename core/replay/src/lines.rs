//! Lines of a bounded length.

use std::io::{self, BufRead};
use std::ops::ControlFlow;

/// Of a line, or of an object.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// A line, without its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

/// Visits all lines with their numbers, from 1. What is longer than [`LINE_BYTES_MAX`] is never held.
pub(crate) fn each<B>(
    from: &mut impl BufRead,
    mut visit: impl FnMut(u64, Line<'_>) -> ControlFlow<B>,
) -> io::Result<ControlFlow<B>> {
    let (mut line, mut too_long, mut number) = (Vec::new(), false, 1_u64);
    loop {
        let chunk = match from.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let at_end = chunk.is_empty();
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        if line.len() + part.len() > LINE_BYTES_MAX {
            too_long = true;
            line.clear();
        }
        if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_none() && !at_end {
            continue;
        }
        let whole = line.strip_suffix(b"\r").unwrap_or(&line);
        let shown = if too_long { Line::TooLong } else { Line::Whole(whole) };
        if (too_long || !whole.iter().all(u8::is_ascii_whitespace))
            && let ControlFlow::Break(broken) = visit(number, shown)
        {
            return Ok(ControlFlow::Break(broken));
        }
        if at_end {
            return Ok(ControlFlow::Continue(()));
        }
        line.clear();
        too_long = false;
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_long_ones_are_not_held() {
        let mut text = b"a\r\n\n b \n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX + 1));
        text.extend_from_slice(b"\nlast");
        let mut seen = Vec::new();
        let done = each(&mut text.as_slice(), |number, line| {
            seen.push(match line {
                Line::Whole(line) => format!("{number} {}", String::from_utf8_lossy(line)),
                Line::TooLong => format!("{number} too long"),
            });
            ControlFlow::<()>::Continue(())
        });
        assert!(done.unwrap().is_continue());
        assert_eq!(seen, ["1 a", "3  b ", "4 too long", "5 last"]);
    }
}
